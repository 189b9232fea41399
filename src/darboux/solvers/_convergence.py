"""Targets and progress of an iteration, and the error of one that does not converge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darboux.solvers._transforms import is_mapped

Numbers = NDArray[np.float64]
"""Numbers of samples, (batch,): NumPy takes a fraction of torch's time for so few."""

Mask = NDArray[np.bool_]

Values = TypeVar("Values", Tensor, Numbers)

Map = Callable[[Tensor], Tensor]

_ROUNDING = 8.0  # c of c · n · eps

_VMAP = (
    "solve: expected a batch on the first axis; got tensors of torch.func.vmap, under which an "
    "iteration cannot look at its residuals. Put the samples on the first axis instead: they "
    "are solved independently of each other."
)


class ConvergenceError(RuntimeError):
    """An iteration that did not converge: which sample, how far it got, and what to try."""


@dataclass(frozen=True)
class Target:
    """When a sample counts as solved."""

    # An error is measured against the size of the sample, the larger of ‖x‖ and `floor`; not of
    # g(x), which may be huge where x is no solution. It has converged at tol · size; one that
    # no longer falls, also at the level of rounding, c n eps (1 + ‖g'‖) size: evaluating g to
    # more digits than that is impossible.

    tol: float
    max_iter: int
    context: str
    floor: Numbers

    def measured(self, step: Tensor, x: Tensor) -> tuple[Numbers, Numbers]:
        """Return the norm of a step of each sample, and the size of x."""
        step_norm, norm = numbers(torch.stack([norms(step), norms(x)]))
        return step_norm, np.maximum(norm, self.floor)

    def reached(self, error: Numbers, size: Numbers) -> Mask:
        """Return which errors are within the tolerance."""
        found: Mask = (error <= self.tol * size) & np.isfinite(error)
        return found

    def size(self, x: Tensor) -> Numbers:
        """Return the size of x."""
        return np.maximum(numbers(norms(x)), self.floor)

    def rounding(self, x: Tensor, size: Numbers, gain: Numbers | float) -> Numbers:
        """Return the errors that rounding alone can make, with gain = ‖g'‖."""
        return self.unit(x) * (1 + gain) * size

    def unit(self, x: Tensor) -> float:
        """Return c n eps."""
        return _ROUNDING * entries(x) * torch.finfo(x.dtype).eps


@dataclass(frozen=True)
class Progress:
    """Where an iteration stands."""

    x: Tensor
    solved: Mask
    error: Numbers
    size: Numbers
    iterations: int

    def check(self, target: Target, method: str) -> Tensor:
        """Return x if all samples have converged."""
        if self.solved.all():
            return self.x
        raise ConvergenceError(_message(self, target, method))


def beginning(x: Tensor, solved: Mask) -> Progress:
    """Return where an iteration stands before its first step."""
    unknown = np.full(len(x), np.inf)
    return Progress(x, solved, unknown, unknown, 0)


def _message(progress: Progress, target: Target, method: str) -> str:
    with np.errstate(invalid="ignore"):
        relative = progress.error / progress.size
    lost = np.where(np.isfinite(relative), relative, np.inf)
    worst = int(np.where(progress.solved, -1.0, lost).argmax())
    count = int((~progress.solved).sum())
    found = float(relative[worst])
    other = "method='newton', " if method in ("fixed-point", "anderson") else ""
    what = f"error {found:.3g} of its size" if abs(found) < torch.inf else "values are not finite"
    return (
        f"{target.context}: expected convergence to {target.tol:.3g} of the size of each sample; "
        f"got {count} of {len(progress.solved)} samples without it after {progress.iterations} "
        f"iterations ({method}), worst sample {worst}, whose {what}. Use a smaller step, "
        f"{other}more iterations (max_iter), or float64."
    )


def entries(x: Tensor) -> int:
    """Return the number of entries of one sample."""
    return x.shape[1:].numel()


def norms(x: Tensor) -> Tensor:
    """Return the Euclidean norm of each sample, (batch,)."""
    return torch.linalg.vector_norm(x, dim=tuple(range(1, x.ndim))) if x.ndim > 1 else x.abs()


def numbers(values: Tensor, refusal: str = _VMAP) -> NDArray[Any]:
    """Return values as an array; refuse those of `torch.func.vmap`."""
    values = values.detach() if values.requires_grad else values
    values = values if values.dtype in (torch.float64, torch.bool) else values.double()
    try:
        return (values if values.is_cpu else values.cpu()).numpy()
    except RuntimeError:  # a tensor of `torch.func`, which has no memory, but may have values
        try:
            found = values.tolist()
        except RuntimeError as error:
            if not is_mapped():
                raise
            raise RuntimeError(refusal) from error
        return np.array(found).reshape(values.shape)


def like(values: NDArray[Any], x: Tensor) -> Tensor:
    """Return an array as a tensor on the device of x."""
    return torch.from_numpy(values).to(x.device)


def choose(mask: Mask, x: Values, y: Values) -> Values:
    """Return x for the samples of the mask, y elsewhere: tensors, or arrays."""
    if mask.all():
        return x
    if not mask.any():
        return y
    rows = mask.reshape(-1, *(1,) * (x.ndim - 1))
    return torch.where(like(rows, x), x, y) if isinstance(x, Tensor) else np.where(rows, x, y)
