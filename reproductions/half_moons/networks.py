"""Three normalising flows that learn the two half-moons."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from darboux.density import ContinuousFlow, NormalizingFlow, TimeConditionedField, fit
from darboux.models import coupling_flow, residual_flow
from reproductions.common.sizes import parameter_count
from reproductions.half_moons.law import Law

COUPLING, RESIDUAL, CONTINUOUS = "coupling flow", "Residual Flow", "continuous flow"
BATCH, DECAY = 500, 1e-5
_ENERGY = 0.01  # the weight of ∫ (‖f‖²/2 + ‖∂f/∂z‖²) dt in the loss of the continuous flow
_FINER = 4  # how many times as many steps a continuous flow takes once it is trained
_Loss = Callable[[Tensor, Tensor | None], Tensor]
# shares of the steps, and what the step size is multiplied with in them
_ROUNDS = ((0.7, 1.0), (0.2, 0.3), (0.1, 0.1))


@dataclass(frozen=True)
class Kind:
    """A flow and its training."""

    name: str  # of the flow
    words: str  # its size
    make: Callable[[], NormalizingFlow]  # returns it, with initial weights
    steps: int  # of Adam
    rate: float  # the first step size


@dataclass(frozen=True)
class Trained:
    """A trained flow."""

    name: str  # of the flow
    flow: NormalizingFlow  # in eval mode
    losses: tuple[float, ...]  # one for each step, in nats
    seconds: float  # of one processor
    # the flow with the steps of training, if those are larger than the ones of `flow`
    coarse: NormalizingFlow | None = None

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return parameter_count(self.flow)


def kinds(*, quick: bool) -> list[Kind]:
    """Return the three flows.

    The Residual Flow of the reference has 100 blocks of 2-128-128-128-128-2 and 50 000 steps.
    """
    if quick:
        return [_coupling(3, 32, 200, 5e-3), _residual(8, 32, 300, 1e-2), _continuous(32, 4, 250)]
    return [_coupling(6, 64, 2500, 3e-3), _residual(12, 64, 2000, 5e-3), _continuous(64, 8, 1500)]


def _coupling(layers: int, hidden: int, steps: int, rate: float) -> Kind:
    def make() -> NormalizingFlow:
        return coupling_flow(2, layers=layers, hidden=(hidden, hidden))

    return Kind(COUPLING, f"{layers} splines", make, steps, rate)


def _residual(blocks: int, hidden: int, steps: int, rate: float) -> Kind:
    def make() -> NormalizingFlow:
        return residual_flow(2, blocks=blocks, hidden=(hidden, hidden), constant=0.9)

    return Kind(RESIDUAL, f"{blocks} blocks of 2-{hidden}-{hidden}-2", make, steps, rate)


def _continuous(hidden: int, steps: int, updates: int) -> Kind:
    def make() -> NormalizingFlow:
        network = nn.Sequential(
            *(nn.Linear(3, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh()),
            nn.Linear(hidden, 2),
        )
        field = TimeConditionedField(network)
        return NormalizingFlow(ContinuousFlow(field, shape=2, steps=steps))

    return Kind(CONTINUOUS, f"{steps} steps", make, updates, 5e-3)


def trained(kind: Kind, law: Law) -> Trained:
    """Return a flow that was trained by maximum likelihood, on fresh points in every step.

    A continuous flow is returned with smaller steps than it was trained with, which could have
    learned to profit from their error.
    """
    flow, start = kind.make(), time.process_time()
    optimizer = torch.optim.Adam(flow.parameters(), lr=kind.rate, weight_decay=DECAY)
    losses: list[float] = []
    for steps, factor in _rounds(kind.steps):
        for group in optimizer.param_groups:
            group["lr"] = factor * kind.rate
        # as many points as the steps use: none is seen twice
        points = law.sample(steps * BATCH)
        loss = _regularised(flow)
        losses += fit(flow, points, steps=steps, batch=BATCH, optimizer=optimizer, loss=loss).loss
    seconds = time.process_time() - start
    return _finished(kind.name, flow.eval(), tuple(losses), seconds)


def _regularised(flow: NormalizingFlow) -> _Loss | None:
    """Return the loss of a continuous flow, with energies that keep it easy to integrate."""
    if not isinstance(flow.bijection, ContinuousFlow):
        return None
    bijection = flow.bijection

    def loss(x: Tensor, context: Tensor | None) -> Tensor:
        moved = bijection.transport(x, context)
        energy = _ENERGY * (moved.kinetic + moved.jacobian_norm)
        return (energy - flow.base.log_prob(moved.z) - moved.log_det).mean()

    return loss


def _finished(
    name: str, flow: NormalizingFlow, losses: tuple[float, ...], seconds: float
) -> Trained:
    """Return what was trained, continuous flows with finer steps."""
    bijection = flow.bijection
    if not isinstance(bijection, ContinuousFlow):
        return Trained(name, flow, losses, seconds)
    steps = _FINER * bijection.steps
    finer = NormalizingFlow(ContinuousFlow(bijection.field, shape=2, steps=steps))
    return Trained(name, finer.eval(), losses, seconds, coarse=flow)


def _rounds(steps: int) -> Sequence[tuple[int, float]]:
    """Return the steps of each round, and its factor."""
    later = [(round(share * steps), factor) for share, factor in _ROUNDS[1:]]
    return [(steps - sum(n for n, _ in later), _ROUNDS[0][1]), *later]
