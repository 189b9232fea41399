"""Gradients with built-in error: a training with tolerances that follow the gradient."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

import darboux as dx
from darboux.fields import VectorField
from darboux.integrators import BogackiShampine, DormandPrince, Integrator, Time

FRACTION = 0.5
_EVERY = 20
_POINTS, _HORIZON = 40, 5.0
_EXACT = DormandPrince(rtol=1e-10, atol=1e-10)
_TRUTH = ((-0.5, 2.0), (-2.0, -0.5)), (0.3, -0.2)
_START = ((-0.3, 1.4), (-1.4, -0.3)), (0.0, 0.0)


@dataclass(frozen=True)
class Training:
    """A training, and what it cost."""

    name: str
    losses: tuple[float, ...]  # as the training saw them
    tolerances: tuple[float, ...]
    evaluations: int  # of the field, those of measurements included
    seconds: float  # of the processor
    final: float  # the loss at the end, solved exactly


@final
class _Counted(VectorField):
    """The field of a residual network that counts its evaluations."""

    autonomous = True

    def __init__(self, values: tuple[tuple[tuple[float, ...], ...], tuple[float, ...]]) -> None:
        super().__init__()
        inner = dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh()).double()
        weight, bias = (torch.tensor(part) for part in values)
        inner.load_state_dict({"map.weight": weight, "bias": bias})
        self.inner: VectorField = inner
        self.evaluations = 0

    def forward(self, t: Time, z: Tensor) -> Tensor:
        self.evaluations += 1
        found: Tensor = self.inner(t, z)
        return found


def trained(tolerance: float | None, *, steps: int, seed: int) -> Training:
    """Return a training by gradient descent with momentum, with a fixed tolerance or none."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(_POINTS, 2, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        goal = _solved(_Counted(_TRUTH), z, _EXACT)
    field, start = _Counted(_START), time.process_time()

    def loss(at: float) -> Tensor:
        method = BogackiShampine(rtol=at, atol=at)
        return (_solved(field, z, method) - goal).square().mean()

    chosen: Iterable[float] = [tolerance or 0.0] * steps
    if tolerance is None:
        chosen = dx.control.gradient_tolerances(
            field.parameters(), loss, steps=steps, fraction=FRACTION, every=_EVERY
        )
    used: list[float] = []
    sgd = torch.optim.SGD(field.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    losses = dx.solvers.descend(sgd, loss, _noted(chosen, used))
    seconds, evaluations = time.process_time() - start, field.evaluations
    with torch.no_grad():
        end = float((_solved(field, z, _EXACT) - goal).square().mean())
    name = "following the gradient" if tolerance is None else f"fixed at {tolerance:g}"
    return Training(name, tuple(losses), tuple(used), evaluations, seconds, end)


def _solved(field: VectorField, z: Tensor, method: Integrator) -> Tensor:
    return dx.Flow(field, method, steps=1, horizon=_HORIZON)(z)


def _noted(values: Iterable[float], used: list[float]) -> Iterator[float]:
    for value in values:
        used.append(value)
        yield value
