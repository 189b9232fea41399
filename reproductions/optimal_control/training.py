"""Training as in the reference: descent with backtracking, all points at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

import darboux as dx
from darboux.control import (
    L2,
    Armijo,
    Backtracking,
    ControlProblem,
    ForwardBackward,
    GaussNewton,
    LineSearch,
)
from darboux.flow import as_float
from reproductions.optimal_control.data import PROBLEMS, Points
from reproductions.optimal_control.networks import KINDS, METHODS, Classifier, Kind, field, kind_of

_DECAY = 1e-4  # λ of λ/2 ‖θ‖²


@dataclass(frozen=True)
class Size:
    """How much is trained."""

    points: int  # of training and of validation, for learned steps
    more_points: int  # the same for Runge-Kutta methods
    iterations: int  # with learned steps
    more_iterations: int  # of Runge-Kutta methods
    newton: int  # steps of Gauss and Newton, for Figure 1
    shown: int = 300  # points of Figure 1


@dataclass(frozen=True)
class Trained:
    """A trained network."""

    flow: dx.Flow
    loss: Classifier
    objectives: tuple[float, ...]  # after each iteration
    training: Points
    accuracy: float  # on training points
    validation: float  # on others

    @property
    def steps(self) -> Tensor:
        """The step sizes."""
        sizes = [as_float(h) for _, _, h in self.flow.grid()]
        return torch.tensor(sizes, dtype=torch.float64)


@dataclass(frozen=True)
class Evolution:
    """Points on their way through a ResNet."""

    points: Points
    states: Tensor  # (K+1, points, 2 or 3)
    objectives: tuple[float, ...]  # before each step
    accuracy: float  # the share that ends nearer to its own place


Runs = dict[str, dict[str, Trained]]  # by problem and network


def learned_steps(size: Size, seed: int) -> Runs:
    """Return the four networks of 20 layers on the four problems."""
    return {
        problem: {
            kind.name: _trained(
                kind, problem, Backtracking(), size.points, 20, size.iterations, seed, mean=True
            )
            for kind in KINDS
        }
        for problem in PROBLEMS
    }


def runge_kutta(size: Size, seed: int) -> Runs:
    """Return networks of 15 layers with four Runge-Kutta methods on the four problems."""
    return {
        problem: {
            name: _trained(
                kind_of(name),
                problem,
                Armijo(),
                size.more_points,
                15,
                size.more_iterations,
                seed,
                mean=False,
            )
            for name in METHODS
        }
        for problem in PROBLEMS
    }


def _trained(
    kind: Kind,
    problem: str,
    search: LineSearch,
    points: int,
    layers: int,
    iterations: int,
    seed: int,
    *,
    mean: bool,
) -> Trained:
    """Return a network after training; all networks of a problem start with the same weights."""
    generator = torch.Generator().manual_seed(seed)
    training, validation = (PROBLEMS[problem](points, generator) for _ in range(2))
    torch.manual_seed(seed)
    flow = kind.make(layers)
    loss = Classifier(training.c, mean=mean)
    if not mean:
        nn.init.uniform_(loss.linear.bias)
    descent = ForwardBackward(
        ControlProblem(flow, training.x, loss, kind.regularizer), search=search
    )
    objectives = tuple(descent.step().objective for _ in range(iterations))
    accuracies = [accuracy(flow, loss, each) for each in (training, validation)]
    return Trained(flow, loss, objectives, training, *accuracies)


def accuracy(flow: dx.Flow, loss: Classifier, points: Points) -> float:
    """Return the share of points whose class is the likelier one."""
    with torch.no_grad():
        return float(((loss.probability(flow(points.x)) > 0.5) == (points.c > 0.5)).double().mean())


def evolved(points: Points, size: Size, *, layers: int = 15, horizon: float = 5.0) -> Evolution:
    """Return how a ResNet (6) moves points that it takes to two places (Figure 1)."""
    features = points.x.shape[1]
    goal = torch.zeros_like(points.x)
    goal[:, 0] = 2 * points.c - 1
    flow = dx.Flow(
        [field(features) for _ in range(layers)], dx.integrators.Euler(), horizon=horizon
    )
    for p in flow.parameters():
        p.data.mul_(0.3)
    problem = ControlProblem(
        flow,
        points.x,
        lambda z: 0.5 * (z - goal).square().sum(dim=1).mean(),
        _DECAY / 2 * layers / horizon * L2(),
    )
    newton = GaussNewton(problem)
    objectives = [newton.step().objective for _ in range(size.newton)]
    with torch.no_grad():
        states = flow.trajectory(points.x)
    right = (states[-1][:, 0] > 0) == (points.c > 0.5)
    return Evolution(points, states, tuple(objectives), float(right.double().mean()))
