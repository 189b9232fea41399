"""The abstract coupling layer: one part moves by a law whose parameters come from the other."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from darboux.bijections._bijection import WIDE, Bijection, Pull, Pulled, wide
from darboux.bijections._coupling_law import CouplingLaw
from darboux.bijections._partition import Partition, dense
from darboux.solvers._transforms import nesting
from darboux.structure._arguments import Count, checked
from darboux.structure._module import check_features

Parts = tuple[Tensor, Tensor]

PulledParts = tuple[Parts, tuple[Tensor | None, ...]]

PullParts = Callable[[Parts, Tensor | None, Sequence[Tensor]], PulledParts]

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
        places = self._split(x)
        parts, total = self.push_parts(places, context, log_det=log_det)
        return self._put(x, places, parts), total

    def push_parts(
        self, parts: Parts, context: Tensor | None, *, log_det: bool
    ) -> tuple[Parts, Tensor | None]:
        """Return the parts of φ(x), and log|det| or None, without graph; may overwrite."""
        kept, moved = self._ordered(parts)
        if moved.dtype in WIDE:
            raw = self._evaluate(kept, moved.shape[1], context)
            moved, slopes = self.law.push(moved, raw.to(moved.dtype))
            parts = self._ordered((kept, moved))
        else:
            parts, slopes = self._moved(self.law.forward, parts, context)
        return parts, self._log_det(parts[0], slopes) if log_det else None

    def retrace(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Pull]:
        """Return x and what pulls gradients back, by one evaluation of f, which serves both."""
        places = self._split(y)
        parts, pull_parts = self.retrace_parts(places, context)

        def pull(gradient: Tensor, weight: Tensor | None, wanted: Sequence[Tensor]) -> Pulled:
            ends = self.partition.split(gradient)
            back, found = pull_parts(ends, weight, wanted)
            return self._put(gradient, ends, back), found

        return self._put(y, places, parts), pull

    def retrace_parts(self, parts: Parts, context: Tensor | None) -> tuple[Parts, PullParts]:
        """Return the parts of x and what pulls gradients of parts back; both may be overwritten."""
        kept, moved = self._ordered(parts)
        dtype = moved.dtype
        with torch.enable_grad():
            # one copy, where every product would make its own; .data has a version counter of
            # its own, because the other part is overwritten below
            leaf = dense(kept.data).requires_grad_()
            graph = self._evaluate(leaf, moved.shape[1], context)
        edge = get_gradient_edge(graph) if graph.requires_grad else None  # without the values
        narrow, moved = graph.dtype, wide(moved)
        moved, back = self.law.retrace(moved, graph.detach().to(moved.dtype))

        def pull(gradients: Parts, weight: Tensor | None, wanted: Sequence[Tensor]) -> PulledParts:
            first, second = self._ordered(gradients)
            second, spread = wide(second), None
            if weight is not None:
                spread = self.partition.spread(weight.to(second.dtype), second, first=self.swap)
            towards, towards_raw = back(second, spread)
            slope, *found = _slopes(edge, [leaf, *wanted], towards_raw.to(narrow))
            rest = _apart(found, gradients)
            if slope is not None:
                first.add_(slope)
            return self._ordered((first, towards.to(dtype))), rest

        return self._ordered((kept, moved.to(dtype))), pull

    def extra_repr(self) -> str:
        """Return the partition, and the law where it has options."""
        given = f"{self.law}, swap={self.swap}, partition={self.partition}"
        count = self.context_features
        return given if count is None else f"{given}, context_features={count}"

    def _split(self, x: Tensor) -> Parts:
        check_features(type(self).__name__, x)
        self.partition.check(x)
        return self.partition.split(x)

    def _ordered(self, parts: Parts) -> Parts:
        """Return the first part and the second as what is kept and what moves, or back."""
        return parts[::-1] if self.swap else parts

    def _map(self, law: _Map, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return x with one part moved, and the logarithmic slopes."""
        parts, slopes = self._moved(law, self._split(x), context)
        return self.partition.join(*parts), slopes

    def _moved(
        self, law: _Map, parts: Parts, context: Tensor | None
    ) -> tuple[Parts, Tensor | None]:
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

    def _put(self, whole: Tensor, places: Parts, parts: Parts) -> Tensor:
        """Return the parts as one tensor, the whole where they are views of it."""
        if not self.partition.views:
            return self.partition.join(*(part.to(whole.dtype) for part in parts))
        for place, part in zip(places, parts, strict=True):
            if part is not place:
                place.copy_(part)
        return whole

    def _evaluate(self, kept: Tensor, moved: int, context: Tensor | None) -> Tensor:
        """Return f(x₁), for that many channels that move."""
        # volumes lie alike in both passes, because dropout draws in the order of memory
        given = dense(kept) if kept.ndim == 5 else kept
        if self.context_features is not None:
            c = context_at(type(self).__name__, kept, context, self.context_features)
            given = torch.cat((given, c), 1)
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


def _slopes(
    edge: GradientEdge | None, inputs: Sequence[Tensor], cotangent: Tensor
) -> Sequence[Tensor | None]:
    if edge is None:
        return (None,) * len(inputs)
    return torch.autograd.grad([edge], inputs, [cotangent], allow_unused=True)


def _apart(found: Sequence[Tensor | None], gradients: Parts) -> tuple[Tensor | None, ...]:
    """Return gradients without those that share the memory of others, which are overwritten."""
    # Autograd passes a gradient on as it is where an output is a parameter itself.
    places = [gradient.untyped_storage().data_ptr() for gradient in gradients]
    apart = list(found)
    for k, g in enumerate(found):
        if g is not None and g.untyped_storage().data_ptr() in places:
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
