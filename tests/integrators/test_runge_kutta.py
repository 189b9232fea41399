"""Steps of explicit methods, in detail."""

import copy
import itertools
import pickle
from fractions import Fraction

import pytest
import torch

from darboux.integrators import (
    Euler,
    ImprovedEuler,
    Kutta3,
    Kutta4,
    Ralston2,
    Ralston3,
    RungeKutta,
    Tableau,
)

METHODS = [Euler, ImprovedEuler, Kutta3, Kutta4, Ralston2, Ralston3]


def reference(tableau, field, t, h, z):
    """The definition, term by term, zeros included."""
    slopes = []
    for row, node in zip(tableau.a, tableau.c, strict=True):
        stage = z + sum(h * float(x) * k for x, k in zip(row, slopes, strict=False))
        slopes.append(field(t + float(node) * h, stage))
    return z + sum(h * float(x) * k for x, k in zip(tableau.b, slopes, strict=True))


@pytest.mark.parametrize("build", METHODS, ids=lambda build: build.__name__)
def test_step_is_the_definition(build):
    method, z = build(), torch.randn(5, 3, dtype=torch.float64)
    field = lambda t, z: torch.sin(z.flip(1) + t) * z  # noqa: E731
    expected = reference(method.tableau, field, 0.7, 0.4, z)
    torch.testing.assert_close(method.step(field, 0.7, 0.4, z), expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("build", METHODS, ids=lambda build: build.__name__)
def test_named_methods_are_classes(build):
    """Their general class with a fixed table: equal to it, and told apart by their class."""
    method = build()
    assert isinstance(method, RungeKutta)
    assert type(pickle.loads(pickle.dumps(method))) is type(copy.deepcopy(method)) is build
    assert method == RungeKutta(method.tableau)
    assert repr(method) == f"{build.__name__}(order={method.order}, stages={method.stages})"
    assert repr(RungeKutta(method.tableau)).startswith(f"RungeKutta({method.tableau.name!r}, order")


def test_implicit_tableau_is_refused():
    midpoint = Tableau(((Fraction(1, 2),),), (1,), (Fraction(1, 2),), "implicit midpoint")
    with pytest.raises(ValueError, match="'implicit midpoint', whose stages depend on themselves"):
        RungeKutta(midpoint)


def test_step_size_with_axes_is_refused():
    with pytest.raises(ValueError, match=r"0-dimensional tensor; got shape \(1,\)"):
        Euler().step(lambda t, z: z, 0.0, torch.ones(1), torch.ones(2))


def test_field_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape of z, \(2, 3\); got \(2, 1\)"):
        Kutta4().step(lambda t, z: z[:, :1], 0.0, 0.1, torch.ones(2, 3))


@pytest.mark.parametrize("z_dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("h_dtype", [torch.float32, torch.float64], ids=str)
def test_dtype_follows_the_features(z_dtype, h_dtype):
    h = torch.tensor(0.25, dtype=h_dtype)
    assert Kutta4().step(lambda t, z: -t * z, 0.0, h, torch.ones(2, dtype=z_dtype)).dtype == z_dtype


def test_step_in_autocast_keeps_the_features_in_float32():
    weight, z = torch.randn(3, 3), torch.randn(2, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for h in (0.1, torch.tensor(0.1, dtype=torch.float64)):
            assert Kutta4().step(lambda t, z: z @ weight, 0.0, h, z).dtype == torch.float32


@pytest.mark.parametrize("build", METHODS, ids=lambda build: build.__name__)
def test_stages_are_the_evaluations(build):
    calls = itertools.count()
    method = build()
    method.step(lambda t, z: z * next(calls), 0.0, 0.1, torch.ones(1))
    assert next(calls) == method.stages


def test_zero_coefficients_cost_nothing():
    def field(t, z):
        del t
        return z.clone()

    z = torch.ones(2)
    with torch.profiler.profile() as profile:
        Kutta4().step(field, 0.0, 0.1, z)
    sums = sum(event.count for event in profile.key_averages() if event.key == "aten::add")
    assert sums == 7  # three stages, four weights


def test_vmap_over_step_sizes_and_fields():
    sizes = torch.tensor([0.1, 0.2, 0.4], dtype=torch.float64)
    rates = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    z = torch.ones(2, dtype=torch.float64)

    def step(h, rate):
        return Kutta4().step(lambda t, z: -rate * z, 0.0, h, z)

    mapped = torch.func.vmap(step)(sizes, rates)
    loop = torch.stack([step(h, rate) for h, rate in zip(sizes, rates, strict=True)])
    torch.testing.assert_close(mapped, loop, rtol=1e-15, atol=0)


def test_second_derivatives_by_the_step_size():
    def step(h):
        return Kutta4().step(lambda t, z: -z, 0.0, h, torch.ones((), dtype=torch.float64))

    h = torch.tensor(0.5, dtype=torch.float64)
    curvature = torch.func.grad(torch.func.grad(step))(h)
    torch.testing.assert_close(curvature, 1 - h + h**2 / 2)  # of 1 - h + h²/2 - h³/6 + h⁴/24


@pytest.mark.parametrize("build", [Euler, ImprovedEuler, Kutta4], ids=lambda b: b.__name__)
def test_lipschitz_factor_is_the_stability_polynomial_of_nonnegative_methods(build):
    x = 0.3 * 2.0
    taylor = [1, x, x**2 / 2, x**3 / 6, x**4 / 24][: build().order + 1]
    assert float(build().lipschitz_factor(0.3, 2.0)) == pytest.approx(sum(taylor), rel=1e-14)


def test_lipschitz_factor_of_kutta3_counts_moduli():
    # l_1 = L, l_2 = L (1 + hL/2), l_3 = L (1 + h (l_1 + 2 l_2)), weights 1/6, 2/3, 1/6
    x = 0.5
    expected = 1 + x / 6 + 2 * x / 3 * (1 + x / 2) + x / 6 * (1 + x + 2 * x * (1 + x / 2))
    assert float(Kutta3().lipschitz_factor(0.5, 1.0)) == pytest.approx(expected, rel=1e-14)


def test_lipschitz_factor_is_a_differentiable_float64_number():
    h = torch.tensor(0.0, requires_grad=True)
    lipschitz = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        factor = Kutta4().lipschitz_factor(h, lipschitz)
    assert factor.dtype == torch.float64
    assert factor.shape == ()
    assert float(factor.detach()) == 1.0
    slopes = torch.autograd.grad(factor, (h, lipschitz))
    assert [round(float(slope), 6) for slope in slopes] == [2.0, 0.0]


def test_lipschitz_factor_of_a_step_back_is_that_of_the_step():
    assert Kutta4().lipschitz_factor(-0.5, 2.0) == Kutta4().lipschitz_factor(0.5, 2.0)
