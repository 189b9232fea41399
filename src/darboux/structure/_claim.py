"""Structures, kinds of evidence, claims and gaps, as immutable data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import zip_longest
from textwrap import wrap
from typing import Self

from darboux.structure._arguments import checked
from darboux.structure._premise import Premise


class Structure(ABC):
    """A promise about a map z -> φ(z), as immutable data.

    A structure knows three things: its name in words, what it implies, and what
    two of its kind become when their maps are composed. It holds no numbers about
    how the promise is known; that is `Claim`.
    """

    @abstractmethod
    def describe(self) -> str:
        """Return the promise as a short formula, for tables."""

    @abstractmethod
    def after(self, first: Self) -> Self | None:
        """Return what `self` ∘ `first` promises, or None where nothing can be concluded.

        Args:
            first: the structure, of the same class, of the map that is applied first.
        """

    def why_not(self, first: Self) -> str:
        """Return why nothing can be concluded about `self` ∘ `first`, "" where that is usual."""
        del first
        return ""

    def implies(self) -> tuple[Structure, ...]:
        """Return weaker structures that follow from this one."""
        return ()

    def at_least(self, other: Structure) -> bool:
        """Return whether a map with this structure also has `other`."""
        return self == other or any(weaker.at_least(other) for weaker in self.implies())


class Kind(IntEnum):
    """The evidence for a claim, ordered from weakest to strongest.

    The kind of a composition is the weakest kind among its parts, hence ``min``.

    Source: docs, Certificates.

    Example:
        >>> min(Kind.CONSTRUCTION, Kind.BOUND).name
        'BOUND'
    """

    MEASURED = 0
    BOUND = 1
    CONSTRUCTION = 2

    def explain(self) -> str:
        """Return the one-line meaning that certificates print."""
        return _MEANING[self]


_MEANING = {
    Kind.CONSTRUCTION: "a theorem about the architecture: for all parameters, in exact arithmetic",
    Kind.BOUND: "a true bound, computed from the present parameters",
    Kind.MEASURED: "attacked on samples and not refuted: not a proof",
}


@checked
@dataclass(frozen=True)
class Claim:
    """One promise of one module, with its evidence.

    Args:
        structure: what is promised.
        kind: how it is known.
        reason: the theorem and the condition that was checked, in words.
        premises: conditions that `certify` attacks one by one.

    Example:
        >>> from darboux.structure import Lipschitz
        >>> Claim(Lipschitz(1.0), Kind.CONSTRUCTION, "slopes in [0, 1]").kind.name
        'CONSTRUCTION'
    """

    structure: Structure
    kind: Kind
    reason: str
    premises: tuple[Premise, ...] = ()


@checked
@dataclass(frozen=True)
class Gap:
    """A place where a claim stopped, and why.

    Args:
        path: the submodule's name, dotted, "" for the module itself.
        reason: what is not known about it, in words.

    Example:
        >>> Gap("1", "unknown").under("inner").path
        'inner.1'
    """

    path: str
    reason: str

    def under(self, prefix: str) -> Gap:
        """Return the gap as seen from a parent that calls the module `prefix`."""
        return Gap(f"{prefix}.{self.path}" if self.path else prefix, self.reason)


@checked
@dataclass(frozen=True)
class Claims:
    """The claims of one module, and the gaps at which others ended.

    Iterating gives the claims; `str` gives a table, at most 100 columns wide.

    Example:
        >>> from darboux.structure import claims_of
        >>> from torch import nn
        >>> print(claims_of(nn.Sequential(nn.ReLU(), nn.Bilinear(2, 2, 2))))
        nothing is claimed
        Where claims stopped
          1: no claims are known for Bilinear
    """

    claims: tuple[Claim, ...] = ()
    gaps: tuple[Gap, ...] = field(default=())

    def __iter__(self) -> Iterator[Claim]:
        """Iterate over the claims."""
        return iter(self.claims)

    def __len__(self) -> int:
        """Return the number of claims."""
        return len(self.claims)

    def __str__(self) -> str:
        """Return a table of the claims, then the gaps."""
        lines = [line for claim in self.claims for line in _cells(claim)]
        head = [_HEAD] if lines else ["nothing is claimed"]
        stopped = ["Where claims stopped"] if self.gaps else []
        for gap in self.gaps:
            where = f"{gap.path or 'whole map'}: {gap.reason}"
            stopped += wrap(where, 100, initial_indent="  ", subsequent_indent="    ")
        return "\n".join([*head, *lines, *stopped])

    def find(self, family: type[Structure]) -> Claim | None:
        """Return the strongest claim of a family, directly or by implication."""
        best: Claim | None = None
        for claim in self.claims:
            for structure in closure(claim.structure):
                if isinstance(structure, family):
                    other = Claim(structure, claim.kind, claim.reason, claim.premises)
                    best = other if best is None else _better(best, other)
        return best


_LINE = "{:<42}  {:<12}  {}"  # at most 100 columns

_HEAD = _LINE.format("claim", "kind", "reason")


def _cells(claim: Claim) -> Iterator[str]:
    """Yield the lines of one claim; long cells are wrapped."""
    what = wrap(claim.structure.describe(), 42, subsequent_indent="  ")
    why = wrap(claim.reason, 42, max_lines=4, placeholder=" ...")
    for cells in zip_longest(what, [claim.kind.name], why, fillvalue=""):
        yield _LINE.format(*cells).rstrip()


def _better(one: Claim, other: Claim) -> Claim:
    """Return the stronger structure; of equal ones, the stronger evidence."""
    if one.structure == other.structure:
        return other if other.kind > one.kind else one
    return other if other.structure.at_least(one.structure) else one


def closure(structure: Structure) -> tuple[Structure, ...]:
    """Return a structure and everything that it implies.

    Example:
        >>> from darboux.structure import Symplectic
        >>> len(closure(Symplectic()))
        3
    """
    return (structure, *(s for weaker in structure.implies() for s in closure(weaker)))


def merge_premises(claims: tuple[Claim, ...]) -> tuple[Premise, ...]:
    """Return the premises of several claims, each once, in order.

    Example:
        >>> merge_premises(())
        ()
    """
    unique = {premise.key(): premise for claim in claims for premise in claim.premises}
    return tuple(unique.values())
