"""A small classifier with its minimiser, and how fast steps of (60) approach that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parameters_to_vector

from darboux.optim import BFGS, KFAC, NaturalGradient

DECAY = 1e-2  # λ, of the loss and of the metrics
_FAR = 1e-4  # the distance to the minimiser from which rates are measured
_NEAREST = 1e-12  # at which BFGS ends
_MOST = 20_000  # steps
_POWER = 20_000  # iterations for the direction of slowest convergence
_TINY = 1e-12  # of a gradient, which is that of the minimiser up to rounding


class Problem:
    """E(θ) = cross-entropy + ½λ‖θ‖², of a network with one hidden layer and noisy labels."""

    def __init__(self) -> None:
        self.network = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2)).double()
        self.x = torch.randn(60, 2, dtype=torch.float64)
        flipped = torch.rand(60) < 0.15
        self.labels = ((self.x.prod(dim=1) > 0) ^ flipped).long()
        self.parameters = list(self.network.parameters())
        self.minimise()

    def energy(self, theta: Tensor) -> Tensor:
        """Return E as a function of one vector."""
        sizes = [p.numel() for p in self.parameters]
        named = {
            name: part.reshape(p.shape)
            for (name, p), part in zip(
                self.network.named_parameters(), theta.split(sizes), strict=True
            )
        }
        z = functional_call(self.network, named, (self.x,))
        return nn.functional.cross_entropy(z, self.labels) + DECAY / 2 * theta.square().sum()

    def differentiate(self) -> None:
        """Put ∇E into the parameters' grad."""
        self.network.zero_grad()
        self.energy(parameters_to_vector(self.parameters)).backward()

    def minimise(self) -> None:
        """Go to a minimiser, by Newton steps at last."""
        slow = torch.optim.LBFGS(self.parameters, max_iter=2000, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            self.differentiate()
            return self.energy(parameters_to_vector(self.parameters)).detach()

        slow.step(closure)
        theta = parameters_to_vector(self.parameters).detach()
        for _ in range(20):
            slope = torch.func.grad(self.energy)(theta)
            if slope.norm() <= _TINY:
                break
            theta = theta - torch.linalg.solve(torch.func.hessian(self.energy)(theta), slope)
        self.minimiser = theta
        self.hessian = torch.func.hessian(self.energy)(theta)
        self.place(theta)

    def place(self, theta: Tensor) -> None:
        """Write a vector to the parameters."""
        sizes = [p.numel() for p in self.parameters]
        with torch.no_grad():
            for p, part in zip(self.parameters, theta.split(sizes), strict=True):
                p.copy_(part.reshape(p.shape))

    def distance(self) -> float:
        """Return ‖θ - θ*‖."""
        return float((parameters_to_vector(self.parameters).detach() - self.minimiser).norm())


def metrics(problem: Problem) -> dict[str, torch.optim.Optimizer]:
    """Return optimisers with the metrics G + λ at the minimiser."""
    network, loss = problem.network, nn.CrossEntropyLoss()
    found: dict[str, torch.optim.Optimizer] = {
        "Fisher": NaturalGradient(network, loss, metric="fisher", damping=DECAY),
        "diagonal": NaturalGradient(network, loss, metric="diagonal", damping=DECAY, decay=0.999),
        "K-FAC": KFAC(
            *(network, loss), momentum=0.0, damping=DECAY, radius=float("inf"), tol=1e-12
        ),
    }
    for name, optimizer in found.items():
        for _ in range(50 if name == "diagonal" else 1):
            optimizer.measure(problem.x)  # type: ignore[attr-defined]
    return {"identity": torch.optim.SGD(network.parameters()), **found}


@dataclass(frozen=True)
class Rate:
    """The rate of one metric, and one step size."""

    metric: str
    h: float
    predicted: float  # max |1 - h λ_i(G⁻¹∇²E)|
    observed: float  # the mean factor of the distance to the minimiser
    distances: list[float]


def rates(
    problem: Problem, name: str, optimizer: torch.optim.Optimizer, near: float = 1e-9
) -> list[Rate]:
    """Return the rate at the best step size 2/(λ_1 + λ_n), and at half of that, down to `near`."""
    inverse = _inverse_metric(problem, optimizer)
    values = torch.linalg.eigvals(inverse @ problem.hessian).real.sort().values
    best = float(2 / (values[0] + values[-1]))
    found = []
    for h in (best, best / 2):
        shrinking = torch.eye(len(values), dtype=torch.float64) - h * inverse @ problem.hessian
        distances = _distances(problem, optimizer, h, shrinking, near)
        count = (len(distances) - 1) // 2 * 2  # two eigenvalues may be ± the largest
        observed = (distances[count] / distances[0]) ** (1 / count)
        predicted = float((1 - h * values).abs().max())
        found.append(Rate(name, h, predicted, observed, distances))
    return found


def _inverse_metric(problem: Problem, optimizer: torch.optim.Optimizer) -> Tensor:
    """Return G⁻¹, column by column: the steps for unit gradients."""
    n = len(problem.minimiser)
    columns = []
    for column in torch.eye(n, dtype=torch.float64):
        problem.place(torch.zeros(n, dtype=torch.float64))
        sizes = [p.numel() for p in problem.parameters]
        for p, part in zip(problem.parameters, column.split(sizes), strict=True):
            p.grad = part.reshape(p.shape).clone()
        _with_step_size(optimizer, 1.0)
        optimizer.step()
        columns.append(-parameters_to_vector(problem.parameters).detach())
    return torch.stack(columns, dim=1)


def _distances(
    problem: Problem, optimizer: torch.optim.Optimizer, h: float, shrinking: Tensor, near: float
) -> list[float]:
    """Return ‖θ_k - θ*‖ from near the minimiser on, where steps shrink least."""
    n = len(problem.minimiser)
    start = torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for _ in range(_POWER):
        start = shrinking @ start
        start = start / start.norm()
    problem.place(problem.minimiser + _FAR * start)
    _with_step_size(optimizer, h)
    return _run(problem, optimizer, near)


def _run(problem: Problem, optimizer: torch.optim.Optimizer, near: float) -> list[float]:
    found = [problem.distance()]
    while near < found[-1] < 1 and len(found) < _MOST:
        problem.differentiate()
        optimizer.step()
        found.append(problem.distance())
    return found


def _with_step_size(optimizer: torch.optim.Optimizer, h: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = h


def superlinear(problem: Problem, start: float = 1e-2) -> list[float]:
    """Return ‖θ_k - θ*‖ of BFGS with h = 1."""
    n = len(problem.minimiser)
    way = torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    problem.place(problem.minimiser + start * way / way.norm())
    return _run(problem, BFGS(problem.parameters), _NEAREST)


def ratios(distances: Sequence[float]) -> list[float]:
    """Return the factors from each distance to the next."""
    return [b / a for a, b in pairwise(distances)]
