"""The settings of a denoising run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final, get_args

from darboux.fields._gradient import Metric
from darboux.training._settings import Settings

_DEEPEST = 2**12


@final
@dataclass(frozen=True, kw_only=True)
class DenoiseConfig(Settings):
    """The settings of a denoising run: a frozen record that goes through JSON unchanged.

    Args:
        sigma: standard deviation of the noise, for pixels in [0, 1].
        steps: training steps of each network.
        batch: patches per step, over all processes.
        patch: side of the patches in pixels.
        lr: highest learning rate of the network.
        twin_lr: highest learning rate of its unconstrained twin.
        warmup: share of the steps in which the learning rate rises.
        loss: "mse", "l1", or "charbonnier" (a smooth l1).
        seed: of the initial weights, the patches and the noise, 0 <= seed < 2³¹.
        eval_every: steps between evaluations on the held-out images; each writes a checkpoint.
        twin: whether the unconstrained twin is trained as well.
        images: folder of training images, instead of scikit-image's photographs.
        held_out: folder of held-out images, instead of scikit-image's photographs.
        channels: 1 for grey, 3 for colour.
        features: channels of the feature space.
        units: channels inside each gradient step.
        depth: number of gradient steps.
        shuffle: side of the pixel blocks that become channels.
        kernel_size: side of the convolution kernels.
        threshold: initial thresholds of the clips, for pixels in [0, 1].
        fraction: step length as a share of the longest contractive one, in (0, 1].
        metric: "rows", "entries" or "norm", how the steps are bounded.

    Raises:
        ValueError: if a value is impossible; the message names it.
        TypeError: if a value has the wrong type.

    Example:
        >>> DenoiseConfig(depth=4) == DenoiseConfig.from_dict(DenoiseConfig(depth=4).to_dict())
        True
    """

    task: ClassVar[str] = "denoise"
    counts: ClassVar[tuple[str, ...]] = ("features", "units", "depth", "shuffle")
    scales: ClassVar[tuple[str, ...]] = ("twin_lr", "threshold")
    renamed: ClassVar[Mapping[str, str]] = {"kernel": "kernel_size"}  # of version 0.1

    twin_lr: float = 3e-3
    twin: bool = True
    features: int = 32
    units: int = 48
    depth: int = 8
    shuffle: int = 2
    threshold: float = 0.01
    fraction: float = 0.9
    metric: str = "rows"

    def _check(self) -> None:
        if self.metric not in get_args(Metric):
            names = ", ".join(get_args(Metric))
            raise ValueError(f"Expected metric to be one of {names}; got {self.metric!r}.")
        if self.depth > _DEEPEST:
            raise ValueError(
                f"Expected depth <= {_DEEPEST}; got {self.depth}. Use smaller settings."
            )

    def _weights(self) -> tuple[str, int]:
        weights = self.depth * self.features * self.units * self.kernel_size**2
        return "depth * features * units * kernel_size^2 (weights)", weights

    def trained(self) -> tuple[str, ...]:
        """Return the names of the networks of a run."""
        return ("model", "twin") if self.twin else ("model",)

    def peak(self, network: str) -> float:
        """Return the highest learning rate of a network."""
        return self.lr if network == "model" else self.twin_lr

    def reach(self) -> int:
        """Return how many pixels away an input can still change an output of the network.

        Each step applies a kernel and its adjoint, at a resolution that is `shuffle` times
        coarser; a block of pixels adds its own side.
        """
        return self.shuffle * (2 * self.depth * (self.kernel_size // 2) + 1)

    @property
    def label(self) -> str:
        """What the network is by construction."""
        return "nonexpansive"
