"""Natural gradients against matrices and Gauss-Newton; BFGS against Newton's method."""

import pytest
import torch
from torch import nn

import darboux as dx
from tests.optim.dense_fisher import FISHER, entries

DOUBLE = torch.float64


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3)).to(DOUBLE)


def gradient(model):
    return torch.cat([p.grad.flatten() for p in model.parameters()])


@pytest.mark.parametrize("metric", ["gauss-newton", "fisher"])
@pytest.mark.parametrize("loss", FISHER)
def test_a_step_solves_with_the_fisher_matrix(loss, metric):
    model, (criterion, fisher) = network(), FISHER[loss]
    x = torch.randn(4, 3, dtype=DOUBLE)
    natural = dx.optim.NaturalGradient(
        model, criterion(), metric=metric, lr=0.3, damping=1e-2, tol=1e-12
    )
    natural.measure(x)
    matrix, before = fisher(model, x), entries(model.parameters())
    (model(x) - 1).square().sum().backward()
    natural.step()
    damped = matrix + 1e-2 * torch.eye(len(matrix), dtype=DOUBLE)
    expected = before - 0.3 * torch.linalg.solve(damped, gradient(model))
    torch.testing.assert_close(entries(model.parameters()), expected, rtol=1e-8, atol=1e-9)


def test_for_a_squared_loss_the_step_is_that_of_gauss_newton():
    fields = [
        dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh()) for _ in range(2)
    ]
    flow = dx.Flow(fields, dx.integrators.Euler()).to(DOUBLE)
    x = torch.randn(20, 2, dtype=DOUBLE)
    goal, before = x + 0.2 * x.sin(), entries(flow.parameters())
    problem = dx.control.ControlProblem(flow, x, lambda z: (z - goal).square().mean())
    solver = dx.control.GaussNewton(problem)
    eye = torch.eye(len(before), dtype=DOUBLE)
    matrix = torch.stack([solver.product(e) for e in eye])
    natural = dx.optim.NaturalGradient(flow, nn.MSELoss(), damping=1e-2, tol=1e-12)
    natural.measure(x)
    problem.objective().backward()
    natural.step()
    expected = before - torch.linalg.solve(matrix + 1e-2 * eye, gradient(flow))
    torch.testing.assert_close(entries(flow.parameters()), expected, rtol=1e-8, atol=1e-9)


def test_where_rounding_makes_the_matrix_indefinite_it_is_solved_all_the_same():
    model = nn.Linear(2, 1, bias=False)
    natural = dx.optim.NaturalGradient(model, nn.MSELoss(), metric="fisher", damping=1e-6)
    natural.measure(torch.tensor([[1e4, 3e3], [3e3, 9e2]]))
    natural._matrix -= 1e-2 * torch.eye(2)
    model.weight.grad = torch.tensor([[1.0, 0.3]])
    natural.step()
    assert bool(model.weight.isfinite().all())


def test_the_metric_stays_what_was_measured():
    model, x = network(), torch.randn(4, 3, dtype=DOUBLE)
    matrix = FISHER["cross-entropy"][1](model, x)
    natural = dx.optim.NaturalGradient(
        model, nn.CrossEntropyLoss(), lr=0.3, damping=1e-2, tol=1e-12
    )
    natural.measure(x)
    damped = matrix + 1e-2 * torch.eye(len(matrix), dtype=DOUBLE)
    for _ in range(3):
        natural.zero_grad()
        before = entries(model.parameters())
        model(x).square().sum().backward()
        natural.step()
        expected = before - 0.3 * torch.linalg.solve(damped, gradient(model))
        torch.testing.assert_close(entries(model.parameters()), expected, rtol=1e-8, atol=1e-8)


def test_the_diagonal_is_exact_for_one_sample_and_right_in_the_mean():
    model, x = network(), torch.randn(3, 3, dtype=DOUBLE)
    _, fisher = FISHER["cross-entropy"]

    def measured(x, times):
        natural = dx.optim.NaturalGradient(
            model, nn.CrossEntropyLoss(), metric="diagonal", decay=0.9999
        )
        for _ in range(times):
            natural.measure(x)
        return torch.cat([natural.state[p]["squares"].flatten() for p in model.parameters()])

    torch.testing.assert_close(measured(x[:1], 1), fisher(model, x[:1]).diag())
    torch.testing.assert_close(measured(x, 300), fisher(model, x).diag(), rtol=0.3, atol=5e-3)


def test_some_parameters_only_and_groups_of_their_own():
    model, x = network(), torch.randn(4, 3, dtype=DOUBLE)
    first, last = model[0], model[2]
    first.bias.requires_grad_(requires_grad=False)
    natural = dx.optim.NaturalGradient(
        model,
        nn.MSELoss(),
        [{"params": [last.weight], "damping": 0.5}, {"params": [first.weight], "lr": 0.0}],
        metric="fisher",
    )
    natural.measure(x)
    model(x).square().sum().backward()
    before = [p.detach().clone() for p in model.parameters()]
    natural.step()
    moved = [
        not torch.equal(p.detach(), q) for p, q in zip(model.parameters(), before, strict=True)
    ]
    assert moved == [False, False, True, False]


def rosenbrock(x):
    return (1 - x[:-1]).square().sum() + 10 * (x[1:] - x[:-1].square()).square().sum()


def test_bfgs_is_superlinear_and_its_matrix_an_inverse():
    x = nn.Parameter(torch.tensor([0.8, 0.9, 0.7, 0.6], dtype=DOUBLE))
    bfgs, sizes = dx.optim.BFGS([{"params": [x], "lr": 1.0}]), []
    while not sizes or sizes[-1] > 1e-11:
        bfgs.zero_grad()
        rosenbrock(x).backward()
        sizes.append(float((x.detach() - 1).norm()))
        bfgs.step()
        assert len(sizes) < 100
    state = bfgs.state[x]
    eye = torch.eye(4, dtype=DOUBLE)
    torch.testing.assert_close(state["matrix"] @ state["inverse"], eye, rtol=0, atol=1e-6)
    assert bool((torch.linalg.eigvalsh(state["matrix"]) > 0).all())
    assert sizes[-1] / sizes[-2] < 0.02 < sizes[-6] / sizes[-7]


def test_bfgs_stays_positive_definite_where_the_curvature_is_negative():
    x = nn.Parameter(torch.tensor([0.1, 1.0], dtype=DOUBLE))
    bfgs = dx.optim.BFGS([x], lr=0.1)
    for _ in range(60):
        bfgs.zero_grad()
        (x[0] ** 4 - x[0] ** 2 + x[1] ** 2).backward()
        bfgs.step()
        matrix = bfgs.state[x].get("matrix", torch.eye(2, dtype=DOUBLE))
        assert bool((torch.linalg.eigvalsh(matrix) > 0).all())
    assert abs(float(x[0].detach()) - 0.5**0.5) < 0.1


CALLS = {
    "weights": (
        lambda m: dx.optim.KFAC(m, nn.CrossEntropyLoss(weight=torch.ones(3))),
        (ValueError, "without weights, with reduction 'mean' or 'sum'; got CrossEntropyLoss"),
    ),
    "no reduction": (
        lambda m: dx.optim.NaturalGradient(m, nn.MSELoss(reduction="none")),
        (ValueError, "Give a function of the output whose second derivative"),
    ),
    "another loss": (
        lambda m: dx.optim.NaturalGradient(m, nn.L1Loss()),
        (ValueError, r"got L1Loss\(\)"),
    ),
    "parameters of another model": (
        lambda m: dx.optim.KFAC(m, nn.MSELoss(), [nn.Parameter(torch.ones(1))]),
        (ValueError, "expected parameters of the model; got others"),
    ),
    "no damping": (
        lambda m: dx.optim.KFAC(m, nn.MSELoss(), damping=0.0),
        (ValueError, "expected damping to be a positive finite number; got 0.0"),
    ),
    "nothing measured": (
        lambda m: dx.optim.NaturalGradient(m, nn.MSELoss()).step(),
        (RuntimeError, r"Call measure\(inputs\) before step\(\)"),
    ),
    "an empty batch": (
        lambda m: dx.optim.KFAC(m, nn.MSELoss()).measure(torch.ones(0, 3, dtype=DOUBLE)),
        (ValueError, "a batch of at least one sample; got an empty one"),
    ),
    "a loss for each sample": (
        lambda m: dx.optim.NaturalGradient(m, lambda z: z.square()).measure(
            torch.ones(2, 3).double()
        ),
        (ValueError, r"expected a loss that is one number; got shape \(2, 3\)"),
    ),
    "several outputs": (
        lambda m: dx.optim.KFAC(Twice(m), nn.MSELoss()).measure(torch.ones(2, 3).double()),
        (TypeError, "expected a model that returns one tensor"),
    ),
    "many outputs of a function": (
        lambda m: dx.optim.KFAC(nn.Linear(1, 300), lambda z: z.exp().sum()).measure(
            torch.ones(2, 1)
        ),
        (
            ValueError,
            "expected at most 256 outputs a sample for a loss that is a function; got 300",
        ),
    ),
    "too many parameters": (
        lambda m: dx.optim.BFGS([nn.Parameter(torch.ones(5000))]),
        (ValueError, "expected at most 4096 parameters, whose matrix is stored; got 5000"),
    ),
    "not finite": (
        lambda m: dx.optim.KFAC(m, nn.MSELoss()).measure(torch.full((1, 3), torch.nan).double()),
        (FloatingPointError, "expected a finite metric; got NaN"),
    ),
}


class Twice(nn.Module):
    """A model that returns a pair."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x), x


@pytest.mark.parametrize("name", CALLS)
def test_answers(name):
    call, (error, words) = CALLS[name]
    with pytest.raises(error, match=words):
        call(network())
