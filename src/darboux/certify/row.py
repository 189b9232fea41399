"""One line of a certificate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, final

from torch import Tensor

from darboux.structure import Kind, Structure

Level = Literal["claim", "part", "premise"]
Status = Literal["not refuted", "refuted", "not attacked"]


@final
@dataclass(frozen=True)
class Row:
    """What was promised about one place of the network, and what the attacks found.

    Args:
        path: the submodule's name, dotted; "" for the whole.
        level: "claim" about the whole, "part" for a claim about one of its maps, or
            "premise" for a condition that a claim rests on.
        statement: the promise as a formula.
        status: "not refuted", "refuted", or "not attacked", with the cause in `note`.
        structure: the promise as data; None for premises.
        kind: how the claim is known; None for premises.
        reason: the theorem and its condition, in words.
        measured: the worst value found.
        claimed: the value that it must not exceed.
        tolerance: what rounding may add.
        tried: the attacks, with sample counts.
        samples: the number of samples in all.
        dtype: the floating type in which the attack ran.
        note: remarks, or why there was no attack.
        evidence: the counterexample of a refuted row, by name, on the CPU.

    Example:
        >>> Row("", "claim", "φ = id", "not refuted").refuted
        False
    """

    path: str
    level: Level
    statement: str
    status: Status
    structure: Structure | None = None
    kind: Kind | None = None
    reason: str = ""
    measured: float | None = None
    claimed: float | None = None
    tolerance: float | None = None
    tried: str = ""
    samples: int = 0
    dtype: str = ""
    note: str = ""
    evidence: Mapping[str, Tensor] = field(default_factory=dict, compare=False, repr=False)

    @property
    def refuted(self) -> bool:
        """Whether an attack found a counterexample."""
        return self.status == "refuted"

    @property
    def place(self) -> str:
        """The path, with a word for the whole."""
        return self.path or "whole map"
