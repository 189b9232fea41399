"""Targets and progress of an iteration, and the error of one that does not converge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

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
    floor: Tensor

    def size(self, x: Tensor) -> Tensor:
        """Return the size of each sample, (batch,)."""
        return torch.maximum(norms(x), self.floor)

    def reached(self, error: Tensor, size: Tensor) -> Tensor:
        """Return which errors are within the tolerance, (batch,)."""
        return (error <= self.tol * size) & error.isfinite()

    def rounding(self, x: Tensor, size: Tensor, gain: Tensor | float) -> Tensor:
        """Return the errors that rounding alone can make, (batch,), with gain = ‖g'‖."""
        return _ROUNDING * entries(x) * torch.finfo(x.dtype).eps * (1 + gain) * size


@dataclass(frozen=True)
class Progress:
    """Where an iteration stands."""

    x: Tensor
    solved: Tensor
    error: Tensor
    size: Tensor
    iterations: int

    def check(self, target: Target, method: str) -> Tensor:
        """Return x if all samples have converged."""
        if every(self.solved):
            return self.x
        raise ConvergenceError(_message(self, target, method))


def beginning(x: Tensor, solved: Tensor) -> Progress:
    """Return where an iteration stands before its first step."""
    unknown = torch.full_like(norms(x), torch.inf)
    return Progress(x, solved, unknown, unknown, 0)


def _message(progress: Progress, target: Target, method: str) -> str:
    relative = progress.error / progress.size
    lost = torch.where(relative.isfinite(), relative, torch.inf)
    worst = int(torch.where(progress.solved, -torch.ones_like(lost), lost).argmax())
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
    return torch.linalg.vector_norm(x.reshape(len(x), -1), dim=1)


def choose(mask: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return x where the mask of samples is set, y elsewhere."""
    return torch.where(mask.reshape(-1, *(1,) * (x.ndim - 1)), x, y)


def every(mask: Tensor) -> bool:
    """Return whether all samples are set."""
    try:
        return bool(mask.all())
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        raise RuntimeError(_VMAP) from error
