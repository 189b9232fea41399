"""Implicit Runge-Kutta methods: order, structure, any step size, derivatives, refusals."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import darboux as dx
from darboux.integrators import (
    Gauss,
    ImplicitEuler,
    ImplicitMidpoint,
    ImplicitRungeKutta,
    Kutta4,
    RadauIIA,
)
from darboux.testing import (
    check_contraction_at_any_step,
    check_derivatives_of_step,
    check_order,
    check_step_sizes,
    check_symplectic,
)
from tests.catalogue.integrators import IMPLICIT as CASES

EPS = torch.finfo(torch.float64).eps
STABLE = [name for name in CASES if name not in ("trapezoidal", "lobatto_iiia3")]
SYMPLECTIC = ["implicit_midpoint", "gauss2", "gauss3", "gauss4", "gauss6", "gauss2_newton"]
LONG = ["gauss3", "gauss4", "radau_ia3", "radau_iia5", "lobatto_iiic4", "gauss2_newton"]
QUICK = [name for name in STABLE if name not in LONG]
SYMMETRIC = [*SYMPLECTIC, "trapezoidal", "lobatto_iiia3"]
# errors reach rounding later
COUNTS = {6: (8, 12, 18, 27), 8: (4, 6, 9, 13), 9: (2, 3, 4, 6), 12: (1, 2, 3)}


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("name", CASES)
def test_order(name):
    method = CASES[name]()
    high = method.order > 8
    default = (16, 24, 36, 54)
    check_order(method, counts=COUNTS.get(method.order, default), tolerance=0.3 if high else 0.2)


def test_order_check_refutes_a_wrong_order():
    method = ImplicitRungeKutta(Gauss(2).tableau)
    method.order = 5
    with pytest.raises(AssertionError, match=r"errors fall like h\^4.*; the order is 5"):
        check_order(method)


def test_order_of_a_tableau_is_found():
    assert ImplicitRungeKutta(RadauIIA(3).tableau).order == 5


@pytest.mark.parametrize("name", CASES)
def test_attributes(name):
    method = CASES[name]()
    assert method.b_stable == (name in STABLE)
    assert method.symplectic == (name in SYMPLECTIC)
    assert method.symmetric == (name in SYMMETRIC)
    assert (method.radius is None) == method.b_stable


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(x, marks=pytest.mark.slow) for x in LONG)])
def test_contraction_at_any_step(name):
    method = CASES[name]()
    steps = (1e-2, 1.0, 1e2, 1e4) if method.stages <= 3 else (1.0, 1e4)
    check_contraction_at_any_step(method, steps=steps)


@pytest.mark.parametrize("name", ["trapezoidal", "lobatto_iiia3", "kutta4"])
def test_other_methods_expand(name):
    method = Kutta4() if name == "kutta4" else CASES[name]()
    with pytest.raises(AssertionError, match="pairs grow by"):
        check_contraction_at_any_step(method)


def coupled_pendulums(t, x):
    """J∇H of H(z, p) = Σ cosh(p_i) cos(z_i) + ½ |p|² + z_1 p_2, which is not separable."""
    del t
    z, p = x.chunk(2, dim=1)
    zero = torch.zeros_like(z[:, :1])
    speed = p.sinh() * z.cos() + p + torch.cat([zero, z[:, :1]], dim=1)
    force = p.cosh() * z.sin() - torch.cat([p[:, 1:], zero], dim=1)
    return torch.cat([speed, force], dim=1)


@pytest.mark.parametrize("name", CASES)
def test_symplectic_form(name):
    """Kept by the methods that say so, in one step on a field with four channels."""
    x = torch.tensor([[0.4, -0.7, 0.3, 0.5], [1.0, 0.2, -0.1, 0.3]], dtype=torch.float64)
    if name in SYMPLECTIC:
        check_symplectic(CASES[name](), coupled_pendulums, x)
        return
    with pytest.raises(AssertionError):
        check_symplectic(CASES[name](), coupled_pendulums, x)


@pytest.mark.parametrize("name", CASES)
def test_symmetric_methods_step_back(name):
    """A step by -h from t + h undoes the step by h from t."""
    method, z = CASES[name](), normal(4, 3) / 2
    field = lambda t, z: torch.sin(z.flip(1) + t) * z  # noqa: E731
    back = method.step(field, 0.7, -0.4, method.step(field, 0.3, 0.4, z))
    error = float((back - z).abs().max())
    if name in SYMMETRIC:
        assert error <= 64 * EPS
    elif method.order < 8:
        assert error > 1e-9


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name):
    check_derivatives_of_step(CASES[name]())


@pytest.mark.parametrize("name", CASES)
def test_step_sizes(name):
    check_step_sizes(CASES[name]())


@pytest.mark.parametrize("name", ["radau_iia2", "trapezoidal"])  # A is regular, and singular
def test_first_and_second_order_derivatives(name):
    method = CASES[name]()

    def step(weight, z, h):
        return method.step(lambda t, z: torch.tanh(z @ weight + t), 0.1, h, z)

    inputs = (normal(2, 2), normal(1, 2), torch.tensor(1.5, dtype=torch.float64))
    leaves = tuple(x.requires_grad_() for x in inputs)
    assert gradcheck(step, leaves, check_forward_ad=True)
    assert gradgradcheck(step, leaves)


def test_gradients_of_parameters_through_many_stiff_steps():
    """Against differences, with a field and a learned step in a flow."""
    field = dx.fields.GradientField(dx.linear.Dense(3, 4), dx.activations.Tanh(), metric="norm")
    field = field.double()
    with torch.no_grad():
        field.map.weight.mul_(20)
    flow = dx.Flow(field, RadauIIA(2), steps=3, horizon=30.0)
    z, weight = normal(2, 3), field.map.weight
    (slope,) = torch.autograd.grad(flow(z).square().sum(), weight)
    u = normal(*weight.shape)
    values = []
    with torch.no_grad():
        for s in (1, -2):
            weight.add_(s * 1e-6 * u)
            values.append(float(flow(z).square().sum()))
    difference = (values[0] - values[1]) / 2e-6
    assert float((slope * u).sum()) == pytest.approx(difference, rel=1e-5, abs=1e-7)


def test_circle():
    """On ż = A_0 z the midpoint rule stays on the circle; implicit Euler spirals in."""
    a = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    start = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    ends = {}
    for method in (ImplicitMidpoint(), Gauss(3), ImplicitEuler()):
        z = start
        for _ in range(100):
            z = method.step(lambda t, z: z @ a.T, 0.0, 0.3, z)
        ends[method.tableau.name] = float(z.norm())
    assert abs(ends["implicit midpoint"] - 1) <= 100 * 4 * EPS
    assert abs(ends["Gauss(3)"] - 1) <= 100 * 4 * EPS
    assert ends["implicit Euler"] < 0.02


def test_quadratic_energies_are_kept_with_stiff_frequencies():
    """Gauss methods keep |z|² of skew fields for any step: here up to hω = 3000."""
    skew = normal(4, 4) * 1e3
    skew = skew - skew.T
    z = normal(5, 4)
    after = Gauss(2).step(lambda t, z: z @ skew.T, 0.0, 1.0, z)
    torch.testing.assert_close(after.norm(dim=1), z.norm(dim=1), rtol=1e-11, atol=0)


STABILITY = {  # R(x) of z' = R(hλ) z
    "implicit_euler": lambda x: 1 / (1 - x),
    "implicit_midpoint": lambda x: (1 + x / 2) / (1 - x / 2),
    "gauss2": lambda x: (1 + x / 2 + x**2 / 12) / (1 - x / 2 + x**2 / 12),
    "radau_ia2": lambda x: (1 + x / 3) / (1 - 2 * x / 3 + x**2 / 6),
    "radau_iia2": lambda x: (1 + x / 3) / (1 - 2 * x / 3 + x**2 / 6),
    "lobatto_iiic2": lambda x: 1 / (1 - x + x**2 / 2),
    "trapezoidal": lambda x: (1 + x / 2) / (1 - x / 2),
}


@pytest.mark.parametrize("name", STABILITY)
def test_stability_functions(name):
    """The step of ż = λz is multiplication by R(hλ), from -1e-3 to -1e6."""
    rates = -torch.logspace(-3, 6, 10, dtype=torch.float64).unsqueeze(1)
    after = CASES[name]().step(lambda t, z: rates * z, 0.0, 1.0, torch.ones_like(rates))
    torch.testing.assert_close(after, STABILITY[name](rates), rtol=1e-10, atol=1e-15)


def test_step_is_the_definition():
    """The stages of Gauss(2) on a field that depends on time, by plain iteration."""
    method, z, h, t = Gauss(2), normal(3, 2), 0.2, 0.7
    tableau = method.tableau
    field = lambda t, z: torch.sin(z.flip(1) + t) * z  # noqa: E731
    slopes = [field(t, z)] * 2
    for _ in range(100):
        stages = [z + h * sum(x * k for x, k in zip(row, slopes, strict=True)) for row in tableau.a]
        slopes = [field(t + c * h, y) for c, y in zip(tableau.c, stages, strict=True)]
    expected = z + h * sum(x * k for x, k in zip(tableau.b, slopes, strict=True))
    torch.testing.assert_close(method.step(field, t, h, z), expected, rtol=0, atol=16 * EPS)


def test_autonomous_fields_see_all_stages_in_one_call():
    class Field:
        def __init__(self, *, autonomous):
            self.autonomous = autonomous
            self.batches = []

        def __call__(self, t, z):
            self.batches.append(len(z))
            return -z.sin()

    z = normal(5, 3, 2)
    together, apart = Field(autonomous=True), Field(autonomous=False)
    one, other = (RadauIIA(3).step(field, 0.0, 0.1, z) for field in (together, apart))
    assert set(together.batches) == {15}
    assert set(apart.batches) == {5}
    torch.testing.assert_close(one, other, rtol=0, atol=4 * EPS)


def test_answers_do_not_change_with_the_neighbours():
    """A batch with soft and stiff samples, one by one."""
    rates = torch.tensor([1e-2, 1.0, 1e3, 1e6], dtype=torch.float64).unsqueeze(1)
    z = normal(4, 3)
    together = Gauss(3).step(lambda t, z: -rates * z.tanh(), 0.0, 0.5, z)
    for k in range(4):
        alone = Gauss(3).step(lambda t, z, k=k: -rates[k] * z.tanh(), 0.0, 0.5, z[k : k + 1])
        torch.testing.assert_close(alone, together[k : k + 1], rtol=1e-12, atol=4 * EPS)


def test_convolutional_fields_by_krylov_spaces():
    """2 · 2 · 9 · 9 = 324 unknowns; stiff, contracting, and differentiable."""
    conv = dx.linear.Conv(2, 3, kernel_size=3, dim=2)
    field = dx.fields.GradientField(conv, dx.activations.Tanh(), metric="norm").double()
    with torch.no_grad():
        field.map.weight.mul_(4)
    z, y = normal(2, 2, 9, 9), normal(2, 2, 9, 9)
    step = lambda z: RadauIIA(2).step(field, 0.0, 1.0, z)  # noqa: E731
    with torch.no_grad():
        ahead, other = step(z), step(y)
    assert bool(((ahead - other).flatten(1).norm(dim=1) < (z - y).flatten(1).norm(dim=1)).all())
    u, v = normal(*z.shape), normal(*z.shape)
    forward = torch.func.jvp(step, (z,), (u,))[1]
    (reverse,) = torch.func.vjp(step, z)[1](v)
    torch.testing.assert_close((forward * v).sum(), (u * reverse).sum(), rtol=1e-9, atol=1e-10)


def test_loose_tolerances_are_used():
    z = normal(2, 3)
    field = lambda t, z: torch.sin(z.flip(1))  # noqa: E731
    exact = Gauss(2).step(field, 0.0, 0.2, z)
    rough = ImplicitRungeKutta(Gauss(2).tableau, tol=1e-3).step(field, 0.0, 0.2, z)
    assert 1e-12 < float((rough - exact).abs().max()) < 1e-3


def test_energy_does_not_drift():
    """H = ½ p² (1 + ½ sin z) + ½ z² + ¼ z⁴, not separable: the solver adds rounding only."""

    def field(t, x):
        z, p = x.chunk(2, dim=1)
        force = p.square() * z.cos() / 4 + z + z**3
        return torch.cat([p * (1 + z.sin() / 2), -force], dim=1)

    def energy(x):
        z, p = x.chunk(2, dim=1)
        return p.square() * (1 + z.sin() / 2) / 2 + z.square() / 2 + z**4 / 4

    x = torch.tensor([[0.5, 0.3], [-0.2, 1.0]], dtype=torch.float64)
    first, drift = energy(x), 0.0
    method = Gauss(5)
    for _ in range(200):
        x = method.step(field, 0.0, 0.05, x)
        drift = max(drift, float(((energy(x) - first) / first).abs().max()))
    assert drift <= 1e-14 * 200**0.5
