"""The abstract coupling layer: one part moves by a law whose parameters come from the other."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from itertools import groupby

import torch
from torch import Tensor, nn

from darboux.bijections._bijection import WIDE, Bijection, Pull, Pulled, wide
from darboux.bijections._coupling_law import CouplingLaw
from darboux.bijections._partition import Partition
from darboux.gradients import gradients_of
from darboux.solvers._transforms import nesting
from darboux.structure._arguments import Count, checked
from darboux.structure._module import check_features
from darboux.structure._rules import departure, ours

_Map = Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]]


class Coupling(Bijection, ABC):
    """y₁ = x₁, y₂ = γ(x₂, f(x₁)) with a sub-network f and a law γ, invertible in x₂.

    The inverse evaluates f once, forward; so f may be anything. With `swap`, x₁ moves given x₂.
    Laws are computed in float32 at least, also where autocast lets f run in fewer digits.

    Shapes: x and y are (batch, channels, *space) with 0 to 3 spatial axes; a context is
    (batch, context_features), or has the space of x as well.

    Source: section 4.1.1, equations (42) and (43).

    Args:
        network: f, (batch, kept channels + context_features, *space) -> (batch, moved channels *
            law.parameters_per_feature, *space).
        law: γ.
        swap: whether the first part moves given the second.
        partition: what the parts are.
        context_features: of the context, which f gets after the kept channels; None without.

    Raises:
        TypeError: if the network is no module, or the partition is none.
        ValueError: when called, if shapes do not fit.
    """

    @checked
    def __init__(
        self,
        network: nn.Module,
        law: CouplingLaw,
        *,
        swap: bool,
        partition: Partition,
        context_features: Count | None,
    ) -> None:
        super().__init__()
        self.network = network
        self.law = law
        self.swap = swap
        self.partition = partition
        self.context_features = context_features

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return (x₁, γ(x₂, f(x₁)))."""
        return self._map(self.law.forward, x, context)[0]

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return (y₁, γ⁻¹(y₂, f(y₁)))."""
        return self._map(self.law.inverse, y, context)[0]

    def forward_and_log_det(
        self, x: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return φ(x) and Σ log|∂γ/∂x₂|, (batch,)."""
        y, slopes = self._map(self.law.forward, x, context)
        return y, self._log_det(y, slopes)

    def inverse_and_log_det(
        self, y: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return φ⁻¹(y) and -Σ log|∂γ/∂x₂|, (batch,)."""
        x, slopes = self._map(self.law.inverse, y, context)
        return x, self._log_det(x, slopes)

    def push(
        self, x: Tensor, context: Tensor | None, *, log_det: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return φ(x) in the memory of x, where the parts are views of it."""
        if not self.partition.views or x.dtype not in WIDE:
            return self.forward_and_log_det(x, context) if log_det else (self(x, context), None)
        kept, moved = self._parts(x)
        raw = self._evaluate(kept, moved.shape[1], context)
        found, slopes = self.law.push(moved, raw.to(moved.dtype))
        if found is not moved:
            moved.copy_(found)
        return x, self._log_det(x, slopes) if log_det else None

    def retrace(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Pull]:
        """Return x and what pulls gradients back, by one evaluation of f, which serves both."""
        kept, moved = self._parts(y)
        place = moved if self.partition.views and y.dtype in WIDE else None
        with torch.enable_grad():
            # one copy, where every product would make its own; .data has a version counter of
            # its own, because the other part is overwritten below
            leaf = kept.data.contiguous().requires_grad_()
            graph = self._evaluate(leaf, moved.shape[1], context)
        if place is None:
            moved = wide(moved).clone()
        moved, back = self.law.retrace(moved, graph.detach().to(moved.dtype))
        if place is None:
            x = self._join(kept, moved, y.dtype)
        else:
            x = y
            if moved is not place:
                place.copy_(moved)

        def pull(gradient: Tensor, weight: Tensor | None, wanted: Sequence[Tensor]) -> Pulled:
            first, second = self.partition.split(gradient)
            if self.swap:
                first, second = second, first
            spread = None
            if weight is not None:
                spread = self.partition.spread(weight.to(moved.dtype), moved, first=self.swap)
            towards, towards_raw = back(second.to(moved.dtype), spread)
            slope, *found = gradients_of([graph], [leaf, *wanted], [towards_raw])
            if not self.partition.views:
                first = first if slope is None else first + slope
                return self._join(first, towards, gradient.dtype), tuple(found)
            rest = _apart(found, gradient)
            if towards is not second:
                second.copy_(towards)
            if slope is not None:
                first.add_(slope)
            return gradient, rest

        return x, pull

    def extra_repr(self) -> str:
        """Return the partition, and the law where it has options."""
        given = f"{self.law}, swap={self.swap}, partition={self.partition}"
        count = self.context_features
        return given if count is None else f"{given}, context_features={count}"

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is kept and what moves."""
        return self._ordered(self._split(x))

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        check_features(type(self).__name__, x)
        self.partition.check(x)
        return self.partition.split(x)

    def _ordered(self, parts: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the first part and the second as what is kept and what moves, or back."""
        return parts[::-1] if self.swap else parts

    def _map(self, law: _Map, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return x with one part moved, and the logarithmic slopes."""
        parts, slopes = self._moved(law, self._split(x), context)
        return self.partition.join(*parts), slopes

    def _moved(
        self, law: _Map, parts: tuple[Tensor, Tensor], context: Tensor | None
    ) -> tuple[tuple[Tensor, Tensor], Tensor | None]:
        """Return the parts, one of them moved, in float32 at least, and the logarithmic slopes."""
        kept, moved = self._ordered(parts)
        dtype = kept.dtype
        if dtype not in WIDE:
            moved = moved.float()
            if torch.is_autocast_enabled(kept.device.type):
                dtype = torch.float32
        raw = self._evaluate(kept, moved.shape[1], context)
        moved, slopes = law(moved, raw.to(moved.dtype))
        return self._ordered((kept.to(dtype), moved.to(dtype))), slopes

    def _join(self, kept: Tensor, moved: Tensor, dtype: torch.dtype) -> Tensor:
        return self.partition.join(*self._ordered((kept.to(dtype), moved.to(dtype))))

    def _evaluate(self, kept: Tensor, moved: int, context: Tensor | None) -> Tensor:
        """Return f(x₁), for that many channels that move."""
        given = kept
        if self.context_features is not None:
            c = context_at(type(self).__name__, kept, context, self.context_features)
            given = torch.cat((kept, c), 1)
        # changes in place are not counted in inference mode, nor below compilers and transforms
        counted = not (torch.compiler.is_compiling() or nesting() or given.is_inference())
        before = given._version if counted else 0
        raw = self.network(given)
        if counted and given._version != before:
            msg = (
                f"{type(self).__name__}: the sub-network changed its input in place, which is a "
                "part of x. Use inplace=False in its first layers."
            )
            raise RuntimeError(msg)
        expected = (len(kept), moved * self.law.parameters_per_feature, *kept.shape[2:])
        if not isinstance(raw, Tensor) or raw.shape != expected:
            raise ValueError(self._wrong_shape(raw, kept, expected))
        return raw

    def _log_det(self, y: Tensor, slopes: Tensor | None) -> Tensor:
        if slopes is None:
            return y.new_zeros(len(y))
        return self.partition.total(slopes, first=self.swap).to(y.dtype)

    def _wrong_shape(self, raw: object, kept: Tensor, expected: tuple[int, ...]) -> str:
        got = tuple(raw.shape) if isinstance(raw, Tensor) else type(raw).__name__
        each, channels = self.law.parameters_per_feature, expected[1]
        return (
            f"{type(self).__name__}: expected the sub-network to return {channels} channels, "
            f"{each} for each of the {channels // each} that move, shape {expected}; got {got} for "
            f"an input of shape {tuple(kept.shape)}. Use a last layer with {channels} channels, "
            "and paddings that keep the space."
        )


def runs_of(layers: Sequence[nn.Module]) -> list[Sequence[nn.Module]]:
    """Return the layers in order, couplings with one partition that follow each other together."""
    # Not where a compiler fuses what is cut and joined, nor where a class of someone else or a
    # hook wants whole features.
    if torch.compiler.is_compiling():
        return [[layer] for layer in layers]
    return [list(run) for _, run in groupby(layers, _common)]


def _common(layer: nn.Module) -> object:
    """Return what the layers of one run have in common, something else for each of the others."""
    if isinstance(layer, Coupling) and layer.partition.views and ours(layer) is type(layer):
        return layer.partition if not departure(layer, type(layer)) else object()
    return object()


def run_couplings(
    run: Sequence[Coupling], x: Tensor, context: Tensor | None, *, log_det: bool, back: bool
) -> tuple[Tensor, Tensor | None]:
    """Return what couplings with one partition make of x, which is cut and joined once."""
    parts, total = run[0]._split(x), None
    for layer in run:
        law = layer.law.inverse if back else layer.law.forward
        parts, slopes = layer._moved(law, parts, context)
        if log_det:
            found = layer._log_det(parts[0], slopes)
            total = found if total is None else total + found
    return run[0].partition.join(*parts), total


def _apart(found: Sequence[Tensor | None], gradient: Tensor) -> tuple[Tensor | None, ...]:
    """Return gradients without those that share the memory of another, which is overwritten."""
    # Autograd passes a gradient on as it is where an output is a parameter itself.
    place = gradient.untyped_storage().data_ptr()
    apart = list(found)
    for k, g in enumerate(found):
        if g is not None and g.untyped_storage().data_ptr() == place:
            apart[k] = g.clone()
    return tuple(apart)


def context_at(name: str, x: Tensor, context: Tensor | None, features: int) -> Tensor:
    """Return the context at every point of x, (batch, features, *space)."""
    short = (len(x), features)
    long = (*short, *x.shape[2:])
    shape = None if context is None else tuple(context.shape)
    if context is None or shape not in (short, long):
        got = "none" if shape is None else f"one of shape {shape}"
        msg = (
            f"{name}: expected a context of shape {short}, or with the space of x as well; got "
            f"{got}. Give one context for each sample, with context_features={features}."
        )
        raise ValueError(msg)
    if context.ndim < x.ndim:
        context = context.reshape(*short, *(1,) * (x.ndim - 2)).expand(long)
    return context.to(x.dtype)
