"""Findings of attacks, rows of certificates, and the registry of attacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any, Literal, final

from torch import Tensor

from darboux.certification._copies import copied
from darboux.certification._target import Target
from darboux.structure import Condition, Kind, Premise, Structure
from darboux.structure._arguments import Measured, Natural, checked


@final
@checked
@dataclass(frozen=True)
class Trial:
    """One attack with its worst sample.

    Args:
        attack: what was tried, in words.
        samples: how many samples were tried.
        measured: the worst value; larger is worse.
        tolerance: how far beyond the claimed value rounding may carry that sample.
        evidence: the worst sample as tensors, by name.
        lost: how many samples, no larger than most, had values that are not finite.

    Example:
        >>> Trial("random pairs", 64, 0.9, 1e-12).excess(1.0) < 0
        True
    """

    attack: str
    samples: Natural
    measured: Measured
    tolerance: Measured
    evidence: Mapping[str, Tensor] = field(default_factory=dict, compare=False, repr=False)
    lost: Natural = 0

    def excess(self, claimed: float) -> float:
        """Return how far the sample lies beyond what is claimed and tolerated."""
        if self.measured != self.measured or claimed != claimed:
            return float("inf")  # NaN: the attack itself broke down, or nothing is within the claim
        if self.tolerance != self.tolerance:
            return -float("inf")
        return self.measured - claimed - self.tolerance


@final
@checked
@dataclass(frozen=True)
class Finding:
    """All attacks on one promise.

    Args:
        claimed: the value that no sample may exceed.
        trials: the attacks.
        note: what a reader should know besides, in words.
        undecided: why the attacks conclude nothing although no sample went too far, in words.

    Example:
        >>> Finding(1.0, (Trial("random pairs", 64, 1.5, 1e-12),)).refuted
        True
    """

    claimed: Measured
    trials: tuple[Trial, ...]
    note: str = ""
    undecided: str = ""

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
        """The number of samples in all."""
        return sum(trial.samples for trial in self.trials)

    def tried(self) -> str:
        """Return the attacks and their sample counts in words."""
        return ", ".join(f"{trial.attack} ({trial.samples})" for trial in self.trials)


@final
class NotAttackedError(Exception):
    """The attack does not apply here; the text says why. Becomes a row "not attacked"."""


def method_of(thing: object, call: str) -> Callable[..., Any]:
    """Return a method by its call, such as "inverse(y)", or say that there is none to attack."""
    method = getattr(thing, call.partition("(")[0], None)
    if not callable(method):
        msg = f"{type(thing).__name__} has no method {call}"
        raise NotAttackedError(msg)
    return lambda *arguments: copied(method(*copied(arguments)))


Level = Literal["claim", "part", "premise"]

Status = Literal["not refuted", "refuted", "undecided", "not attacked"]


@final
@checked
@dataclass(frozen=True)
class Row:
    """A promise about one place of the network, and what the attacks found.

    Args:
        path: the submodule's name, dotted; "" for the whole.
        level: "claim" about the whole, "part" for a claim about one of its maps, or
            "premise" for a condition that a claim rests on.
        statement: the promise as a formula.
        status: "not refuted", "refuted", "undecided" (an attack ran and concludes nothing), or
            "not attacked"; the cause of the last two is in `note`.
        structure: the promise as data; None for premises.
        kind: how the claim is known; None for premises.
        reason: the theorem and its condition, in words.
        measured: the worst value found.
        claimed: the value that it must not exceed.
        tolerance: what rounding may add.
        tried: the attacks, with sample counts.
        samples: the number of samples in all.
        dtype: the floating type in which the attack ran.
        note: remarks, or why there was no attack or no conclusion.
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
    measured: Measured | None = None
    claimed: Measured | None = None
    tolerance: Measured | None = None
    tried: str = ""
    samples: Natural = 0
    dtype: str = ""
    note: str = ""
    evidence: Mapping[str, Tensor] = field(default_factory=dict, compare=False, repr=False)

    @property
    def refuted(self) -> bool:
        """Whether an attack found a counterexample."""
        return self.status == "refuted"

    @property
    def open(self) -> bool:
        """Whether attacks say nothing: there was none, or it is undecided."""
        return self.status not in ("refuted", "not refuted")

    @property
    def place(self) -> str:
        """The path, with a word for the whole."""
        return self.path or "whole map"


@checked
@singledispatch
def attack(structure: Structure, target: Target) -> Finding:
    """Try to refute that ``target.module`` has a structure.

    Args:
        structure: what is promised.
        target: the module and where to look.

    Raises:
        NotAttackedError: if no attack is registered, or the one that is does not apply.

    Example:
        >>> from darboux.structure import Lipschitz
        >>> attack.dispatch(Lipschitz) is not attack.dispatch(object)
        True
    """
    del target
    msg = f"no attack is registered for {type(structure).__name__}"
    raise NotAttackedError(msg)


Attack = Callable[[Premise, Target], Finding]

_ATTACKS: dict[Condition, Attack] = {}


@checked
def attacks(condition: Condition) -> Callable[[Attack], Attack]:
    """Return a decorator that registers how the premises of a condition are attacked.

    Args:
        condition: the condition; an attack registered before for it is replaced.

    Example:
        >>> from torch import nn
        >>> from darboux.structure import Condition
        >>> finite = Condition("{subject} has finite weights")
        >>> @attacks(finite)
        ... def _(premise, target):
        ...     bad = sum(int((~p.isfinite()).sum()) for p in premise.subject.parameters())
        ...     return Finding(0.0, (Trial("weights that are not finite", 1, bad, 0.0),))
    """

    def register(run: Attack) -> Attack:
        _ATTACKS[condition] = run
        return run

    return register


@checked
def attack_premise(premise: Premise, target: Target) -> Finding:
    """Try to refute a premise by the attack that `attacks` registered for its condition.

    Args:
        premise: the condition, with the module that it is about.
        target: the part of the network that rests on the premise, with its inputs.

    Raises:
        NotAttackedError: if no attack is registered, or the one that is does not apply.

    Example:
        >>> import torch
        >>> import darboux as dx
        >>> from darboux.structure import norm_at_most
        >>> map, quick = dx.linear.Dense(2, 2), dx.certification.Effort.named("quick")
        >>> target = Target(map, torch.ones(1, 2), quick, torch.Generator())
        >>> attack_premise(norm_at_most(map), target).refuted
        False
    """
    run = _ATTACKS.get(premise.condition)
    if run is None:
        msg = f"no attack is registered for the premise {premise.condition.formula!r}"
        raise NotAttackedError(msg)
    return run(premise, target)


def known_structures() -> tuple[str, ...]:
    """Return the names of the structures that can be attacked, sorted.

    Example:
        >>> "Lipschitz" in known_structures()
        True
    """
    return tuple(sorted(cls.__name__ for cls in attack.registry if cls is not object))
