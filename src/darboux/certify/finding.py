"""What an attack found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from torch import Tensor


@final
@dataclass(frozen=True)
class Trial:
    """One attack with its worst sample.

    Args:
        attack: what was tried, in words.
        samples: how many samples were tried.
        measured: the worst value; larger is worse.
        tolerance: how far beyond the claimed value rounding may carry that sample.
        evidence: the worst sample as tensors, by name.

    Example:
        >>> Trial("random pairs", 64, 0.9, 1e-12).excess(1.0) < 0
        True
    """

    attack: str
    samples: int
    measured: float
    tolerance: float
    evidence: Mapping[str, Tensor] = field(default_factory=dict, compare=False, repr=False)

    def excess(self, claimed: float) -> float:
        """Return how far the sample lies beyond what is claimed and tolerated."""
        if self.measured != self.measured:  # NaN: the attack itself broke down
            return float("inf")
        return self.measured - claimed - self.tolerance


@final
@dataclass(frozen=True)
class Finding:
    """All attacks on one promise.

    Args:
        claimed: the value that no sample may exceed.
        trials: the attacks.
        note: what a reader should know besides, in words.

    Example:
        >>> Finding(1.0, (Trial("random pairs", 64, 1.5, 1e-12),)).refuted
        True
    """

    claimed: float
    trials: tuple[Trial, ...]
    note: str = ""

    @property
    def refuted(self) -> bool:
        """Whether some sample lies beyond claim and tolerance."""
        return self.worst.excess(self.claimed) > 0

    @property
    def worst(self) -> Trial:
        """The trial that went furthest."""
        return max(self.trials, key=lambda trial: trial.excess(self.claimed))

    @property
    def samples(self) -> int:
        """How many samples were tried in all."""
        return sum(trial.samples for trial in self.trials)

    def tried(self) -> str:
        """Return the attacks and their sample counts in words."""
        return ", ".join(f"{trial.attack} ({trial.samples})" for trial in self.trials)


@final
class NotAttackedError(Exception):
    """The attack does not apply here; the text says why. Becomes a row "not attacked"."""
