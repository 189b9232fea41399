"""Stacks: parameters of equal shape, type and manifold, stepped as one tensor."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from operator import attrgetter, is_
from typing import Any, final

import torch
from torch import Tensor

from darboux.optim._motions import Motion

State = Mapping[Tensor, MutableMapping[str, Any]]

kind_of = attrgetter("shape", "dtype", "device")


@final
class Stack:
    """The points of some parameters, and what an optimiser keeps of each of them.

    One parameter is taken as it stands. Several are stacked in front, (k, *shape): for each step
    anew, or once if they share their storage, which makes them views of one buffer.
    """

    def __init__(self, motion: Motion, parameters: Mapping[int, Tensor], *, shared: bool) -> None:
        self.motion = motion
        self.parameters = list(parameters.values())
        self.indices = list(parameters)
        self.shared = shared and len(parameters) > 1
        self.lead = (len(parameters),) if len(parameters) > 1 else ()
        self._kind = kind_of(self.parameters[0])
        self._buffer: Tensor | None = None
        self._views: tuple[Tensor, ...] = ()
        self._places: list[int] = []
        self._kept: dict[str, tuple[Tensor, tuple[Tensor, ...]]] = {}
        if self.shared:
            self._adopt()

    def fits(self) -> bool:
        """Return whether the parameters are what they were, or where they were if they share."""
        if self.shared:
            return [p.data_ptr() for p in self.parameters] == self._places
        return all(kind == self._kind for kind in map(kind_of, self.parameters))

    def points(self) -> Tensor:
        """Return all points, (*lead, *shape)."""
        if not self.lead:
            return _widened(self.parameters[0].detach())
        if self.shared and self._buffer is not None:
            return _widened(self._buffer)
        return _widened(torch.stack(self.parameters))

    def gradients(self, of_group: list[Tensor | None]) -> Tensor:
        """Return all partial derivatives, (*lead, *shape).

        Raises:
            RuntimeError: if they are sparse.
        """
        parts: Any = [of_group[i] for i in self.indices]
        g = torch.stack(parts) if self.lead else parts[0]
        if g.layout is not torch.strided:
            msg = (
                f"{self.motion.manifold}: expected dense gradients; got sparse ones. Make the "
                "layer with sparse=False."
            )
            raise RuntimeError(msg)
        return _widened(g)

    def write(self, points: Tensor) -> None:
        """Set all parameters."""
        if not self.lead:
            self.parameters[0].copy_(points)
            return
        if self._buffer is None:
            self._buffer = torch.empty_like(points, dtype=self.parameters[0].dtype)
            self._views = self._buffer.unbind()
        self._buffer.copy_(points)
        if self.shared:  # graphs that have saved them shall know
            torch.autograd.graph.increment_version(self.parameters)
        else:
            torch._foreach_copy_(self.parameters, self._views)

    def kept(self, state: State, name: str, like: Tensor) -> Tensor:
        """Return what the optimiser's state holds by a name, (*lead, ...), zeros at first."""
        parts = [state[p].get(name) for p in self.parameters]
        if not self.lead:
            part = parts[0]
            return torch.zeros_like(like) if part is None else part.to(like)
        whole, views = self._kept.get(name, (like, ()))
        if len(views) == len(parts) and all(map(is_, parts, views)):
            return whole
        whole = torch.zeros_like(like)
        views = whole.unbind()
        for parameter, part, view in zip(self.parameters, parts, views, strict=True):
            if part is not None:
                view.copy_(part)
            state[parameter][name] = view
        self._kept[name] = whole, views
        return whole

    def keep(self, state: State, values: dict[str, Tensor]) -> None:
        """Put values there, under names that `kept` was asked for before."""
        if not self.lead:
            state[self.parameters[0]].update(values)
            return
        for name, value in values.items():
            self._kept[name][0].copy_(value)

    def _adopt(self) -> None:
        """Make the parameters views of one buffer, with the values that they have."""
        self._buffer = torch.stack(self.parameters).detach()
        self._views = self._buffer.unbind()
        for parameter, view in zip(self.parameters, self._views, strict=True):
            parameter.data = view
        self._places = [view.data_ptr() for view in self._views]


def _widened(x: Tensor) -> Tensor:
    """Return x in the precision in which steps are computed: matrix products to float32."""
    if x.dtype in (torch.float16, torch.bfloat16):
        return x.float()
    if x.is_cuda and x.dtype == torch.float32 and torch.backends.cuda.matmul.allow_tf32:
        return x.double()
    return x
