"""Claims: a structure, how it is known, why, and on what it rests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from darboux.structure.kind import Kind
from darboux.structure.premise import Premise
from darboux.structure.structure import Structure


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


@dataclass(frozen=True)
class Claims:
    """What is known about one module: its claims, and the gaps that ended others.

    Iterating gives the claims.

    Example:
        >>> len(Claims())
        0
    """

    claims: tuple[Claim, ...] = ()
    gaps: tuple[Gap, ...] = field(default=())

    def __iter__(self) -> Iterator[Claim]:
        """Iterate over the claims."""
        return iter(self.claims)

    def __len__(self) -> int:
        """Return the number of claims."""
        return len(self.claims)

    def find(self, family: type[Structure]) -> Claim | None:
        """Return the strongest claim of a family, directly or by implication."""
        best: Claim | None = None
        for claim in self.claims:
            for structure in closure(claim.structure):
                if isinstance(structure, family):
                    other = Claim(structure, claim.kind, claim.reason, claim.premises)
                    best = other if best is None else _better(best, other)
        return best


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
