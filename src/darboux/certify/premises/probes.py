"""Random inputs that fit a linear map, at several image sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from darboux.certify.finding import NotAttackedError
from darboux.certify.jacobian import Jacobian
from darboux.certify.krylov import largest_singular
from darboux.certify.target import Target

_SIZES = (8, 7, 5, 12)  # even, odd, hardly larger than a kernel, larger
_LARGEST = {1: 256, 2: 24, 3: 10}


class Linear(Protocol):
    """What the attacks need of a linear map; `darboux.linear.LinearMap` has it."""

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


def linear(subject: object) -> Linear:
    """Return a subject as a linear map.

    Raises:
        NotAttackedError: if it lacks what a linear map has.

    Example:
        >>> linear(torch.nn.ReLU())
        Traceback (most recent call last):
            ...
        darboux.certify.finding.NotAttackedError: ReLU is no linear map: it has no in_features
    """
    for name in ("in_features", "out_features", "dim", "adjoint"):
        if not hasattr(subject, name):
            msg = f"{type(subject).__name__} is no linear map: it has no {name}"
            raise NotAttackedError(msg)
    return subject  # type: ignore[return-value]


def probes(map: Linear, target: Target, *, batch: int = 2) -> list[Tensor]:
    """Return random inputs (batch, in_features, *space) at every size that the map accepts.

    The first has the example's own image size (cut to a moderate one).

    Raises:
        NotAttackedError: if the map accepts none of the sizes.

    Example:
        >>> from darboux.certify.effort import Effort
        >>> class Double(torch.nn.Module):
        ...     in_features, out_features, dim = 3, 3, 1
        ...
        ...     def forward(self, x):
        ...         return 2 * x
        >>> quick, generator = Effort.named("quick"), torch.Generator().manual_seed(0)
        >>> target = Target(Double(), torch.ones(1, 3, 10), quick, generator)
        >>> [x.shape[-1] for x in probes(target.module, target)]
        [10, 8, 7, 5, 12]
    """
    fitting, reason = [], "no size was tried"
    for space in _spaces(map.dim, target):
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
    """Return the largest stretch of a linear map found by power iteration, and its vector.

    Uses the derivative of `call` for the transpose, never an ``adjoint`` that may be wrong.

    Example:
        >>> value, _ = strongest(lambda x: 2 * x, start=torch.ones(1, 3), iterations=4)
        >>> round(float(value), 5)
        2.0
    """
    values, vectors = largest_singular(_Linear(call, start), start, iterations=iterations)
    k = int(values.argmax())
    return values[k], vectors[k]
