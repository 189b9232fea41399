"""Theorems claim nothing where a condition fails, and the right number where one changes it."""

import pytest
import torch

import darboux as dx
from darboux.integrators import RungeKutta, StormerVerlet, SymplecticEuler, Tableau
from darboux.structure import (
    Kind,
    autonomous_field,
    cocoercive_field,
    independent_samples,
    lipschitz_field,
)
from tests.certification.method_faults import Bold, Oscillators


def doubled_euler():
    """Return z' = z + 2h f, of radius 1/2: the weights add up to 2."""
    return RungeKutta(Tableau(((0,),), (2,), (0,), "2 Euler"))


def claims(field, method, **options):
    return dx.Flow(field, method, **options).claims()


def test_alpha_counts_the_sum_of_the_weights():
    """z + h 2f at h = θ, f = -∇V 1-smooth: (1-θ) id + θ (id + 2f), so α = θ and no less."""
    field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
    steps = dx.ContractiveSteps(fraction=0.6, count=1)
    found = claims(field, doubled_euler(), steps=steps).find(dx.Averaged)
    assert found.structure.alpha == pytest.approx(0.6)


def test_linear_growth_is_of_euler_steps_only():
    field = dx.fields.ZhangSchaefferField(
        dx.linear.Dense(4, 6), dx.activations.ReLU(), dx.linear.Dense(6, 4)
    )
    with torch.no_grad():
        field.map_2.weight.abs_()
    for method, known in ((dx.integrators.Euler(), True), (doubled_euler(), False)):
        post = dx.integrators.PostActivation(method)
        assert (claims(field, post, steps=1).find(dx.LinearGrowth) is not None) == known


class Breathing(dx.fields.VectorField):
    """f = -∇V(t, z), V = (2 + cos t)|z|²/6: convex and 1-smooth at all times."""

    def forward(self, t, z):
        return -self._stiffness(t) * z

    def _stiffness(self, t):
        return (2 + torch.as_tensor(t).cos()) / 3

    def energy(self, t, z):
        return 0.5 * self._stiffness(t) * z.square().sum(dim=1)

    def cocoercivity(self):
        return -1.0


@pytest.mark.parametrize("method", [dx.integrators.Euler(), dx.integrators.ImplicitEuler()])
def test_a_potential_that_depends_on_time_may_rise(method):
    found = claims(Breathing(), method, horizon=8.0, steps=8)
    assert found.find(dx.Dissipative) is None
    field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
    assert claims(field, method, horizon=8.0, steps=8).find(dx.Dissipative) is not None


class Turning(Oscillators):
    """H = |z|²/2 + |p|²/2 of one z and one p, which turns of both into one another leave alone."""

    def equivariant(self):
        turn = dx.symmetry.Feature(dx.symmetry.Cyclic(5), ["1"])
        return dx.Equivariant(turn.group, turn, turn)


@pytest.mark.parametrize("method", [SymplecticEuler(), StormerVerlet()])
def test_shears_commute_with_maps_that_keep_both_halves_only(method):
    assert claims(Oscillators(), method, steps=2).find(dx.Equivariant) is not None
    assert claims(Turning(), method, steps=2).find(dx.Equivariant) is None
    gauss = dx.integrators.ImplicitMidpoint()
    assert claims(Turning(), gauss, steps=2).find(dx.Equivariant) is not None


class Swirl(Oscillators):
    """A field without divergence, the halves of which look at one another."""

    canonical = False
    divergence_free = exact_parts = True

    def drift(self, t, z, p):
        return p + z * z.flip(1) * torch.tensor([1.0, -1.0])

    def parts(self):
        return []


def test_shears_are_no_flows_of_parts():
    """The implicit shears of a field that does not separate have no determinant 1."""
    found = claims(Swirl(), StormerVerlet(), steps=2)
    assert found.find(dx.VolumePreserving) is None
    assert found.find(dx.Invertible) is None
    flow = dx.Flow(Swirl(), StormerVerlet(), horizon=0.4, steps=2)
    x = torch.tensor([0.4, 0.3, -0.2, 0.5], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda z: flow(z[None])[0], x)
    assert float((jacobian.det() - 1).abs()) > 1e-5


def test_constants_are_premises_whatever_the_field_lists():
    class Silent(dx.fields.VectorField):
        autonomous = True

        def forward(self, t, z):
            return -z

        def lipschitz(self):
            return 1.0

        def cocoercivity(self):
            return -1.0

    for steps, wanted in ((1, cocoercive_field), (dx.ContractiveSteps(count=1), cocoercive_field)):
        claim = claims(Silent(), Bold(), steps=steps).find(dx.Lipschitz)
        assert {wanted, autonomous_field} <= {p.condition for p in claim.premises}
    claim = claims(Silent(), dx.integrators.Kutta4(), horizon=9.0, steps=1).find(dx.Lipschitz)
    assert claim.kind is Kind.BOUND
    assert lipschitz_field in {p.condition for p in claim.premises}


@pytest.mark.parametrize(
    ("method", "separable", "alone"),
    [
        (dx.integrators.ImplicitMidpoint(), True, True),
        (dx.integrators.GonzalezGradient(), True, True),
        (dx.integrators.Composition(4, base=dx.integrators.ImplicitMidpoint()), True, True),
        (StormerVerlet(), False, True),
        (StormerVerlet(), True, False),
        (SymplecticEuler(), True, False),
    ],
    ids=repr,
)
def test_samples_must_be_independent_where_each_has_an_equation(method, separable, alone):
    field = Oscillators()
    field.separable = separable
    found = claims(field, method, steps=2)
    assert found.claims
    for claim in found:
        assert (independent_samples in {p.condition for p in claim.premises}) is alone
