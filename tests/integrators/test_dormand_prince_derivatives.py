"""Dormand-Prince: derivatives of the numerical solution on its steps."""

import pytest
import torch

import darboux as dx
from darboux.integrators import DORMAND_PRINCE, DormandPrince
from darboux.integrators._path import Path
from darboux.integrators._step_control import Search, Tolerance
from tests.integrators.adaptive_fields import MATRIX, batch, driven, stiff

FINER = DormandPrince(rtol=1e-10, atol=1e-12)


def test_no_second_pass_without_derivatives():
    calls = [0]

    def field(t, z):
        calls[0] += 1
        return driven(t, z)

    z = batch(2)
    plain = DormandPrince().step(field, 0.0, 2.0, z)
    once, calls[0] = calls[0], 0
    learned = DormandPrince().step(field, 0.0, 2.0, z.clone().requires_grad_())
    assert once < calls[0] < 2 * once  # and rejected tries are not taken again
    with torch.no_grad():
        calls[0] = 0
        DormandPrince().step(field, 0.0, 2.0, z.clone().requires_grad_())
    assert calls[0] == once
    torch.testing.assert_close(learned, plain, rtol=1e-13, atol=1e-13)


def test_gradients_do_not_notice_neighbours():
    z = torch.tensor([[0.3, 2.0], [900.0, 200.0]], dtype=torch.float64)
    rows = []
    for x in (z[:1], z):
        x = x.clone().requires_grad_()
        rows.append(torch.autograd.grad(DormandPrince().step(stiff, 0.0, 1.0, x)[0].sum(), x)[0][0])
    torch.testing.assert_close(rows[1], rows[0], rtol=1e-12, atol=1e-12)


@pytest.mark.long
def test_derivatives_against_finite_differences():
    inputs = (torch.tensor(0.2), torch.tensor(0.3), batch(1)[:, :2], MATRIX[:2, :2])
    inputs = tuple(x.double().clone().requires_grad_() for x in inputs)

    def solution(t, h, z, matrix):
        return FINER.step(lambda t, z: torch.tanh(z @ matrix.T) + torch.cos(3 * t) * z, t, h, z)

    assert torch.autograd.gradcheck(solution, inputs, atol=1e-6, check_forward_ad=True)


def test_second_derivatives_against_finite_differences():
    z = batch(1).requires_grad_()
    h = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda h, z: FINER.step(driven, 0.0, h, z), (h, z))


def test_the_gradient_is_that_of_the_steps_even_if_they_are_coarse():
    """Discretise, then optimise: the difference quotient at fixed steps, far from the flow's."""
    z = torch.tensor([[0.7, -0.4, 1.1]], dtype=torch.float64)
    method = DormandPrince(rtol=0.3, atol=0.3)
    x = z.clone().requires_grad_()
    (found,) = torch.autograd.grad(method.step(driven, 0.0, 3.0, x).sum(), x)
    tolerance = Tolerance(0.3, 0.3)
    tries = method.tries(Path(driven, 0.0, 3.0), tolerance)
    search = Search(driven, 0.0, 3.0, tolerance, 100, 0.0, tries)
    places, _ = search.run(z, driven(torch.zeros(1, 1).double(), z))
    places = torch.from_numpy(places)
    kutta = dx.integrators.RungeKutta(DORMAND_PRINCE)

    def on_steps(z):
        for start, end in zip(places[0, :-1], places[0, 1:], strict=True):
            z = kutta.step(
                lambda t, z: driven(torch.as_tensor(t), z), 3 * start, 3 * (end - start), z
            )
        return z.sum()

    expected = torch.autograd.functional.jacobian(on_steps, z)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_functional_derivatives_agree():
    z, u = batch(2), batch(2, seed=1)

    def solution(z):
        return DormandPrince().step(driven, 0.0, 1.0, z)

    value, forward = torch.func.jvp(solution, (z,), (u,))
    x = z.clone().requires_grad_()
    (reverse,) = torch.autograd.grad(solution(x), x, value)
    torch.testing.assert_close((forward * value).sum(), (reverse * u).sum(), rtol=1e-12, atol=1e-12)
    jacobian = torch.func.jacrev(lambda z: solution(z).sum(0))(z)
    torch.testing.assert_close((jacobian * u).sum((1, 2)), forward.sum(0), rtol=1e-12, atol=1e-12)


def test_rejected_steps_do_not_poison_gradients():
    """The root is not real where the first tries land, and its slope is infinite at 0."""

    def root(t, z):
        return -torch.sqrt(z - 0.25) * 8

    z = torch.tensor([[4.0], [1.0]], dtype=torch.float64, requires_grad=True)
    after = DormandPrince(rtol=1e-2, atol=1e-2).step(root, 0.0, 0.15, z)
    (slope,) = torch.autograd.grad(after.sum(), z)
    assert bool(after.isfinite().all())
    assert bool(slope.isfinite().all())
    exact = 0.25 + ((z.detach() - 0.25).sqrt() - 4 * 0.15).square()
    torch.testing.assert_close(after.detach(), exact, rtol=1e-2, atol=1e-2)


def test_zero_step_and_its_derivative():
    z = batch(2)
    h = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    after = DormandPrince().step(driven, 0.0, h, z)
    torch.testing.assert_close(after, z, rtol=0, atol=0)
    (slope,) = torch.autograd.grad(after.sum(), h)
    torch.testing.assert_close(slope, driven(torch.zeros(1, 1).double(), z).sum())


def test_parameters_that_enter_late_get_their_gradient():
    theta = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)

    def field(t, z):
        return -theta * z if float(t.max()) > 0.5 else torch.zeros_like(z)

    z = torch.ones(1, 1, dtype=torch.float64)
    after = DormandPrince(rtol=1e-9, atol=1e-9).step(field, 0.0, 1.0, z)
    (slope,) = torch.autograd.grad(after.sum(), theta)
    # the late part lasts half a unit of time, up to where steps fall about the jump
    assert float(slope) == pytest.approx(-0.5 * float(after.detach()), rel=1e-2)
