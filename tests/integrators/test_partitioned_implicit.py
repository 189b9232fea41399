"""Symplectic methods on fields that do not separate: equations, their derivatives, failures."""

import pytest
import torch

import darboux as dx
from darboux.integrators import Composition, StormerVerlet, SymplecticEuler
from darboux.solvers import ConvergenceError
from tests.integrators.phase import example

METHODS = {
    "euler-drift": SymplecticEuler(),
    "euler-kick": SymplecticEuler(first="kick"),
    "verlet-kick": StormerVerlet(),
    "verlet-drift": StormerVerlet(first="drift"),
    "composition": Composition(4),
}


@pytest.mark.parametrize("name", ["learned-2-driven", "separable-1-driven"])
@pytest.mark.parametrize("method", METHODS)
def test_the_extended_phase_space_moves_as_the_plain_one(method, name):
    """Time as one more position, equation (20): the same steps, by the convention for times."""
    field, x = example(name)
    extended, integrator = dx.fields.ExtendedPhaseSpace(field), METHODS[method]
    state, h = extended.extend(x, t=0.3), 0.2
    for k in range(3):
        x = integrator.step(field, 0.3 + k * h, h, x)
        state = integrator.step(extended, 0.0, h, state)
    torch.testing.assert_close(extended.project(state), x, rtol=0, atol=1e-13)


@pytest.mark.parametrize("method", ["euler-drift", "verlet-kick"])
def test_derivatives_of_first_and_second_order(method):
    """By the state, by a learned step, and by a parameter of the energy."""

    def after(x, h, weight):
        def energy(t, z, p):
            return (p.square() / 2 - z.cos() + weight * p * z.sin() * t.cos()).sum(dim=1)

        field = dx.fields.LearnedHamiltonianField(energy)
        return METHODS[method].step(field, 0.3, h, x)

    x = torch.randn(1, 4, dtype=torch.float64, requires_grad=True)
    h, weight = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.3, 0.4))
    assert torch.autograd.gradcheck(after, (x, h, weight))
    assert torch.autograd.gradgradcheck(after, (x, h, weight))


def test_equations_without_a_solution_raise_and_name_the_method():
    """H = (z² + 1)p, ż = z² + 1: z' = z + h (z'² + 1) has no real solution at z = 0, h > 1/2."""

    class Runaway:
        separable, autonomous = False, True
        drift = staticmethod(lambda t, z, p: z.square() + 1)
        kick = staticmethod(lambda t, z, p: -2 * z * p)

    field = Runaway()
    x = torch.zeros(2, 2, dtype=torch.float64)
    assert SymplecticEuler().step(field, 0.0, 0.4, x).isfinite().all()
    with pytest.raises(ConvergenceError, match=r"SymplecticEuler\(first='drift'\).*2 of 2"):
        SymplecticEuler().step(field, 0.0, 0.6, x)


def test_a_sample_does_not_change_with_its_neighbours():
    field, x = example("learned-2-driven")
    alone = torch.cat([StormerVerlet().step(field, 0.3, 0.2, row) for row in x.split(1)])
    scaled = torch.cat([x, 3 * x])
    together = StormerVerlet().step(field, 0.3, 0.2, scaled)[: len(x)]
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-14)


class Counted(torch.nn.Module):
    """H = a p²/2 - b cos z: it separates, and counts how often it is asked."""

    def __init__(self):
        super().__init__()
        self.weights = torch.nn.Parameter(torch.tensor([1.1, 0.9], dtype=torch.float64))
        self.calls = 0

    def forward(self, t, z, p):
        self.calls += 1
        return (self.weights[0] * p.square() / 2 - self.weights[1] * z.cos()).sum(dim=1)


def _flows(steps):
    energy = Counted()
    halves = {
        "kinetic": lambda t, p: energy(t, torch.zeros_like(p), p),
        "potential": lambda t, z: energy(t, z, torch.zeros_like(z)),
    }
    fields = (
        dx.fields.LearnedHamiltonianField(energy),
        dx.fields.SeparableHamiltonianField(**halves),
    )
    return energy, [dx.Flow(f, StormerVerlet(), steps=steps, horizon=0.2 * steps) for f in fields]


def test_an_energy_that_separates_costs_two_evaluations_a_step_and_need_not_say_so():
    energy, (flow, separable) = _flows(20)
    x = torch.randn(3, 4, dtype=torch.float64)
    with torch.no_grad():
        y = flow(x)
        assert energy.calls <= 2 * 20 + 1
        torch.testing.assert_close(y, separable(x), rtol=0, atol=1e-14)
        torch.testing.assert_close(flow.inverse(y), x, rtol=0, atol=1e-14)


def test_an_energy_that_separates_has_the_derivatives_of_explicit_steps():
    energy, flows = _flows(3)
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    first, second = [], []
    for flow in flows:
        energy.calls = 0
        found = torch.autograd.grad(flow(x).square().sum(), (x, energy.weights), create_graph=True)
        assert energy.calls <= 8 * 3 + 1
        first += [found]
        second += [torch.autograd.grad(found[0].square().sum() + found[1].sum(), x)]
    torch.testing.assert_close(first[0], first[1], rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(second[0], second[1], rtol=1e-12, atol=1e-12)


def test_what_autograd_does_not_see_is_solved_for_all_the_same():
    def energy(t, z, p):
        return (p.square() / 2 + z * p.detach().sin()).sum(dim=1)  # ∂H/∂z looks at p

    x = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    field = dx.fields.LearnedHamiltonianField(energy, autonomous=True)
    _, p = SymplecticEuler(first="kick").step(field, 0.0, 0.3, x).chunk(2, dim=1)
    torch.testing.assert_close(p, x[:, 1:] - 0.3 * p.sin(), rtol=1e-13, atol=1e-13)


def test_steps_do_not_hang_on_what_a_prepared_field_was_asked_before():
    field, x = example("learned-2-driven")
    prepared, h = field.prepare(), 0.2
    for k in range(3):  # other states, times and sizes of batches, and weights that have changed
        for parameter in field.parameters():
            parameter.data.mul_(1.1)
        state = x[: len(x) - k] * (1 + k)
        expected = StormerVerlet().step(field, 0.3 * k, h, state)
        found = StormerVerlet().step(prepared, 0.3 * k, h, state)
        torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)
    assert field._recent_slopes is None


def test_a_flow_asks_the_field_itself():
    """What a field of one's own writes down, such as how often it was asked, stays."""

    class Counting(dx.fields.PhaseSpaceField):
        asked = 0

        def drift(self, t, z, p):
            self.asked += 1
            return p * (1 + 0.1 * z)

        def kick(self, t, z, p):
            return -z - 0.1 * p

    field = Counting()
    dx.Flow(field, SymplecticEuler(), horizon=0.2, steps=2)(torch.ones(1, 2))
    assert field.asked >= 2


def test_a_field_may_remember_what_it_likes():
    class Remembering:
        separable, autonomous, recent = False, True, (1.0, 2.0)
        drift = staticmethod(lambda t, z, p: p * (1 + 0.1 * z))
        kick = staticmethod(lambda t, z, p: -z)

    assert SymplecticEuler().step(Remembering(), 0.0, 0.1, torch.ones(1, 2)).isfinite().all()


def test_a_kick_of_ones_own_is_the_one_that_is_asked():
    field = dx.fields.LearnedHamiltonianField(lambda t, z, p: (p.square() + z.square()).sum(dim=1))
    field.kick = lambda t, z, p: torch.zeros_like(p)
    with torch.no_grad():
        found = SymplecticEuler().step(field, 0.0, 0.1, torch.ones(1, 2))
    assert found[0, 1] == 1


def test_slopes_that_are_not_finite_are_no_solution():
    class Infinite:
        separable, autonomous = False, True
        drift = staticmethod(lambda t, z, p: torch.full_like(z, torch.inf))
        kick = staticmethod(lambda t, z, p: -z)

    x = torch.ones(2, 2, dtype=torch.float64)
    with torch.no_grad(), pytest.raises(ConvergenceError, match="not finite"):
        SymplecticEuler().step(Infinite(), 0.0, 0.1, x)
