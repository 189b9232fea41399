"""The attacks on linear maps: norms, row bounds, isometries, and entries >= 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from darboux.certification._finding import Finding, NotAttackedError, Trial, attacks
from darboux.certification._jacobian import Jacobian, largest_singular
from darboux.certification._problem import norms
from darboux.certification._target import Target
from darboux.structure import (
    Premise,
    entries_at_most,
    isometry_of,
    nonnegative_entries,
    norm_at_most,
    rows_at_most,
)

_SIZES = (8, 7, 5, 12)  # even, odd, hardly larger than a kernel, larger

_LARGEST = {1: 256, 2: 24, 3: 10}


class Linear(Protocol):
    """The part of `darboux.linear.LinearMap` that the attacks use."""

    in_features: int
    out_features: int
    dim: int

    def __call__(self, x: Tensor) -> Tensor:
        """Return A x."""

    def adjoint(self, y: Tensor) -> Tensor:
        """Return A* y."""

    def norm_bound(self) -> Tensor:
        """Return a bound of ‖A‖₂."""

    def row_bound(self) -> Tensor:
        """Return T with A A* <= diag(T)."""

    def entry_bound(self) -> Tensor:
        """Return another such T."""


def linear(subject: object) -> Linear:
    """Return a subject as a linear map."""
    for name in ("in_features", "out_features", "dim", "adjoint"):
        if not hasattr(subject, name):
            msg = f"{type(subject).__name__} is no linear map: it has no {name}"
            raise NotAttackedError(msg)
    return subject  # type: ignore[return-value]


def restored(map: Linear, y: Tensor, *, size: Sequence[int]) -> Tensor:
    """Return A* y on an image of a given size; maps that enlarge images crop in ``restore``."""
    restore: Callable[..., Tensor] | None = getattr(map, "restore", None)
    return map.adjoint(y) if restore is None else restore(y, size=size)


def probes(map: Linear, target: Target, *, batch: int = 2) -> list[Tensor]:
    """Return random inputs (batch, in_features, *space) at every size that the map accepts."""
    # The first has the example's own image size (cut to a moderate one).
    fitting, reason = [], "no size was tried"
    only: tuple[int, ...] | None = getattr(map, "image_size", None)
    for space in _spaces(map.dim, target) if only is None else [only]:
        x = target.randn(batch, map.in_features, *space)
        try:
            with torch.no_grad():
                map(x)
        except (RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            continue
        fitting.append(x)
    if not fitting:
        msg = f"the map accepts no probe of {map.in_features} features: {reason}"
        raise NotAttackedError(msg)
    return fitting


def _spaces(dim: int, target: Target) -> list[tuple[int, ...]]:
    if dim == 0:
        return [(), (), ()]
    sizes = [(size,) * dim for size in _SIZES]
    seen = tuple(target.inputs.shape[2:])
    if len(seen) == dim:
        largest = _LARGEST.get(dim, 6)
        sizes.insert(0, tuple(min(size, largest) for size in seen))
    return list(dict.fromkeys(sizes))


class _Linear:
    """A linear map as its own Jacobian: no forward mode is needed."""

    def __init__(self, call: Callable[[Tensor], Tensor], start: Tensor) -> None:
        self._call, self._jacobian = call, Jacobian(call, start)

    def push(self, tangents: Tensor) -> Tensor:
        with torch.no_grad():
            return self._call(tangents)

    def pull(self, cotangents: Tensor) -> Tensor:
        return self._jacobian.pull(cotangents)


def strongest(
    call: Callable[[Tensor], Tensor], *, start: Tensor, iterations: int
) -> tuple[Tensor, Tensor]:
    """Return the largest stretch of a linear map found by power iteration, and its vector."""
    # Uses the derivative of `call` for the transpose, never an ``adjoint`` that may be wrong.
    values, vectors = largest_singular(_Linear(call, start), start, iterations=iterations)
    k = int(values.argmax())
    return values[k], vectors[k]


@attacks(norm_at_most)
def _(premise: Premise, target: Target) -> Finding:
    """Power iteration on forward alone, at several sizes, against the bound read anew."""
    map = linear(premise.subject)
    claimed = float(map.norm_bound().detach())
    trials = []
    for k, x in enumerate(probes(map, target)):
        # The first size is the example's own; the others look for a bound that depends on size.
        iterations = target.effort.iterations if k == 0 else target.effort.iterations // 3
        value, vector = strongest(map, start=x, iterations=iterations)
        slack = _rounding(map, x, target) * float(value)
        name = f"power iteration, {_size(tuple(x.shape[2:]))}"
        trials.append(Trial(name, len(x), float(value), slack, {"x": vector}))
    return Finding(claimed, tuple(trials))


def _rounding(map: Linear, x: Tensor, target: Target) -> float:
    """Return what rounding does to ‖Av‖/‖v‖ and to a bound of it, relatively."""
    # both norms are sums over their entries, and the bound is one over the longer side
    features = max(map.in_features, map.out_features)
    return 2 * target.rounding(max(x[0].numel(), x[0, 0].numel() * features))


def _size(space: tuple[int, ...]) -> str:
    return "x".join(map(str, space)) if space else "dense"


@attacks(rows_at_most)
def _(premise: Premise, target: Target) -> Finding:
    """Power iteration on T^{-1/2} A: its norm squared is the largest eigenvalue of T⁻¹AA*."""
    map = linear(premise.subject)
    return _diagonal(map, map.row_bound().detach(), target)


@attacks(entries_at_most)
def _(premise: Premise, target: Target) -> Finding:
    """The same with the entry bound."""
    map = linear(premise.subject)
    return _diagonal(map, map.entry_bound().detach(), target)


def _diagonal(map: Linear, rows: Tensor, target: Target) -> Finding:
    if not bool((rows > 0).all()):
        smallest = {"rows": rows}
        return Finding(0.0, (Trial("sign of the row bound", 1, -float(rows.min()), 0.0, smallest),))
    weights = rows.rsqrt().to(target.inputs)

    def scaled(x: Tensor) -> Tensor:
        return map(x) * weights.reshape(-1, *(1,) * map.dim)

    trials = []
    for k, x in enumerate(probes(map, target)):
        # The first size is the example's own; the others look for a bound that depends on size.
        iterations = target.effort.iterations if k == 0 else target.effort.iterations // 3
        value, vector = strongest(scaled, start=x, iterations=iterations)
        slack = 2 * _rounding(map, x, target)
        space = "x".join(str(size) for size in x.shape[2:]) or "dense"
        name = f"power iteration on T⁻¹AA*, {space}"
        trials.append(Trial(name, len(x), float(value) ** 2, slack, {"x": vector}))
    return Finding(1.0, tuple(trials))


@attacks(isometry_of)
def _(premise: Premise, target: Target) -> Finding:
    """Look for x with L*L x != x or ‖L x‖ != ‖x‖, at even and odd sizes."""
    lift = linear(premise.subject)
    inputs = list(probes(lift, target, batch=4))
    defects = torch.tensor([_defects(lift, x) for x in inputs], dtype=torch.float64)
    worst = int(defects.amax(dim=1).argmax())  # NaN is the worst
    returns, lengths = defects.amax(dim=0).tolist()
    slack = max(target.tolerance(x[0].numel()) for x in inputs)
    samples, evidence = sum(len(x) for x in inputs), {"x": inputs[worst][0]}
    trials = (
        Trial("L*L x = x", samples, returns, slack, evidence),
        Trial("‖L x‖ = ‖x‖", samples, lengths, slack, evidence),
    )
    return Finding(0.0, trials)


def _defects(lift: Linear, x: Tensor) -> tuple[float, float]:
    """Return the relative errors of L*L x = x and of ‖L x‖ = ‖x‖."""
    with torch.no_grad():
        lifted = lift(x)
        back = restored(lift, lifted, size=x.shape[2:])
        if back.shape != x.shape:
            return float("inf"), float("inf")
        size = norms(x)
        return (
            float((norms(back - x) / size).max()),
            float((norms(lifted) / size - 1).abs().max()),
        )


@attacks(nonnegative_entries)
def _(premise: Premise, target: Target) -> Finding:
    """Apply the map to one impulse per feature: the images show all entries of the kernel."""
    map = linear(premise.subject)
    shape = probes(map, target, batch=1)[0].shape
    centre = tuple(size // 2 for size in shape[2:])
    lowest, where = float("inf"), 0
    for k in range(map.in_features):
        impulse = torch.zeros(shape).to(target.inputs)
        impulse[(0, k, *centre)] = 1.0
        with torch.no_grad():
            entry = float(map(impulse).min())
        lowest, where = min((lowest, where), (entry, k))
    evidence = {"feature": torch.tensor(where)}
    trial = Trial("impulses, one per feature", map.in_features, -lowest, 0.0, evidence)
    return Finding(0.0, (trial,))
