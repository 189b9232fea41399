"""Methods on manifolds: order, constraint, refusals and life cycle."""

import math

import pytest
import torch

import darboux as dx
from darboux.integrators import (
    CrouchGrossman,
    Euler,
    Integrator,
    Kutta4,
    LieEuler,
    MuntheKaas,
    Projected,
)
from darboux.manifolds import SO, LevelSet, Sphere
from darboux.testing import LIFECYCLE
from tests.catalogue.fields.on_manifolds import HOMOGENEOUS, oval, states_of
from tests.catalogue.integrators import CASES as ALL
from tests.catalogue.integrators import ON_MANIFOLDS
from tests.integrators.phase import compiled_once

LIE = {name: build for name, build in ON_MANIFOLDS.items() if "projected" not in name}


def ends(method, field, x, counts):
    """Return where steps of several sizes end after time 1."""
    for count in counts:
        state = x
        for k in range(count):
            state = method.step(field, k / count, 1 / count, state)
        yield state


def slope(method, field, x, *, first=16):
    """Return the order that errors of two step sizes show."""
    (exact,) = ends(MuntheKaas(4), field, x, [8 * first])
    coarse, fine = ends(method, field, x, [first, 2 * first])
    return math.log2(float((coarse - exact).norm() / (fine - exact).norm()))


@pytest.mark.parametrize("name", ON_MANIFOLDS)
@pytest.mark.parametrize("of", ["tangent-sphere", "generator-so3", "tangent-spd"])
def test_order(name, of):
    field = HOMOGENEOUS[of]().double()
    method = ON_MANIFOLDS[name]()
    if isinstance(method, Projected):
        method = Projected(method.method, field.manifold)
    with torch.no_grad():
        found = slope(method, field, states_of(field), first=40 if "spd" in of else 16)
    assert found > method.order - 0.4


def test_a_method_without_commutators_in_place_of_them_loses_order():
    """The commutators are what order 3 comes from, so the slope sees them."""
    field = HOMOGENEOUS["generator-so3"]().double()
    wrong = MuntheKaas(3)
    wrong.order = 2  # the series is cut where the order allows it
    with torch.no_grad():
        assert slope(wrong, field, states_of(field)) < 2.5
        assert slope(MuntheKaas(3), field, states_of(field)) > 2.7


@pytest.mark.parametrize("name", LIE)
@pytest.mark.parametrize("of", HOMOGENEOUS)
def test_points_stay_points_whatever_the_step(name, of):
    field = HOMOGENEOUS[of]()
    x = states_of(field, dtype=torch.float32)
    with torch.no_grad():
        for h in (1e-3, 0.1) if "spd" in of else (1e-3, 1.0, 2.0):
            assert field.manifold.check(LIE[name]().step(field, 0.0, h, x))[0]


@pytest.mark.parametrize(
    "steps", [1000, pytest.param(10_000, marks=pytest.mark.slow)], ids=["1e3", "1e4"]
)
@pytest.mark.parametrize("of", ["tangent-so3", "tangent-stiefel"])
def test_orthogonality_does_not_drift(of, steps):
    field = HOMOGENEOUS[of]()
    x = states_of(field, dtype=torch.float32)
    worst = 0.0
    with torch.no_grad():
        for k in range(steps):
            x = LieEuler().step(field, 0.01 * k, 0.01, x)
            gram = x.double().mT @ x.double()
            defect = torch.linalg.matrix_norm(gram - torch.eye(gram.shape[-1]), 2)
            worst = max(worst, float(defect.max()))
    assert worst <= 1e-6


def test_group_elements_move_by_exponentials():
    """ẋ = ξ x with a constant ξ is solved exactly by every method."""
    spin = torch.randn(3, 3, dtype=torch.float64)
    field = dx.fields.GeneratorField(SO(3), lambda t, x: (spin - spin.T).expand_as(x))
    x = SO(3).random_point(2, dtype=torch.float64)
    for build in LIE.values():
        (found,) = ends(build(), field, x, [3])
        torch.testing.assert_close(found, torch.matrix_exp(spin - spin.T) @ x)


@pytest.mark.parametrize("name", [name for name in ALL if name not in ON_MANIFOLDS])
def test_methods_of_flat_space_refuse_fields_on_manifolds(name):
    with pytest.raises(TypeError, match="expected"):
        dx.Flow(HOMOGENEOUS["tangent-sphere"](), ALL[name](), steps=2)


def test_the_refusal_names_methods_that_work():
    with pytest.raises(TypeError, match=r"Sphere\(n=3\).*Use LieEuler\(\).*Projected\(Euler"):
        dx.Flow(HOMOGENEOUS["tangent-sphere"](), Euler(), steps=2)


def test_a_field_on_flat_space_may_have_any_method():
    field = dx.fields.TangentField(dx.manifolds.Euclidean(3), lambda t, x: -x)
    x = torch.ones(1, 3)
    torch.testing.assert_close(dx.Flow(field, Euler(), steps=1)(x), 0 * x)
    torch.testing.assert_close(dx.Flow(field, LieEuler(), steps=1)(x), 0 * x)


@pytest.mark.parametrize("method", [LieEuler(), MuntheKaas(2)], ids=repr)
def test_fields_without_a_manifold_are_refused(method):
    field = dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.Tanh())
    with pytest.raises(TypeError, match=r"homogeneous space.*ResidualField.*Kutta4"):
        dx.Flow(field, method, steps=2)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: MuntheKaas(5), "order to be 1 or 2 or 3 or 4; got 5"),
        (lambda: CrouchGrossman(1), "order to be 2 or 3 or 4; got 1"),
        (lambda: Projected(dx.integrators.Gauss(1), Sphere(2)), "method to be a RungeKutta"),
        (lambda: Projected(Kutta4(), "S2"), "manifold to be a PointSet.*Sphere"),
    ],
    ids=["munthe_kaas", "crouch_grossman", "implicit", "no manifold"],
)
def test_bad_arguments(call, match):
    with pytest.raises((TypeError, ValueError), match=match):
        call()


def test_projection_onto_another_manifold_is_refused():
    with pytest.raises(TypeError, match=r"Sphere\(n=2\).*on Sphere\(n=3\)"):
        Projected(Kutta4(), Sphere(2)).require(HOMOGENEOUS["tangent-sphere"]())


def test_solutions_of_equations_by_projection():
    """The constrained form g(y) = 0, in `odeint`, with the order of the method."""
    level = LevelSet(oval, (3,))
    y0 = level.nearest(torch.randn(4, 3, dtype=torch.float64))

    def f(t, y):
        return level.project(y, torch.sin(y.roll(1, -1) + t))

    def end(h, method):
        return dx.odeint(f, y0, [0.0, 1.0], method=method, step_size=h)[-1]

    exact = end(1 / 256, Projected(Kutta4(), level))
    errors = [(end(h, Projected(Kutta4(), level)) - exact).norm() for h in (1 / 8, 1 / 16)]
    assert math.log2(errors[0] / errors[1]) > 3.5
    assert level.check(exact)[0]
    assert level.defect(end(1 / 16, Kutta4())).max() > 100 * level.rounding(torch.float64)


class OneStep(torch.nn.Module):
    """One step with a learnable step size."""

    def __init__(self, method: Integrator) -> None:
        super().__init__()
        self.method = method
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.field = HOMOGENEOUS["tangent-sphere"]()
        self.h = torch.nn.Parameter(torch.tensor(0.3))

    def forward(self, x):
        return self.method.step(self.field, 0.1, self.h, x)


@pytest.mark.parametrize(("name", "check"), compiled_once(ON_MANIFOLDS, "munthe_kaas3"))
def test_lifecycle(name, check):
    points = Sphere(3).random_point(3)
    LIFECYCLE[check](lambda: OneStep(ON_MANIFOLDS[name]()), points)


@pytest.mark.parametrize("name", ON_MANIFOLDS)
def test_equal_methods_are_equal(name):
    method = ON_MANIFOLDS[name]()
    assert method == ON_MANIFOLDS[name]()
    assert hash(method) == hash(ON_MANIFOLDS[name]())
    assert method not in [build() for other, build in ALL.items() if other != name]
