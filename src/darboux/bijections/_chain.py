"""The chain: bijections one after another, with a memory mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, final

from torch import Tensor, nn
from torch.distributions import constraints

from darboux.bijections._bijection import Bijection, bijective, inversion_of
from darboux.bijections._coupling import Coupling
from darboux.bijections._coupling_runs import links_of, run_couplings, runs_of
from darboux.bijections._links import BijectionLink, RearrangementLink
from darboux.bijections._rearrangement import Rearrangement
from darboux.gradients import DriftReport, Link, Memory, Monitor, OnDrift, Stack, propagate
from darboux.solvers._transforms import hidden
from darboux.structure import Claims, Invertible, claims_of, composition
from darboux.structure._arguments import Positive, checked

State = Tensor | Stack


@final
class Chain(Bijection):
    """Bijections one after another, y = φ_K(... φ_1(x)), as one module with a memory mode.

    - ``memory="autograd"`` keeps all activations, as PyTorch does.
    - ``memory="checkpoint"`` keeps about √K of them and evaluates every layer once more.
    - ``memory="constant"`` keeps the first and the last: the backward pass undoes the layers.

    Saving memory does not cost accuracy. Each reconstructed activation is compared with a few
    numbers that the forward pass left; how much drift the gradients bear is measured on a few
    samples, by computing them both ways. Where inverses magnify rounding too much, gradients come
    from activations that are computed again from the input, in the same backward pass; the chain
    warns once, keeps checkpoints there from then on, and `drift_report()` tells.
    Dropout draws the same numbers again; running statistics are updated once; autocast and
    training modes are those of the forward pass. Hooks of parameters are called once, with the
    whole gradient, as in plain backpropagation. Derivatives of higher order, and those that
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
        >>> torch.testing.assert_close(chain.inverse(chain(x)), x)
        >>> chain(x).sum().backward()
        >>> chain.drift_report().checkpoints
        (0,)
    """

    stacks = True

    @checked
    def __init__(
        self,
        layers: Sequence[nn.Module],
        *,
        memory: Memory = "autograd",
        accuracy: Positive | None = None,
        on_drift: OnDrift = "checkpoint",
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_as_layer(layer) for layer in layers])
        self.memory: Memory = memory
        self.on_drift: OnDrift = on_drift
        self.monitor = Monitor(accuracy)
        flat = self._flat()
        for name, layer in flat:
            claims = inversion_of(layer)
            if claims.find(Invertible) is None:
                said = "; ".join(gap.reason for gap in claims.gaps) or "nothing is known of it"
                msg = f"Chain: expected layers that claim Invertible(); {name} does not: {said}"
                raise ValueError(msg)
        self.context_features = _common_context(flat)

    @property
    def support(self) -> constraints.Constraint:
        """Where an entry of x may lie: what the first layer takes."""
        first = next(iter(self.layers), None)
        return first.support if isinstance(first, Bijection) else constraints.real

    def forward(self, x: State, context: Tensor | None = None) -> State:  # type: ignore[override]
        """Return φ(x), a tensor, or a tuple where the chain ends with a stack of several."""
        run = self._loop if self.memory == "autograd" else self._propagate
        return run(x, context, log_det=False)[0]

    def forward_and_log_det(  # type: ignore[override]
        self, x: State, context: Tensor | None = None
    ) -> tuple[State, Tensor]:
        """Return φ(x) and the sum of the layers' log-determinants, (batch,)."""
        run = self._loop if self.memory == "autograd" else self._propagate
        y, total = run(x, context, log_det=True)
        assert total is not None  # it was asked for
        return y, total

    def inverse(self, y: State, context: Tensor | None = None) -> State:  # type: ignore[override]
        """Return φ⁻¹(y); its derivatives keep all activations."""
        return self._loop(y, context, log_det=False, back=True)[0]

    def inverse_and_log_det(  # type: ignore[override]
        self, y: State, context: Tensor | None = None
    ) -> tuple[State, Tensor]:
        """Return φ⁻¹(y) and the sum of the log-determinants of the inverses, (batch,)."""
        x, total = self._loop(y, context, log_det=True, back=True)
        assert total is not None  # it was asked for
        return x, total

    def links(self) -> list[Link]:
        """Return the layers as links, nested chains taken apart."""
        return [
            RearrangementLink(layer, name)
            if isinstance(layer, Rearrangement)
            else BijectionLink(layer, name)
            for name, layer in self._flat()
        ]

    def maps(self) -> list[tuple[str, nn.Module]]:
        """Return the layers with names, in order; none where they act on stacks."""
        flat = self._flat()
        return [] if any(isinstance(layer, Rearrangement) for _, layer in flat) else flat

    def claims(self) -> Claims:
        """Return the claims of the layers, composed."""
        found = [(name, claims_of(layer)) for name, layer in self._flat()]
        if not found:
            return bijective("the identity", volume=True, isometric=True)
        return composition(found)

    def drift_report(self) -> DriftReport:
        """Return what the last backward pass measured, and where checkpoints are kept."""
        return self.monitor.report(len(self._flat()))

    def extra_repr(self) -> str:
        """Return the memory mode."""
        return f"memory={self.memory!r}"

    def _propagate(
        self, x: State, context: Tensor | None, *, log_det: bool
    ) -> tuple[State, Tensor | None]:
        """Apply the layers, and keep few activations."""
        run = hidden(propagate)  # eager, so that a compiler leaves it alone or refuses
        stack, total = run(
            self._joined_links() if self.memory == "constant" else self.links(),
            (x,) if isinstance(x, Tensor) else tuple(x),
            context,
            log_det=log_det,
            memory=self.memory,
            monitor=self.monitor,
            on_drift=self.on_drift,
        )
        return stack[0] if len(stack) == 1 else stack, total

    def _joined_links(self) -> list[Link]:
        """Return the links, those of couplings with one partition on its parts."""
        links, found = self.links(), []
        for run in runs_of([link.module for link in links]):
            here, links = links[: len(run)], links[len(run) :]
            if len(run) > 1:
                couplings = cast("Sequence[Coupling]", run)
                found += links_of(couplings, [link.name for link in here])
            else:
                found += here
        return found

    def _loop(
        self, x: State, context: Tensor | None, *, log_det: bool, back: bool = False
    ) -> tuple[State, Tensor | None]:
        """Apply the layers, or their inverses in reverse order, and keep all activations."""
        stack: Stack = (x,) if isinstance(x, Tensor) else tuple(x)
        total = None
        layers = [layer for _, layer in self._flat()]
        for run in runs_of(layers[::-1] if back else layers):
            if isinstance(run[0], Rearrangement):
                stack = run[0].inverse(stack) if back else run[0](stack)
                continue
            top, *rest = stack
            top, part = _passed(run, top, context, log_det=log_det, back=back)
            if part is not None:
                total = part if total is None else total + part
            stack = (top, *rest)
        if log_det and total is None:
            total = stack[0].new_zeros(len(stack[0]))
        return stack[0] if len(stack) == 1 else stack, total

    def _flat(self) -> list[tuple[str, nn.Module]]:
        """Return the layers with names, those of nested chains in their place."""
        found: list[tuple[str, nn.Module]] = []
        for name, layer in enumerate(self.layers):
            if isinstance(layer, Chain):
                inner = layer._flat()
            else:
                inner = layer.maps() if isinstance(layer, Bijection) else []
                if not inner:
                    found.append((f"{name} ({type(layer).__name__})", layer))
                    continue
            found += [(f"{name}.{place}", part) for place, part in inner]
        return found


def _passed(
    run: Sequence[nn.Module], x: Tensor, context: Tensor | None, *, log_det: bool, back: bool
) -> tuple[Tensor, Tensor | None]:
    """Return what a run of couplings, or one bijection, makes of x."""
    if len(run) > 1:
        couplings = cast("Sequence[Coupling]", run)
        return run_couplings(couplings, x, context, log_det=log_det, back=back)
    bijection = cast("Bijection", run[0])
    if not log_det:
        return (bijection.inverse(x, context) if back else bijection(x, context)), None
    call = bijection.inverse_and_log_det if back else bijection.forward_and_log_det
    return call(x, context)


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


def _common_context(layers: Sequence[tuple[str, nn.Module]]) -> int | None:
    """Return the size of the context that all conditioned layers share, or None."""
    found: tuple[str, int] | None = None
    for name, layer in layers:
        size = layer.context_features if isinstance(layer, Bijection) else None
        if size is None:
            continue
        if found is not None and found[1] != size:
            msg = (
                f"Chain: expected one context for all layers; got {found[1]} features for "
                f"{found[0]} and {size} for {name}. Give all of them the same context."
            )
            raise ValueError(msg)
        found = found or (name, size)
    return None if found is None else found[1]
