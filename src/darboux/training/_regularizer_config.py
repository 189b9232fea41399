"""The settings of the training of a regulariser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final, get_args

from darboux.imaging._bilevel import Derivative
from darboux.training._settings import Settings


@final
@dataclass(frozen=True, kw_only=True)
class RegularizerConfig(Settings):
    """The settings of the training of a ridge regulariser, a record like `DenoiseConfig`.

    Args:
        sigma: standard deviation of the noise, for pixels in [0, 1].
        steps: training steps.
        batch: patches per step, over all processes.
        patch: side of the patches in pixels.
        lr: highest learning rate.
        warmup: share of the steps in which the learning rate rises.
        loss: "mse", "l1", or "charbonnier" (a smooth l1).
        seed: of the initial filters, the patches and the noise, 0 <= seed < 2³¹.
        eval_every: steps between evaluations on the held-out images; each writes a checkpoint.
        images: folder of training images, instead of scikit-image's photographs.
        held_out: folder of held-out images, instead of scikit-image's photographs.
        channels: 1 for grey, 3 for colour.
        kernel_size: side of the filters, an odd number.
        filters: number of filters, a multiple of 8; or of 4 without turns.
        turns: whether filters are tied by quarter turns, and not by reflections alone.
        weak: 0 for a convex regulariser, up to 1 for a weakly convex one.
        sharpness: of the potentials, the bound of their curvature, > 1.
        iterations: of the splitting that solves for the denoised patches.
        penalty: of the splitting, > 1.
        derivative: "jacobian-free", "implicit" or "unrolled", how the solution is differentiated.

    Raises:
        ValueError: if a value is impossible; the message names it.
        TypeError: if a value has the wrong type.

    Example:
        >>> config = RegularizerConfig(weak=0.0)
        >>> config == RegularizerConfig.from_dict(config.to_dict())
        True
    """

    task: ClassVar[str] = "regularizer"
    counts: ClassVar[tuple[str, ...]] = ("filters", "iterations")
    scales: ClassVar[tuple[str, ...]] = ()

    steps: int = 1200
    lr: float = 1e-2
    warmup: float = 0.02
    eval_every: int = 300
    kernel_size: int = 9
    filters: int = 48
    turns: bool = True
    weak: float = 1.0
    sharpness: float = 100.0
    iterations: int = 12
    penalty: float = 2.0
    derivative: str = "jacobian-free"

    def _check(self) -> None:
        if not 0 <= self.weak <= 1:
            raise ValueError(f"Expected 0 <= weak <= 1; got {self.weak:g}.")
        for name in ("sharpness", "penalty"):
            if not 1 < getattr(self, name) < float("inf"):
                raise ValueError(f"Expected {name} > 1; got {getattr(self, name):g}.")
        if not self.kernel_size % 2 or not 3 <= self.kernel_size <= _WIDEST:
            raise ValueError(
                f"Expected kernel_size to be odd, from 3 to {_WIDEST}; got {self.kernel_size}."
            )
        order = 8 if self.turns else 4
        if self.filters % order:
            raise ValueError(f"Expected filters to be a multiple of {order}; got {self.filters}.")
        if self.derivative not in get_args(Derivative):
            names = ", ".join(get_args(Derivative))
            raise ValueError(f"Expected derivative to be one of {names}; got {self.derivative!r}.")

    def _weights(self) -> tuple[str, int]:
        weights = self.channels * self.filters * self.kernel_size**2
        return "channels * filters * kernel_size^2 (weights)", weights

    def trained(self) -> tuple[str, ...]:
        """Return the names of the networks of a run."""
        return ("model",)

    def peak(self, network: str) -> float:
        """Return the highest learning rate."""
        del network
        return self.lr

    @property
    def label(self) -> str:
        """What the regulariser is by construction."""
        return "weakly convex" if self.weak else "convex"


_WIDEST = 101
