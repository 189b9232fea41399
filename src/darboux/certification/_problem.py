"""A map on points: the form in which attacks call a module."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from darboux.certification._facts import facts_of, one_by_one
from darboux.certification._rounding import error_bounds
from darboux.certification._target import Target

Map = Callable[[Tensor], Tensor]

_MEMORY = 2**24  # bytes of activations of one call: more would leave the caches

_PER_ENTRY = 100.0  # operations that the attack itself spends on every entry of a point

_PER_BYTE = 25.0  # operations in the time that moving a byte of activations takes

_EXPENSIVE = 1e8  # operations beyond which float32 is worth its noise

_ENTRIES = 2**24  # of all points that are held at a time

_CHEAP = 256  # points that are tried at least of a map that makes few calls

_CALLS = 50_000  # of torch, for the points that are tried at least

_TOGETHER = 12  # points that are whole batches, which are called one by one

_AFFINE_POINTS = 16  # an affine map has the same Jacobian everywhere


@final
class Problem:
    """A map from points to values, sample by sample, with what calling it costs."""

    # A batch is a set of points. Where the samples of a batch influence one another the
    # whole batch is one point, and `mixes` says so.

    def __init__(
        self, call: Map, target: Target, *, twin: Map | None = None, mixes: bool | None = None
    ) -> None:
        self.target = target
        facts = facts_of(call, target, mixes=mixes)
        self.mixes = facts.mixes
        self.call: Map = one_by_one(call) if self.mixes else call
        self.points = target.inputs[None] if self.mixes else target.inputs
        self.shape = tuple(self.points.shape[1:])
        self.size = max(1, self.points[0].numel())
        self.least = min(_CHEAP, _CALLS // max(1, facts.calls))
        self.operations = facts.operations + _PER_BYTE * facts.held + _PER_ENTRY * self.size
        self.twin = one_by_one(twin) if twin is not None and self.mixes else twin
        self.is_coarse = self._is_fine and self.operations > _EXPENSIVE
        self.search: Map = self.twin if self.twin is not None and self.is_coarse else self.call
        self.chunk = int(min(4096, max(1, _MEMORY // max(facts.held, 1))))

    def __call__(self, points: Tensor) -> Tensor:
        """Return the values at points, a few at a time, without derivatives."""
        with torch.no_grad():
            values = torch.cat([self.call(part.clone()) for part in points.split(self.chunk)])
        if not bool(values.isfinite().all()):
            self._lose(points, values)
        return values

    def _lose(self, points: Tensor, values: Tensor) -> None:
        """Tell the target of values that are not finite where overflow is no excuse."""
        bad = ~values.isfinite().reshape(len(points), -1).all(dim=1)
        reach = norms(self.points).max().clamp(min=self.target.scale * self.size**0.5)
        self.target.lost.append(int((bad & (norms(points) <= 2 * reach)).sum()))

    def rounding(self, points: Tensor, *, then: Problem | None = None) -> Tensor:
        """Return by how much rounding in the dtype of the attack may change φ(x), (P,) norms.

        With another problem, it is that of the values of both, one after the other.
        """
        dtype, first = self.target.inputs.dtype, self.exact
        second = None if then is None else then.exact
        call = first if second is None else lambda x: second(first(x))
        at = points if first is self.call else points.double()
        generator, eps = self.target.generator, torch.finfo(dtype).eps
        parts = at.split(self.chunk)
        scale = self.target.scale
        bounds = [
            error_bounds(call, part, eps=eps, generator=generator, scale=scale) for part in parts
        ]
        return torch.cat(bounds).to(points)

    def total(self, number: Map, points: Tensor) -> Tensor:
        """Return a number of each sample at points, its sum where a whole batch is one point."""
        if not self.mixes:
            return number(points)
        return torch.stack([number(point).sum() for point in points])

    @property
    def exact(self) -> Map:
        """The map in the finest precision that is at hand."""
        return self.call if self.twin is None or self._is_fine else self.twin

    @property
    def _is_fine(self) -> bool:
        return self.twin is not None and self.target.inputs.dtype == torch.float64

    @cached_property
    def affine(self) -> bool:
        """Return whether φ(x + y) + φ(0) = φ(x) + φ(y) at several scales."""
        target = self.target
        if target.near or self.afford(target.effort.points, fraction=0.02) <= _AFFINE_POINTS:
            return False  # there is nothing to save, and the test would cost
        x, y = (target.randn(2, 4, *self.shape) * target.scale).unbind()
        scales = x.new_tensor([0.01, 0.3, 1.0, 100.0])
        x, y = x * spread(scales, x), y * spread(scales, y)
        values = self(torch.cat([x, y, x + y, torch.zeros_like(x[:1])]))
        fx, fy, whole, zero = values.split([4, 4, 4, 1])
        slack = 8 * target.rounding(self.size) * (norms(fx) + norms(fy) + norms(zero))
        return bool((norms(whole + zero - fx - fy) <= slack).all())

    def room(self, wanted: int) -> int:
        """Return how many base points fit into memory."""
        return min(wanted, _TOGETHER if self.mixes else max(4, _ENTRIES // self.size))

    def places(self, wanted: int) -> int:
        """Return how many base points fit, and are worth trying for the map's derivatives."""
        return min(self.room(wanted), _AFFINE_POINTS if self.affine else wanted)

    def afford(self, wanted: int, *, fraction: float, calls: float = 1.0, least: int = 1) -> int:
        """Return how many of `wanted` points a fraction of the work pays for."""
        paid = self.target.work * fraction / (self.operations * calls)
        return int(max(least, min(wanted, paid)))

    def note(self) -> str:
        """Return a remark for the reader, "" where there is none."""
        if not self.mixes:
            return ""
        return "samples of the batch influence one another: the whole batch was one point"


def widened(slack: Tensor, error: Tensor, more: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the slack of each point, with more of it at the points whose errors lie beyond."""
    # What rounding does is found out at a cost, and changes nothing where the rest is enough.
    beyond = (error > slack).nonzero().squeeze(1)
    return slack.index_add(0, beyond, more(beyond)) if len(beyond) else slack


def in_other_precision(target: Target, call: Map | None = None) -> Map | None:
    """Return the twin, or a map of it, from points of any dtype to float64 values, or None."""
    if target.twin is None:
        return None
    call = call or target.twin
    other = torch.float32 if target.inputs.dtype == torch.float64 else torch.float64
    return lambda points: call(points.to(other)).double()


def spread(weights: Tensor, like: Tensor) -> Tensor:
    """Return one weight per point, shaped to multiply points."""
    return weights.reshape(-1, *(1,) * (like.ndim - 1))


def norms(points: Tensor) -> Tensor:
    """Return the Euclidean norm of each point, (P,)."""
    return torch.linalg.vector_norm(points.reshape(len(points), -1), dim=1)


def unit(points: Tensor) -> Tensor:
    """Return points of norm 1; zeros stay zeros."""
    tiny = torch.finfo(points.dtype).tiny
    return points / spread(norms(points).clamp(min=tiny), points)
