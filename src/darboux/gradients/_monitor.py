"""The monitor of a chain: how far reconstructed activations may drift, and the report."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch

from darboux.gradients._fingerprint import Fingerprints
from darboux.structure._arguments import Positive, checked


@final
class DriftWarning(UserWarning):
    """The inverse of some layers magnifies rounding: the chain keeps checkpoints there."""


@final
class DriftError(RuntimeError):
    """The inverse of some layers magnifies rounding, and nothing was kept to fall back to."""


@final
@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """What was measured: how far reconstructed activations and their gradients are off.

    Args:
        error: the relative error of gradients in the last calibration, on some samples, where
            links were undone; NaN if there was none.
        drift: the relative error of the features before each link in the last backward pass, NaN
            where they were not reconstructed.
        checkpoints: the links before which activations are kept, 0 being the input.
        links: how many there are.

    Example:
        >>> DriftReport(error=1e-7, drift=(0.0, 2e-7), checkpoints=(0,), links=2).worst
        2e-07
    """

    error: float
    drift: tuple[float, ...]
    checkpoints: tuple[int, ...]
    links: int

    @property
    def worst(self) -> float:
        """The largest drift that was met, whether it was used or not."""
        return max((value for value in self.drift if value == value), default=0.0)

    def __str__(self) -> str:
        """Return the report in a sentence."""
        kept = ", ".join(str(k) for k in self.checkpoints if k)
        what = f"checkpoints before links {kept}" if kept else "no checkpoints"
        return (
            f"{self.links} links, {what}: features drift by {self.worst:.2g} at most, gradients "
            f"by {self.error:.2g}"
        )


_UNITS = 25.0  # of rounding: the relative error that gradients may have

_ROOTS = 3.0  # units of the root of rounding: the same, where derivatives have jumps

_ENOUGH = 1e-10  # relative accuracy that is enough in any dtype

_OF_AUTOCAST = 1.0  # unit of rounding of the dtype in which sub-networks compute

_LEAST = 4.0  # units of rounding that every reconstruction may be off

_RARELY = 512  # backward passes between calibrations, at most


@final
class Monitor:
    """What is remembered from one backward pass to the next.

    Gradients may be off by 25 eps, relatively (3e-6 in float32), and 1e-10 always. Under autocast
    sub-networks round much more coarsely, and so do all gradients: there it may be one eps of
    that dtype. Where layers have kinks, as those of ReLU, derivatives jump: features that are off
    by δ put a fraction δ of them on the other side, and gradients are off by √δ, as those of
    plain backpropagation are from rounding. There it may be 3 √eps (1e-3 in float32), or four
    times what one rounding of the features does to exact gradients.

    A calibration tells how much drift of the features that allows. It is done at the first
    backward pass, after 1, 2, 4, ... of them, and when the drift grew.

    Args:
        accuracy: another relative error of gradients, > 0.

    Raises:
        ValueError: unless the accuracy is positive.

    Example:
        >>> Monitor().accuracy_for(torch.float32) < 1e-5
        True
    """

    @checked
    def __init__(self, accuracy: Positive | None = None) -> None:
        self.accuracy = accuracy
        self.prints = Fingerprints()
        self.checkpoints: set[int] = set()
        self.idle: dict[
            str, set[str | None]
        ] = {}  # links looked at: parameters that may do nothing
        self.closed: set[str] = set()  # links that are known to use what is their own
        self.kinked = False  # whether a layer's derivative jumps
        self._allowed: dict[int, float] = {}
        self._drift: list[float] = []
        self._counted: list[bool] = []
        self._error = math.nan
        self._passes, self._next = 0, 0
        self._warned = False

    def accuracy_for(self, dtype: torch.dtype, autocast: torch.dtype | None = None) -> float:
        """Return the error that is allowed for features of a dtype, under autocast to another."""
        if self.accuracy is not None:
            return self.accuracy
        eps = torch.finfo(dtype).eps
        own = max(_UNITS * eps, _ENOUGH, _ROOTS * math.sqrt(eps) if self.kinked else 0.0)
        return own if autocast is None else max(own, _OF_AUTOCAST * torch.finfo(autocast).eps)

    def begin(self, counted: Sequence[bool]) -> bool:
        """Begin a backward pass; return whether to calibrate before.

        Args:
            counted: of each link, whether it is one of the user's.
        """
        self._drift = [math.nan] * len(counted)
        self._counted = list(counted)
        due = self._passes >= self._next
        self._passes += 1
        if due:
            self._next = self._passes + min(self._passes, _RARELY)
            self._error = math.nan
        return due

    def allow(self, start: int, drift: float, error: float, accuracy: float) -> None:
        """Note what drift and error a stretch of links had.

        Errors are proportional to drift, or with kinks to its root; half of what that leaves.
        """
        self._error = max(error, 0.0 if math.isnan(self._error) else self._error)
        ratio = accuracy / error if error > 0 else 1.0
        self._allowed[start] = drift * max(ratio / 2, 2.0)

    def limit(self, start: int, dtype: torch.dtype) -> float:
        """Return the drift that is allowed in the links after a checkpoint."""
        return max(self._allowed.get(start, 0.0), _LEAST * torch.finfo(dtype).eps)

    def measured(self, link: int, drift: float) -> None:
        """Note the drift before a link."""
        before = self._drift[link]
        self._drift[link] = drift if math.isnan(before) else max(before, drift)

    def split(
        self, start: int, stop: int, error: float, name: str, *, what: str = "gradients"
    ) -> int:
        """Keep a checkpoint in the middle of links that drift, say so once, and return where."""
        middle = (start + stop) // 2
        self.checkpoints.add(middle)
        self._next = self._passes  # another look at the next pass
        if not self._warned:
            self._warned = True
            text = (
                f"The inverses of links {self._place(start)} to {self._place(stop) - 1}, up to "
                f"{name}, magnify rounding: "
                f"{what} would be off by {error:.2g}. The chain computes gradients from "
                "checkpoints there, which it keeps from now on: they are right, at the cost of "
                "memory. See drift_report()."
            )
            warnings.warn(text, DriftWarning, stacklevel=2)
        return middle

    def report(self, links: int) -> DriftReport:
        """Return what was measured."""
        pairs = zip(self._drift, self._counted, strict=True)
        drift = tuple(d for d, counts in pairs if counts) or (math.nan,) * links
        kept = tuple(sorted({0, *filter(links.__gt__, map(self._place, self.checkpoints))}))
        return DriftReport(error=self._error, drift=drift, checkpoints=kept, links=links)

    def _place(self, link: int) -> int:
        """Return how many of the user's links come before a link."""
        return sum(self._counted[:link])
