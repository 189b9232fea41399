"""Every method that keeps a structure, on every field that has it."""

import pytest
import torch

import darboux as dx
from darboux.structure import Kind
from darboux.testing import LIFECYCLE, check_trajectory
from tests.catalogue.fields.passive import DIVERGENCE_FREE
from tests.catalogue.fields.passive import features_of as features_of_passive
from tests.catalogue.fields.phase import CASES as PHASE
from tests.catalogue.fields.phase import features_of
from tests.catalogue.flow import EXPLICIT, IMPLICIT, example_shape
from tests.catalogue.flow import GEOMETRIC as CASES
from tests.lifecycles import lifecycle_cases

EPS = torch.finfo(torch.float64).eps

SYMPLECTIC = {
    "symplectic-euler": dx.integrators.SymplecticEuler,
    "symplectic-euler-kick": lambda: dx.integrators.SymplecticEuler(first="kick"),
    "verlet": dx.integrators.StormerVerlet,
    "verlet-drift": lambda: dx.integrators.StormerVerlet(first="drift"),
    "composition-4": lambda: dx.integrators.Composition(4),
    "composition-6": lambda: dx.integrators.Composition(6),
    "composition-8": lambda: dx.integrators.Composition(8),
    "splitting": dx.integrators.Splitting,
    "midpoint": dx.integrators.ImplicitMidpoint,
    "gauss-2": lambda: dx.integrators.Gauss(2),
    "gauss-3": lambda: dx.integrators.Gauss(3),
}
CANONICAL = [
    name
    for name, build in PHASE.items()
    if build().canonical and features_of(build())[1] == 0  # dense: degrees of freedom 1 to 4
]
SEPARABLE = [name for name, build in PHASE.items() if build().separable]


def jacobian(module, x):
    """Return the dense Jacobian at one sample, by reverse mode."""
    matrix = torch.autograd.functional.jacobian(lambda v: module(v[None])[0].flatten(), x)
    return matrix.reshape(x.numel(), x.numel())


def darboux_matrix(n):
    one, zero = torch.eye(n // 2, dtype=torch.float64), torch.zeros(n // 2, n // 2)
    return torch.cat([torch.cat([zero, one], 1), torch.cat([-one, zero], 1)]).double()


@pytest.mark.parametrize("name", CANONICAL)
@pytest.mark.parametrize("method", SYMPLECTIC)
def test_symplectic_method_times_hamiltonian_field(method, name):
    field, integrator = PHASE[name]().double(), SYMPLECTIC[method]()
    if integrator.by_parts and not hasattr(field, "parts") and method == "splitting":
        with pytest.raises(TypeError, match="parts"):
            dx.Flow(field, integrator, steps=2)
        return
    flow = dx.Flow(field, integrator, horizon=0.2, steps=1)
    x = torch.randn(features_of(field)[0], dtype=torch.float64)
    d = jacobian(flow, x)
    j = darboux_matrix(len(x))
    slack = 64 * len(x) * EPS * (1 + torch.linalg.matrix_norm(d, 2)) ** 2
    assert (d.T @ j @ d - j).abs().max() <= slack
    claim = flow.claims().find(dx.Symplectic)
    assert claim is not None
    assert claim.kind is Kind.CONSTRUCTION


def test_degrees_of_freedom_one_to_four_are_among_them():
    freedoms = {features_of(PHASE[name]())[0] // 2 for name in CANONICAL}
    assert freedoms >= {1, 2, 3, 4}


@pytest.mark.parametrize("name", CANONICAL)
def test_kutta_is_not_symplectic_and_does_not_claim_it(name):
    flow = dx.Flow(PHASE[name]().double(), dx.integrators.Kutta4(), horizon=1.5, steps=2)
    assert flow.claims().find(dx.Symplectic) is None


def log_det(module, x):
    return torch.linalg.slogdet(jacobian(module, x))[1]


@pytest.mark.parametrize("name", SEPARABLE)
@pytest.mark.parametrize("method", ["symplectic-euler", "verlet", "composition-4", "splitting"])
def test_volume_of_shears(method, name):
    field = PHASE[name]().double()
    channels, dim = features_of(field)
    flow = dx.Flow(field, SYMPLECTIC[method](), horizon=0.25, steps=1)
    x = torch.randn(channels, *(4, 3, 2)[:dim], dtype=torch.float64)
    d = jacobian(flow, x)
    slack = 64 * x.numel() * EPS * torch.linalg.cond(d)
    assert torch.linalg.slogdet(d)[1].abs() <= slack
    assert flow.claims().find(dx.VolumePreserving).kind is Kind.CONSTRUCTION


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("name", DIVERGENCE_FREE)
def test_volume_of_divergence_free_fields(name, symmetric):
    field = DIVERGENCE_FREE[name]().double()
    channels, dim = features_of_passive(field)
    method = dx.integrators.Splitting(symmetric=symmetric)
    flow = dx.Flow(field, method, horizon=0.4, steps=2)
    x = torch.randn(channels, *(4, 3, 2)[:dim], dtype=torch.float64)
    d = jacobian(flow, x)
    assert torch.linalg.slogdet(d)[1].abs() <= 64 * x.numel() * EPS * torch.linalg.cond(d)
    assert flow.claims().find(dx.VolumePreserving).kind is Kind.CONSTRUCTION


@pytest.mark.parametrize("name", [name for name in DIVERGENCE_FREE if "shear" not in name])
def test_no_runge_kutta_method_claims_volume(name):
    field = DIVERGENCE_FREE[name]().double()
    flow = dx.Flow(field, dx.integrators.Kutta4(), steps=1)
    assert flow.claims().find(dx.VolumePreserving) is None


TWO_STEP = {
    "leapfrog": dx.integrators.LeapfrogMidpoint,
    "reversible-heun": dx.integrators.ReversibleHeun,
}


@pytest.mark.parametrize("method", TWO_STEP)
def test_two_step_methods_preserve_volume_on_pairs_for_any_field(method):
    fields = [dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.ReLU()) for _ in "abc"]
    pairs = dx.Flow(fields, TWO_STEP[method](), horizon=2.0).double().doubled()
    x = torch.randn(6, dtype=torch.float64)
    d = jacobian(pairs, x)
    assert torch.linalg.slogdet(d)[1].abs() <= 64 * 6 * EPS * torch.linalg.cond(d)
    torch.testing.assert_close(pairs.inverse(pairs(x[None])), x[None], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("method", TWO_STEP)
def test_two_step_flow_carries_its_pair_through_the_steps(method):
    field = dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.Tanh())
    flow = dx.Flow(field, TWO_STEP[method](), horizon=1.0, steps=64).double()
    pairs, z = flow.doubled(), torch.randn(2, 3, dtype=torch.float64)
    torch.testing.assert_close(pairs.value(pairs(pairs.start(z))), flow(z))
    exact = dx.Flow(field, dx.integrators.Kutta4(), horizon=1.0, steps=64)
    assert (flow(z) - exact(z)).abs().max() < 1e-3
    assert flow.claims().claims == ()
    assert "flow.doubled()" in flow.claims().gaps[0].reason


def test_bijections_of_flows_save_each_parameter_once_under_a_name_that_stays():
    residual = dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh())
    pairs = dx.Flow(residual, dx.integrators.LeapfrogMidpoint(), steps=3).doubled().as_bijection()
    second = dx.fields.SecondOrderField(dx.linear.Dense(2, 3), dx.activations.Tanh())
    flow = dx.Flow(second, dx.integrators.StormerVerlet(), steps=3).as_bijection()
    assert {name.rsplit(".fields.", 1)[0] for name in pairs.state_dict()} == {"doubled.flow"}
    assert {name.rsplit(".fields.", 1)[0] for name in flow.state_dict()} == {"flow"}
    assert [name for name, _ in pairs.maps()] == [name for name, _ in flow.maps()]


@pytest.mark.parametrize("name", [*EXPLICIT, *IMPLICIT])
def test_trajectory(name):
    module = CASES[name]()
    if isinstance(module, dx.Flow):
        check_trajectory(module, torch.randn(2, *example_shape(name)))


@pytest.mark.parametrize(("name", "check"), lifecycle_cases(EXPLICIT))
def test_lifecycle_of_explicit_flows(name, check):
    LIFECYCLE[check](EXPLICIT[name], torch.randn(2, *example_shape(name)))


# the method of another case, on fields that have tests of their own
AGAIN = ("gonzalez-port-damped", "gonzalez-interconnection", "lobatto-stiff")


@pytest.mark.parametrize(
    "check", [check for check in LIFECYCLE if check not in ("compile", "vmap")]
)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in AGAIN else ()) for name in IMPLICIT],
)
def test_lifecycle_of_implicit_flows(name, check):
    LIFECYCLE[check](IMPLICIT[name], torch.randn(2, *example_shape(name)))


@pytest.mark.parametrize("name", EXPLICIT)
def test_inverse_where_it_is_claimed(name):
    module = EXPLICIT[name]().double()
    claims = dx.structure.claims_of(module)
    x = torch.randn(3, *example_shape(name), dtype=torch.float64)
    if claims.find(dx.Invertible) is None:
        assert name in ("leapfrog", "lifted-hyperbolic")
        return
    torch.testing.assert_close(module.inverse(module(x)), x, rtol=1e-11, atol=1e-11)


def test_what_is_undone_by_a_solver_only_is_no_inverse_by_construction():
    claims = IMPLICIT["splitting-divergence-free"]().claims()
    assert claims.find(dx.VolumePreserving) is not None
    assert claims.find(dx.Invertible) is None


def field():
    return dx.fields.HamiltonianField(
        dx.linear.Dense(2, 3), dx.linear.Dense(2, 3), dx.activations.Tanh(), momentum_bias=False
    )


def test_reversible_survives_equal_steps_of_one_field_only():
    verlet = dx.integrators.StormerVerlet()
    assert dx.Flow(field(), verlet, steps=3).claims().find(dx.Reversible) is not None
    assert dx.Flow([field(), field()], verlet).claims().find(dx.Reversible) is None


def test_coupled_field_is_never_symplectic():
    coupled = dx.fields.CoupledField(dx.linear.Dense(2, 2), dx.activations.Tanh())
    flow = dx.Flow(coupled, dx.integrators.StormerVerlet(), steps=2).double()
    assert flow.claims().find(dx.Symplectic) is None
    d = jacobian(flow, torch.randn(4, dtype=torch.float64))
    j = darboux_matrix(4)
    assert (d.T @ j @ d - j).abs().max() > 1e-3


def test_energy_claims_follow_damping_and_supply():
    from tests.catalogue.fields.passive import PASSIVE

    method = dx.integrators.GonzalezGradient()
    kept = dx.Flow(PASSIVE["port-network"](), method, steps=2).claims()
    lost = dx.Flow(PASSIVE["port-network-damped"](), method, steps=2).claims()
    fed = dx.Flow(PASSIVE["port-quadratic-driven"](), method, steps=2).claims()
    assert kept.find(dx.EnergyPreserving).kind is Kind.CONSTRUCTION
    assert lost.find(dx.EnergyPreserving) is None
    assert lost.find(dx.Dissipative).kind is Kind.CONSTRUCTION
    assert fed.find(dx.Dissipative) is None


def test_b_stable_methods_claim_any_step_for_fields_that_do_not_expand():
    stiff = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU(), metric="norm")
    with torch.no_grad():
        stiff.map.weight.mul_(1e3)
    claim = dx.Flow(stiff, dx.integrators.RadauIIA(2), horizon=10.0, steps=1).claims()
    assert claim.find(dx.Lipschitz).structure.constant == 1
    assert claim.find(dx.Lipschitz).kind is Kind.CONSTRUCTION
    free = dx.fields.ResidualField(dx.linear.Dense(4, 4), dx.activations.Tanh())
    gap = dx.Flow(free, dx.integrators.RadauIIA(2), steps=1).claims()
    assert gap.find(dx.Lipschitz) is None
    assert "no Lipschitz constant" in gap.gaps[0].reason


def test_implicit_euler_descends_a_convex_potential_with_any_step():
    stiff = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU(), metric="norm")
    flow = dx.Flow(stiff, dx.integrators.ImplicitEuler(), horizon=50.0, steps=2)
    assert flow.claims().find(dx.Dissipative) is not None


REFUSALS = {
    "phase space": (
        lambda: dx.Flow(
            dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh()),
            dx.integrators.StormerVerlet(),
            steps=1,
        ),
        TypeError,
        "StormerVerlet.*ResidualField.*no drift",
    ),
    "parts": (
        lambda: dx.Flow(
            dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh()),
            dx.integrators.Splitting(),
            steps=1,
        ),
        TypeError,
        "Splitting.*ResidualField.*no parts",
    ),
    "energy": (
        lambda: dx.Flow(
            dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh()),
            dx.integrators.GonzalezGradient(),
            steps=1,
        ),
        TypeError,
        "GonzalezGradient.*ResidualField.*no energy",
    ),
    "inverse": (
        lambda: dx.Flow(field(), dx.integrators.Kutta4(), steps=1).inverse(torch.zeros(1, 4)),
        TypeError,
        "steps back in closed form.*StormerVerlet",
    ),
    "inverse of pairs": (
        lambda: dx.Flow(field(), dx.integrators.LeapfrogMidpoint(), steps=1).inverse(
            torch.zeros(1, 4)
        ),
        TypeError,
        r"Use flow.doubled\(\)",
    ),
    "doubled": (
        lambda: dx.Flow(field(), dx.integrators.StormerVerlet(), steps=1).doubled(),
        TypeError,
        "expected a two-step method",
    ),
    "pairs": (
        lambda: dx.Flow(field(), dx.integrators.LeapfrogMidpoint(), steps=1).doubled()(
            torch.zeros(1, 3)
        ),
        ValueError,
        r"expected pairs .*got shape \(1, 3\)",
    ),
    "odd channels": (
        lambda: dx.Flow(field(), dx.integrators.StormerVerlet(), steps=1)(torch.zeros(1, 3)),
        ValueError,
        "even number of channels",
    ),
    "any step": (
        lambda: dx.Flow(
            dx.fields.GradientField(dx.linear.Dense(2, 2), dx.activations.Tanh()),
            dx.integrators.ImplicitEuler(),
            steps=dx.ContractiveSteps(count=1),
        ),
        ValueError,
        "B-stable.*Use uniform steps",
    ),
    "no steps": (
        lambda: dx.Flow(field(), dx.integrators.StormerVerlet(), steps=0),
        ValueError,
        "steps to be an integer from 1 to a million.*; got 0",
    ),
    "backwards": (
        lambda: dx.Flow(field(), dx.integrators.StormerVerlet(), steps=2, horizon=-1.0),
        ValueError,
        "horizon to be a positive finite number.*; got -1",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refuses(name):
    call, error, message = REFUSALS[name]
    with pytest.raises(error, match=message):
        call()
