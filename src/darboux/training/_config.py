"""The settings of a denoising run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from darboux.data._patches import check_sigma
from darboux.fields._gradient import Metric
from darboux.training._files import read_json, write_json

_LOSSES = ("mse", "l1", "charbonnier")

_TASK = "denoise"


@dataclass(frozen=True, kw_only=True)
class DenoiseConfig:
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

    sigma: float = 25 / 255
    steps: int = 600
    batch: int = 8
    patch: int = 48
    lr: float = 7e-3
    twin_lr: float = 3e-3
    warmup: float = 0.1
    loss: str = "mse"
    seed: int = 0
    eval_every: int = 100
    twin: bool = True
    images: str | None = None
    held_out: str | None = None
    channels: int = 1
    features: int = 32
    units: int = 48
    depth: int = 8
    shuffle: int = 2
    kernel_size: int = 3
    threshold: float = 0.01
    fraction: float = 0.9
    metric: str = "rows"

    def __post_init__(self) -> None:
        """Check every value."""
        for name, kind in get_type_hints(DenoiseConfig).items():
            _check_type(name, kind, getattr(self, name))
        check_sigma(self.sigma)
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise ValueError(f"Expected {name} >= 1; got {getattr(self, name)}.")
        for name in ("lr", "twin_lr", "threshold"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"Expected {name} > 0; got {getattr(self, name):g}.")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"Expected 0 <= warmup < 1; got {self.warmup:g}.")
        if self.loss not in _LOSSES:
            raise ValueError(f"Expected loss to be one of {', '.join(_LOSSES)}; got {self.loss!r}.")
        if self.metric not in get_args(Metric):
            names = ", ".join(get_args(Metric))
            raise ValueError(f"Expected metric to be one of {names}; got {self.metric!r}.")
        if self.channels not in (1, 3):
            raise ValueError(f"Expected 1 or 3 channels (grey, colour); got {self.channels}.")
        if not 0 <= self.seed < 2**31:  # beyond, two seeds draw the same patches
            raise ValueError(f"Expected 0 <= seed < 2^31; got {self.seed}.")
        for what, size, most in self._sizes():
            if size > most:
                raise ValueError(f"Expected {what} <= {most}; got {size}. Use smaller settings.")

    def _sizes(self) -> Iterator[tuple[str, int, int]]:
        """Yield what takes memory, time or distinct random numbers, and the most that is taken."""
        yield "batch", self.batch, 2**16
        yield "steps * batch (patches)", self.steps * self.batch, 2**32
        yield "depth", self.depth, 2**12
        pixels = self.batch * self.channels * self.patch**2
        yield "batch * channels * patch^2 (pixels of a step)", pixels, 2**30
        weights = self.depth * self.features * self.units * self.kernel_size**2
        yield "depth * features * units * kernel_size^2 (weights)", weights, 2**30

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        return {"task": _TASK, **asdict(self)}

    @staticmethod
    def from_dict(values: Mapping[str, Any], *, where: str = "the config") -> DenoiseConfig:
        """Return the settings of a JSON object.

        Args:
            values: what `to_dict` returned.
            where: named in the error messages.

        Raises:
            ValueError: if keys are unknown or missing, or a value is impossible.
        """
        names = {"task", *(item.name for item in fields(DenoiseConfig))}
        renamed = {old: new for old, new in _RENAMED.items() if new not in values}
        values = {renamed.get(name, name): value for name, value in values.items()}
        if values.get("task") != _TASK:
            raise ValueError(f"Expected the config of a denoising run; got another in {where}.")
        if unknown := sorted(set(values) - names):
            raise ValueError(f"Expected known settings in {where}; got also {', '.join(unknown)}.")
        if missing := sorted(names - set(values)):
            raise ValueError(f"Expected all settings in {where}; got no {', '.join(missing)}.")
        try:
            return DenoiseConfig(**{k: v for k, v in values.items() if k != "task"})
        except (TypeError, ValueError) as error:
            raise ValueError(f"Expected possible settings in {where}. {error}") from error

    def save(self, path: str | Path) -> None:
        """Write the settings as JSON."""
        write_json(Path(path), self.to_dict())

    @staticmethod
    def load(path: str | Path) -> DenoiseConfig:
        """Read settings that `save` wrote.

        Raises:
            ValueError: if the file is no config of a denoising run.
            FileNotFoundError: if there is no such file.
        """
        return DenoiseConfig.from_dict(read_json(Path(path), dict[str, Any]), where=str(path))

    def reach(self) -> int:
        """Return how many pixels away an input can still change an output of the network.

        Each step applies a kernel and its adjoint, at a resolution that is `shuffle` times
        coarser; a block of pixels adds its own side.
        """
        return self.shuffle * (2 * self.depth * (self.kernel_size // 2) + 1)

    def differences(self, other: DenoiseConfig) -> list[str]:
        """Return one line per setting that differs: "name: mine, not theirs"."""
        mine, theirs = asdict(self), asdict(other)
        return [f"{k}: {mine[k]!r}, not {theirs[k]!r}" for k in mine if mine[k] != theirs[k]]


_RENAMED = {"kernel": "kernel_size"}  # names of version 0.1

_COUNTS = (
    "steps",
    "batch",
    "patch",
    "eval_every",
    "features",
    "units",
    "depth",
    "shuffle",
    "kernel_size",
)


def _check_type(name: str, kind: Any, value: object) -> None:
    """Refuse a value of another type; a bool is no number, and an integer may be a float."""
    try:
        msgspec.convert(float(value) if isinstance(value, float) else value, kind)  # NumPy's, too
    except msgspec.ValidationError:
        what = getattr(kind, "__name__", kind)
        raise TypeError(f"Expected {name} to be {what}; got {value!r:.60}.") from None
