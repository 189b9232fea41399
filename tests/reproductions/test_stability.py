"""The parts of the stability experiment, beside exact answers; and that it can fail."""

import dataclasses
import math

import pytest
import torch

from reproductions.stability import antisymmetric, eigenvalues, linear, slopes
from reproductions.stability.methods import METHODS

NAMES = [method.name for method in METHODS]
ORDERS = (1, 2, 3, 4, 1, 2)


@pytest.fixture(scope="module")
def rows():
    return linear.portraits()


@pytest.fixture(scope="module")
def circle():
    return linear.circle_portrait(steps=20)


@pytest.mark.parametrize(("method", "order"), list(zip(METHODS, ORDERS, strict=True)), ids=NAMES)
def test_stability_functions_have_the_order_of_the_method(method, order):
    errors = [abs(method.factor(h * 1j) - complex(math.cos(h), math.sin(h))) for h in (0.02, 0.01)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order + 1, abs=0.1)
    assert method.make().order == order


@pytest.mark.parametrize("method", METHODS, ids=NAMES)
def test_matrix_function_agrees_with_the_scalar_one(method):
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    found = torch.linalg.eigvals(method.matrix(0.3 * turn))
    assert min(abs(x.item() - method.factor(0.3j)) for x in found) < 1e-15


@pytest.mark.parametrize(
    ("name", "square"),
    list(
        {
            "forward Euler": 1.25,
            "improved Euler": 1 + 0.5**4 / 4,
            "Kutta(3)": 1 - 0.5**4 / 12 + 0.5**6 / 36,
            "Kutta(4)": 1 - 0.5**6 / 72 + 0.5**8 / 576,
            "implicit Euler": 0.8,
            "implicit midpoint": 1.0,
        }.items()
    ),
    ids=NAMES,
)
def test_growth_on_the_circle_is_that_of_the_formula(circle, name, square):
    method = METHODS[NAMES.index(name)]
    assert linear.growth(method, circle) == pytest.approx(math.sqrt(square), rel=1e-13)


def test_a_wrong_method_is_refuted(rows, circle, monkeypatch):
    midpoint = METHODS[NAMES.index("implicit midpoint")]
    wrong = dataclasses.replace(METHODS[0], name=midpoint.name)
    monkeypatch.setattr(linear, "METHODS", (*METHODS[:-1], wrong))
    known = circle.trajectories
    changed = dataclasses.replace(circle)
    changed.__dict__["trajectories"] = {**known, midpoint.name: known["forward Euler"]}
    failed = [s.text for s in linear.statements(rows, changed) if not s.holds]
    assert "A₀: implicit midpoint stays on the circle" in failed


def test_wrong_eigenvalues_are_refuted(rows, circle):
    found = linear.statements([rows[1], rows[0], rows[2]], circle)
    assert [s.holds for s in found[:2]] == [False, False]


@pytest.mark.parametrize("damping", [0.0, 0.1, 0.4])
def test_lyapunov_function_falls_at_the_rate_of_the_damping(damping):
    field = antisymmetric.layer(damping)
    z = torch.randn(9, 2, dtype=torch.float64)
    _, rate = torch.func.jvp(lambda x: antisymmetric.lyapunov(field, x), (z,), (field(0.0, z),))
    expected = -damping * field(0.0, z).square().sum(dim=1)
    torch.testing.assert_close(rate, expected, rtol=1e-12, atol=1e-14)


def test_a_layer_that_gains_energy_is_refuted():
    portraits = antisymmetric.portraits(steps=8)
    for portrait in portraits:
        portrait.trajectories["implicit Euler"] = portrait.trajectories["forward Euler"]
    failed = [s.text for s in antisymmetric.statements(portraits) if not s.holds]
    assert "γ = 0: implicit Euler never raises V" in failed


def test_markus_yamabe_has_the_solution_that_is_said():
    for t in (0.0, 0.7, 2.0):
        z = torch.tensor([math.cos(t), -math.sin(t)], dtype=torch.float64)
        slope = 0.5 * z + torch.tensor([-math.sin(t), -math.cos(t)], dtype=torch.float64)
        torch.testing.assert_close(eigenvalues.markus_yamabe(t) @ z, slope, rtol=0, atol=1e-15)
        real = torch.linalg.eigvals(eigenvalues.markus_yamabe(t)).real
        torch.testing.assert_close(real, torch.full_like(real, -0.25), rtol=0, atol=1e-14)


def test_frozen_layers_approach_the_equation_at_second_order():
    exact = math.exp(4.0) * torch.tensor([math.cos(8.0), -math.sin(8.0)], dtype=torch.float64)
    start = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    with torch.no_grad():
        errors = [
            float((eigenvalues.network(layers=k)(start)[0] - exact).norm()) for k in (80, 160)
        ]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.1)


def test_layers_that_do_not_turn_are_refuted(monkeypatch):
    fixed = eigenvalues.markus_yamabe(0.0)
    monkeypatch.setattr(eigenvalues, "markus_yamabe", lambda t: fixed)
    assert [s.holds for s in eigenvalues.statements(layers=40)] == [True, False, True]


def test_a_matrix_that_slopes_cannot_spoil_is_refuted(monkeypatch):
    monkeypatch.setattr(slopes, "_MATRIX", -torch.eye(2, dtype=torch.float64))
    assert [s.holds for s in slopes.statements()] == [False, False, True, True]
