"""One step of an optimiser as a map of position and momentum, for certificates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.func import vmap

from darboux.fields._differentiate import energies, slope
from darboux.optim._kinetic import Kinetic
from darboux.optim._scheme import Free, Scheme
from darboux.solvers import solve
from darboux.structure import (
    Claim,
    Claims,
    ConformalSymplectic,
    Gap,
    Kind,
    OnManifold,
    Structure,
    Symplectic,
)
from darboux.structure._module import Module

_REASON = (
    "friction multiplies the form by its factor, kick and drift are flows of E and T and keep it"
)
_NOT_ONE = "groups with different friction have no factor in common"
_NO_FRICTION = "without momentum nothing is left of the form"
_TAKEN_BACK = "a share of the last drift is taken back (α < 1), which no Hamiltonian flow does"
_IMPLICIT = "the end of an implicit step depends on the slope there, which shrinks the form as well"
_ON_MANIFOLDS = "conformal symplectic on the tangent space of the cotangent bundle alone"

Move = Callable[..., tuple[Tensor, ...]]


@final
@dataclass(frozen=True)
class Part:
    """Parameters that are stepped at once: their numbers, and how."""

    scheme: Scheme
    kinetic: Kinetic
    numbers: tuple[int, ...]
    free: Free | None
    sign: float
    weight_decay: float
    implicit: bool

    def along(self, x: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows of position and momentum after the drifts along a manifold."""
        assert self.free is not None
        shape = (-1, *self.free.manifold.base.shape)
        q, v = x.reshape(shape), p.reshape(shape)
        factor = float(self.kinetic.factor(torch.ones(())))
        for time, damping in self.scheme.drifts:
            q, v = self.free.moved(q, v, time * damping * factor)
        return q.reshape(x.shape), v.reshape(x.shape)


@final
class StepMap(Module):
    """(θ, p) -> (θ', p'), two halves of the channel axis."""

    def __init__(
        self, loss: Callable[..., Tensor], parts: Sequence[Part], shapes: Sequence[torch.Size]
    ) -> None:
        super().__init__()
        self.loss = loss
        self.parts = tuple(parts)
        self.shapes = tuple(shapes)
        self._sizes = [math.prod(shape) for shape in shapes]

    def forward(self, x: Tensor) -> Tensor:
        """Return position and momentum after one step, (batch, 2n)."""
        if x.ndim != 2 or x.shape[1] != 2 * sum(self._sizes):
            msg = (
                f"step_map: expected rows (batch, {2 * sum(self._sizes)}) of positions and "
                f"momenta; got {tuple(x.shape)}. Flatten the parameters, join them, and append "
                "as many momenta."
            )
            raise ValueError(msg)
        position, momentum = x.chunk(2, dim=1)
        if any(part.implicit for part in self.parts):
            end = self._ended(position, momentum)
            return torch.cat(self._each(_drifted, position, end, end), dim=1)
        slopes = slope(self._energy, position)
        (end,) = self._each(_kicked, momentum, slopes, position)
        return torch.cat(self._each(_drifted, position, end, momentum), dim=1)

    def claims(self) -> Claims:
        """Return that the step is conformal symplectic, if it is, or why not."""
        factors = {part.scheme.damping for part in self.parts}
        if any(part.free is not None for part in self.parts):
            return Claims(self._kept(), (Gap("", _ON_MANIFOLDS),))
        for wrong, reason in (
            (any(part.implicit for part in self.parts), _IMPLICIT),
            (any(part.scheme.taken_back for part in self.parts), _TAKEN_BACK),
            (len(factors) > 1, _NOT_ONE),
            (0.0 in factors, _NO_FRICTION),
        ):
            if wrong:
                return Claims(gaps=(Gap("", reason),))
        (factor,) = factors
        structure: Structure = Symplectic() if factor == 1 else ConformalSymplectic(factor)
        return Claims((Claim(structure, Kind.CONSTRUCTION, _REASON),))

    def _kept(self) -> tuple[Claim, ...]:
        """Return that points stay on their manifold, where a row is one point."""
        only = self.parts[0].free if len(self.parts) == 1 else None
        if only is None or len(only.manifold.shape) > 1:
            return ()
        reason = "RATTLE solves g(θ') = 0 by Newton's method, and takes p' without normal part"
        return (Claim(OnManifold(only.manifold), Kind.CONSTRUCTION, reason),)

    def _energy(self, position: Tensor) -> Tensor:
        """Return E of each row, (batch,)."""
        rows = zip(position.split(self._sizes, dim=1), self.shapes, strict=True)
        values: Tensor = vmap(self.loss)(*(x.reshape(-1, *shape) for x, shape in rows))
        return energies("step_map", values, position)

    def _ended(self, position: Tensor, momentum: Tensor) -> Tensor:
        """Return the momentum p' of an implicit step, kicked where the step ends."""

        def kicked(end: Tensor) -> Tensor:
            there, _ = self._each(_drifted, position, end, end)
            return self._each(_kicked, momentum, slope(self._energy, there), there)[0]

        return solve(kicked, momentum, context="step_map")

    def _each(self, move: Move, *rows: Tensor) -> list[Tensor]:
        """Return what becomes of rows, part by part."""
        pieces = [row.split(self._sizes, dim=1) for row in rows]
        found: dict[int, tuple[Tensor, ...]] = {}
        for part in self.parts:
            moved = move(part, *(torch.cat([each[i] for i in part.numbers], 1) for each in pieces))
            sizes = [self._sizes[i] for i in part.numbers]
            split = zip(*(m.split(sizes, 1) for m in moved), strict=True)
            found |= zip(part.numbers, split, strict=True)
        return [torch.cat(e, dim=1) for e in zip(*(found[i] for i in sorted(found)), strict=True)]


def _kicked(part: Part, p: Tensor, slopes: Tensor, x: Tensor) -> tuple[Tensor]:
    push = part.sign * slopes + part.weight_decay * x
    new = part.scheme.damping * p - part.scheme.kick * push
    if part.free is None:
        return (new,)
    q = x.reshape(-1, *part.free.manifold.base.shape)
    return (part.free.manifold.tangent(q, new.reshape(q.shape)).reshape(x.shape),)


def _drifted(part: Part, x: Tensor, p: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Return position and momentum p after the drifts; `before` is the momentum before the kick."""
    if part.free is not None:
        return part.along(x, p)
    if part.scheme.taken_back:
        x = x - part.scheme.returned(part.kinetic, _square(before)) * before
    return x + part.scheme.drift(part.kinetic, _square(p)) * p, p


def _square(p: Tensor) -> Tensor:
    return p.square().sum(dim=1, keepdim=True)
