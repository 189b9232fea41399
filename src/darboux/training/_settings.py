"""What the settings of every training have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self, get_type_hints

import msgspec

from darboux.data._patches import check_sigma
from darboux.training._files import read_json, write_json

_LOSSES = ("mse", "l1", "charbonnier")


@dataclass(frozen=True, kw_only=True)
class Settings(ABC):
    """The settings of a training: a frozen record that goes through JSON unchanged."""

    task: ClassVar[str]
    counts: ClassVar[tuple[str, ...]]  # settings that are at least 1
    scales: ClassVar[tuple[str, ...]]  # settings that are positive and finite
    renamed: ClassVar[Mapping[str, str]] = {}  # names of earlier versions

    sigma: float = 25 / 255
    steps: int = 600
    batch: int = 8
    patch: int = 48
    lr: float = 7e-3
    warmup: float = 0.1
    loss: str = "mse"
    seed: int = 0
    eval_every: int = 100
    images: str | None = None
    held_out: str | None = None
    channels: int = 1
    kernel_size: int = 3

    def __post_init__(self) -> None:
        """Check every value."""
        kinds = get_type_hints(type(self))
        for name in _names(type(self)):
            _check_type(name, kinds[name], getattr(self, name))
        check_sigma(self.sigma)
        for name in ("steps", "batch", "patch", "eval_every", "kernel_size", *self.counts):
            if getattr(self, name) < 1:
                raise ValueError(f"Expected {name} >= 1; got {getattr(self, name)}.")
        for name in ("lr", *self.scales):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"Expected {name} > 0; got {getattr(self, name):g}.")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"Expected 0 <= warmup < 1; got {self.warmup:g}.")
        if self.loss not in _LOSSES:
            raise ValueError(f"Expected loss to be one of {', '.join(_LOSSES)}; got {self.loss!r}.")
        if self.channels not in (1, 3):
            raise ValueError(f"Expected 1 or 3 channels (grey, colour); got {self.channels}.")
        if not 0 <= self.seed < 2**31:  # beyond, two seeds draw the same patches
            raise ValueError(f"Expected 0 <= seed < 2^31; got {self.seed}.")
        self._check()
        for what, size, most in self._sizes():
            if size > most:
                raise ValueError(f"Expected {what} <= {most}; got {size}. Use smaller settings.")

    @abstractmethod
    def _check(self) -> None:
        """Check the settings that other trainings have not."""

    @abstractmethod
    def _weights(self) -> tuple[str, int]:
        """Return in words how many weights there are, and how many."""

    @abstractmethod
    def trained(self) -> tuple[str, ...]:
        """Return the names of the networks of a run."""

    @abstractmethod
    def peak(self, network: str) -> float:
        """Return the highest learning rate of a network."""

    @property
    @abstractmethod
    def label(self) -> str:
        """What the network is by construction, in a word or two."""

    def _sizes(self) -> Iterator[tuple[str, int, int]]:
        """Yield what takes memory, time or distinct random numbers, and the most that is taken."""
        yield "batch", self.batch, 2**16
        yield "steps * batch (patches)", self.steps * self.batch, 2**32
        pixels = self.batch * self.channels * self.patch**2
        yield "batch * channels * patch^2 (pixels of a step)", pixels, 2**30
        yield *self._weights(), 2**30

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        return {"task": self.task, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str = "the config") -> Self:
        """Return the settings of a JSON object.

        Args:
            values: what `to_dict` returned.
            where: named in the error messages.

        Raises:
            ValueError: if keys are unknown or missing, or a value is impossible.
        """
        names = {"task", *_names(cls)}
        renamed = {old: new for old, new in cls.renamed.items() if new not in values}
        values = {renamed.get(name, name): value for name, value in values.items()}
        if values.get("task") != cls.task:
            raise ValueError(f"Expected the config of {_RUNS[cls.task]}; got another in {where}.")
        if unknown := sorted(set(values) - names):
            raise ValueError(f"Expected known settings in {where}; got also {', '.join(unknown)}.")
        if missing := sorted(names - set(values)):
            raise ValueError(f"Expected all settings in {where}; got no {', '.join(missing)}.")
        try:
            return cls(**{k: v for k, v in values.items() if k != "task"})
        except (TypeError, ValueError) as error:
            raise ValueError(f"Expected possible settings in {where}. {error}") from error

    def save(self, path: str | Path) -> None:
        """Write the settings as JSON."""
        write_json(Path(path), self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read settings that `save` wrote.

        Raises:
            ValueError: if the file is no config of such a run.
            FileNotFoundError: if there is no such file.
        """
        return cls.from_dict(read_json(Path(path), dict[str, Any]), where=str(path))

    def differences(self, other: Settings) -> list[str]:
        """Return one line per setting that differs: "name: mine, not theirs"."""
        mine, theirs = self.to_dict(), other.to_dict()
        if mine["task"] != theirs["task"]:
            return [f"task: {mine['task']!r}, not {theirs['task']!r}"]
        return [f"{k}: {mine[k]!r}, not {theirs[k]!r}" for k in mine if mine[k] != theirs[k]]


_RUNS = {"denoise": "a denoising run", "regularizer": "the run of a regularizer"}


def _names(settings: type[Settings]) -> list[str]:
    return [item.name for item in fields(settings)]


def _check_type(name: str, kind: Any, value: object) -> None:
    """Refuse a value of another type; a bool is no number, and an integer may be a float."""
    try:
        msgspec.convert(float(value) if isinstance(value, float) else value, kind)  # NumPy's, too
    except msgspec.ValidationError:
        what = getattr(kind, "__name__", kind)
        raise TypeError(f"Expected {name} to be {what}; got {value!r:.60}.") from None
