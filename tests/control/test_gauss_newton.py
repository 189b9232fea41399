"""Gauss-Newton: products equal to the dense matrix, steps that descend, minimisers to rounding."""

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.func import functional_call, hessian, jacrev

import darboux as dx
from darboux.control import ControlProblem, GaussNewton, Regularizer
from tests.control.problems import regression

DOUBLE = torch.float64
X = torch.randn(12, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
LABELS = (X[:, 0] * X[:, 1] > 0).long()


class Decay(Regularizer):
    """A sum over all powers four and two of the parameters."""

    def __call__(self, flow):
        return sum((p**4).sum() + 0.05 * p.square().sum() for p in flow.parameters())


class Head(nn.Module):
    """A classifier behind the flow, minimised over with it."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2, dtype=DOUBLE)

    def forward(self, z):
        return nn.functional.cross_entropy(self.linear(z), LABELS)


LOSSES = {
    "squared": lambda z: (z - X.sin()).square().mean(),
    "cross-entropy": lambda z: nn.functional.cross_entropy(z, LABELS),
    "log-cosh": lambda z: (z - X.sin()).cosh().log().sum(),
}


def problem_with(loss, steps=2, regularizer=None):
    fields = [
        dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh()) for _ in range(steps)
    ]
    flow = dx.Flow(fields, dx.integrators.ImprovedEuler()).to(DOUBLE)
    return ControlProblem(flow, X, loss, regularizer)


def vector(problem):
    return torch.cat([p.detach().flatten() for p in problem.parameters().values()])


def as_function(problem, part):
    """Return part(flow, loss) as a function of one vector of all parameters."""
    parameters = problem.parameters()
    module = nn.ModuleDict({"flow": problem.flow})
    if isinstance(problem.loss, nn.Module):
        module["loss"] = problem.loss

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.flow, self.loss = problem.flow, problem.loss

        def forward(self):
            return part(self.flow, self.loss)

    def function(v):
        parts = v.split([p.numel() for p in parameters.values()])
        named = {
            name: a.reshape(p.shape) for (name, p), a in zip(parameters.items(), parts, strict=True)
        }
        return functional_call(Whole(), named, ())

    return function


def dense(problem):
    """Return JᵀHJ + ∂²R, with J of the flow as a matrix."""
    v, z = vector(problem), problem.flow(X).detach().flatten()
    slope = jacrev(as_function(problem, lambda flow, _: flow(X).flatten()))(v)
    bend = hessian(lambda y: problem.loss(y.reshape(X.shape)))(z)
    found = slope.T @ bend @ slope
    if problem.regularizer is not None:
        found = found + hessian(as_function(problem, lambda flow, _: problem.regularizer(flow)))(v)
    return found


@pytest.mark.parametrize("regularizer", [None, Decay()], ids=["without R", "with R"])
@pytest.mark.parametrize("loss", LOSSES)
def test_products_are_those_of_the_dense_matrix(loss, regularizer):
    problem = problem_with(LOSSES[loss], regularizer=regularizer)
    solver = GaussNewton(problem)
    eye = torch.eye(len(vector(problem)), dtype=DOUBLE)
    found = torch.stack([solver.product(e) for e in eye], dim=1)
    torch.testing.assert_close(found, dense(problem), rtol=1e-12, atol=1e-14)


def test_with_a_loss_that_has_parameters_it_is_the_hessian_of_the_loss_in_both():
    problem = problem_with(Head())
    v, z0 = vector(problem), problem.flow(X).detach()
    inner = as_function(problem, lambda flow, _: flow(X).flatten())
    slope = torch.cat([jacrev(inner)(v), torch.eye(len(v), dtype=DOUBLE)])

    def of_both(w):
        names = list(problem.parameters())
        sizes = [p.numel() for p in problem.parameters().values()]
        parts = dict(zip(names, w[z0.numel() :].split(sizes), strict=True))
        head = {
            n.removeprefix("loss."): parts[n].reshape(problem.parameters()[n].shape)
            for n in names
            if n.startswith("loss.")
        }
        return functional_call(problem.loss, head, (w[: z0.numel()].reshape(z0.shape),))

    expected = slope.T @ hessian(of_both)(torch.cat([z0.flatten(), v])) @ slope
    eye = torch.eye(len(v), dtype=DOUBLE)
    found = torch.stack([GaussNewton(problem).product(e) for e in eye], dim=1)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("loss", "curvature"),
    [("cross-entropy", "gauss-newton"), ("squared", "gauss-newton"), ("log-cosh", "hessian")],
)
def test_it_finds_a_minimiser(loss, curvature):
    problem = problem_with(LOSSES[loss], regularizer=Decay())
    steps = GaussNewton(problem, curvature=curvature).minimize(tol=1e-9, max_iter=200)
    gradient = torch.autograd.grad(problem.objective(), list(problem.parameters().values()))
    assert float(torch.cat([g.flatten() for g in gradient]).norm()) <= 1e-9
    values = [step.objective for step in steps]
    assert all(b <= a + 1e-13 for a, b in pairwise(values))
    assert [step.moved for step in steps] == [True] * (len(steps) - 1) + [False]


def test_newton_s_method_is_quadratic_and_gauss_newton_is_where_the_residual_is_zero():
    problem = problem_with(LOSSES["squared"], regularizer=Decay())
    steps = GaussNewton(problem, curvature="hessian").minimize(tol=1e-12)
    before, after = steps[-3].gradient, steps[-2].gradient
    assert after < 1e-2 * before
    goal = problem.flow(X).detach()
    with torch.no_grad():
        for p in problem.parameters().values():
            p += 0.03 * torch.randn_like(p)
    student = ControlProblem(problem.flow, X, lambda z: (z - goal).square().sum())
    steps = GaussNewton(student).minimize(tol=1e-10)
    assert steps[-1].objective < 1e-12
    assert len(steps) < 20


def test_one_precision():
    flow = problem_with(LOSSES["squared"]).flow.float()
    goal = X.sin().float()
    problem = ControlProblem(flow, X.float(), lambda z: (z - goal).square().mean())
    solver = GaussNewton(problem)
    first, *_, last = [solver.step() for _ in range(10)]
    assert last.objective < 0.7 * first.objective
    assert all(p.dtype == torch.float32 for p in problem.parameters().values())


def test_where_nothing_can_be_gained_it_says_so():
    problem = problem_with(LOSSES["squared"], regularizer=Decay())
    with pytest.raises(dx.solvers.ConvergenceError, match=r"a gradient of norm 1e-09 or less; got"):
        GaussNewton(problem).minimize(tol=1e-9, max_iter=2)
    with pytest.raises(dx.solvers.ConvergenceError, match="Use float64, a larger max_iter, or a"):
        GaussNewton(problem).minimize(tol=1e-300, max_iter=500)


def test_what_is_not_finite_is_refused_and_changes_nothing():
    problem = problem_with(lambda z: (z - z).sum() / 0)
    before = vector(problem)
    with pytest.raises(FloatingPointError, match="expected a finite objective and gradient; got E"):
        GaussNewton(problem).step()
    torch.testing.assert_close(vector(problem), before, rtol=0, atol=0)


def test_trial_steps_that_end_where_e_is_not_finite_are_shortened():
    problem = problem_with(lambda z: (z.square().sum() - 5).log() ** 2)
    solver = GaussNewton(problem)
    values = [solver.step().objective for _ in range(20)]
    assert values[-1] < 1e-6 * values[0]


def test_refuses_kinks_which_gradients_do_not_see():
    with pytest.raises(ValueError, match="GaussNewton: expected a regularizer with a gradient"):
        GaussNewton(regression(0.1 * dx.control.L1()))


def test_it_moves_in_short_formats():
    problem = regression()
    z = problem.z.bfloat16()
    short = ControlProblem(problem.flow.bfloat16(), z, lambda y: y.square().mean())
    solver = GaussNewton(short)
    steps = [solver.step() for _ in range(5)]
    assert steps[-1].objective < 0.5 * steps[0].objective
