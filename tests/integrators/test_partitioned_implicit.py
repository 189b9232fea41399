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
