"""The chain: bijections one after another, with a memory mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast, final

from torch import Tensor, nn

from darboux.bijections._bijection import Bijection, bijective
from darboux.bijections._links import BijectionLink, RearrangementLink
from darboux.bijections._rearrangement import Rearrangement
from darboux.gradients import DriftReport, Link, Memory, Monitor, OnDrift, Stack, propagate
from darboux.gradients._propagate import check_modes
from darboux.solvers._transforms import hidden
from darboux.structure import Claims, Invertible, claims_of, composition

State = Tensor | Stack


@final
class Chain(Bijection):
    """Bijections one after another, y = φ_K(... φ_1(x)), as one module with a memory mode.

    - ``memory="autograd"`` keeps all activations, as PyTorch does.
    - ``memory="checkpoint"`` keeps about √K of them and evaluates every layer once more.
    - ``memory="constant"`` keeps the first and the last: the backward pass undoes the layers.

    Memory is freed, not accuracy. Each reconstructed activation is compared with a few numbers
    that the forward pass left; how much drift the gradients bear is measured on a few samples,
    by computing them both ways. Where inverses magnify rounding too much, gradients come from
    activations that are computed again from the input, in the same backward pass; the chain
    warns once, keeps checkpoints there from then on, and `drift_report()` tells.
    Dropout draws the same numbers again; running statistics are updated once; autocast and
    training modes are those of the forward pass. Derivatives of higher order, and those that
    `torch.func` takes, are right as well, and keep all activations.

    The state of a chain is a stack of tensors: bijections act on its top; `Split`,
    `Concatenate` and `Flatten` rearrange it. A chain of chains is one chain. A `darboux.Flow`
    stands for its `as_bijection()`, step by step.

    Shapes: those of the layers; a stack of several tensors is a tuple.

    Source: section 4.2.1.

    Args:
        layers: bijections, rearrangements, and flows that can be undone.
        memory: "autograd", "checkpoint" or "constant".
        accuracy: the relative error that gradients may have; that of rounding if None.
        on_drift: "checkpoint", or "raise": then only the last activation is kept, and gradients
            that would not be accurate are an error.

    Raises:
        TypeError: if a layer is none of these.
        ValueError: if a layer does not claim to be invertible, layers want different contexts, or
            a mode is unknown.

    Example:
        >>> import torch, darboux as dx
        >>> def coupling(swap):
        ...     network = torch.nn.Sequential(
        ...         torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)
        ...     )
        ...     return dx.bijections.AdditiveCoupling(network, swap=swap)
        >>> chain = Chain([coupling(k % 2 == 1) for k in range(6)], memory="constant")
        >>> x = torch.randn(3, 4)
        >>> torch.testing.assert_close(chain.inverse(composition(x)), x)
        >>> composition(x).sum().backward()
        >>> chain.drift_report().checkpoints
        (0,)
    """

    def __init__(
        self,
        layers: Sequence[nn.Module],
        *,
        memory: Memory = "autograd",
        accuracy: float | None = None,
        on_drift: OnDrift = "checkpoint",
    ) -> None:
        super().__init__()
        check_modes(memory, on_drift)
        self.layers = nn.ModuleList([_as_layer(layer) for layer in layers])
        self.memory: Memory = memory
        self.on_drift: OnDrift = on_drift
        self.monitor = Monitor(accuracy)
        for link in self.links():
            claims = claims_of(link.module)
            if claims.find(Invertible) is None:
                said = "; ".join(gap.reason for gap in claims.gaps) or "nothing is known of it"
                msg = (
                    f"Chain: expected layers that claim Invertible(); {link.name} does not: {said}"
                )
                raise ValueError(msg)
        self.context_features = _common_context(self.links())

    def forward(self, x: State, context: Tensor | None = None) -> State:  # type: ignore[override]
        """Return φ(x), a tensor, or a tuple where the chain ends with a stack of several."""
        return _opened(self._propagated(x, context, log_det=False)[0])

    def forward_and_log_det(  # type: ignore[override]
        self, x: State, context: Tensor | None = None
    ) -> tuple[State, Tensor]:
        """Return φ(x) and the sum of the layers' log-determinants, (batch,)."""
        stack, total = self._propagated(x, context, log_det=True)
        assert total is not None  # it was asked for
        return _opened(stack), total

    def inverse(self, y: State, context: Tensor | None = None) -> State:  # type: ignore[override]
        """Return φ⁻¹(y); its derivatives keep all activations."""
        stack = _stack(y)
        for link in reversed(self.links()):
            module = link.module
            if isinstance(module, Rearrangement):
                stack = module.inverse(stack)
            else:
                top, *rest = stack
                stack = (cast("Bijection", module).inverse(top, context), *rest)
        return _opened(stack)

    def inverse_and_log_det(  # type: ignore[override]
        self, y: State, context: Tensor | None = None
    ) -> tuple[State, Tensor]:
        """Return φ⁻¹(y) and the sum of the log-determinants of the inverses, (batch,)."""
        stack = _stack(y)
        total = stack[0].new_zeros(len(stack[0]))
        for link in reversed(self.links()):
            module = link.module
            if isinstance(module, Rearrangement):
                stack = module.inverse(stack)
            else:
                top, *rest = stack
                x, part = cast("Bijection", module).inverse_and_log_det(top, context)
                stack, total = (x, *rest), total + part
        return _opened(stack), total

    def links(self) -> list[Link]:
        """Return the layers as links, nested chains and flows taken apart."""
        return [
            RearrangementLink(layer, name)
            if isinstance(layer, Rearrangement)
            else BijectionLink(cast("Bijection", layer), name)
            for name, layer in self._flat()
        ]

    def maps(self) -> list[tuple[str, nn.Module]]:
        """Return the layers with names, in order; none where they act on stacks."""
        flat = list(self._flat())
        return [] if any(isinstance(layer, Rearrangement) for _, layer in flat) else flat

    def claims(self) -> Claims:
        """Return the claims of the layers, composed."""
        parts = [(name, claims_of(layer)) for name, layer in self._flat()]
        return (
            composition(parts) if parts else bijective("the identity", volume=True, isometric=True)
        )

    def drift_report(self) -> DriftReport:
        """Return what the last backward pass measured, and where checkpoints are kept."""
        return self.monitor.report(len(self.links()))

    def extra_repr(self) -> str:
        """Return the memory mode."""
        return f"memory={self.memory!r}"

    def _propagated(
        self, x: State, context: Tensor | None, *, log_det: bool
    ) -> tuple[Stack, Tensor | None]:
        run = propagate if self.memory == "autograd" else _without_compiler()
        return run(
            self.links(),
            _stack(x),
            context,
            log_det=log_det,
            memory=self.memory,
            monitor=self.monitor,
            on_drift=self.on_drift,
        )

    def _flat(self) -> Iterator[tuple[str, nn.Module]]:
        for name, layer in self.layers.named_children():
            flat = getattr(layer, "parts", None)
            if isinstance(layer, Chain):
                yield from ((f"{name}.{inner}", part) for inner, part in layer._flat())
            elif callable(flat):
                yield from ((f"{name}.{inner}", part) for inner, part in flat())
            else:
                yield f"{name} ({type(layer).__name__})", layer


def _without_compiler() -> Callable[..., tuple[Stack, Tensor | None]]:
    """Return `propagate` as a compiler leaves it alone, or refuses a whole graph with it."""
    return hidden(propagate)


def _as_layer(layer: nn.Module) -> nn.Module:
    """Return a layer of a chain."""
    if isinstance(layer, (Bijection, Rearrangement)):
        return layer
    convert = getattr(layer, "as_bijection", None)
    if callable(convert):
        return convert()
    msg = (
        f"Chain: expected bijections, rearrangements or flows; got {type(layer).__name__}. Write a "
        "subclass of darboux.bijections.Bijection, or put the layer before or after the chain."
    )
    raise TypeError(msg)


def _common_context(links: Sequence[Link]) -> int | None:
    """Return the size of the context that all conditioned layers share, or None."""
    sizes = {link.name: getattr(link.module, "context_features", None) for link in links}
    found = sorted({size for size in sizes.values() if size is not None})
    if len(found) > 1:
        one, other = (next(n for n, s in sizes.items() if s == size) for size in found[:2])
        msg = (
            f"Chain: expected one context for all layers; got {found[0]} features for {one} and "
            f"{found[1]} for {other}. Give all of them the same context."
        )
        raise ValueError(msg)
    return found[0] if found else None


def _stack(x: State) -> Stack:
    return (x,) if isinstance(x, Tensor) else tuple(x)


def _opened(stack: Stack) -> State:
    return stack[0] if len(stack) == 1 else stack
