"""The claims of a flow: those of its steps, and what one field for all of them adds."""

from __future__ import annotations

from darboux.structure import (
    Claim,
    Claims,
    Dissipative,
    EnergyPreserving,
    Reversible,
    Structure,
    composition,
    merge_premises,
)


def of_steps(steps: list[tuple[str, Claims]], *, one_field: bool, equal: bool) -> Claims:
    """Return the claims of a flow from those of its steps, which may be of one field, and equal."""
    whole = composition(steps)
    if not one_field or len(steps) == 1:
        return whole
    # All steps speak of the same energy; and powers φ^K of a reversible φ are reversible.
    families: list[type[Structure]] = [EnergyPreserving, Dissipative]
    if equal:
        families.append(Reversible)
    found: list[Claim] = []
    for family in families:
        members = tuple(c for c in (claims.find(family) for _, claims in steps) if c is not None)
        if len(members) < len(steps):
            continue
        first, kind = members[0], min(member.kind for member in members)
        if any(claim.structure.at_least(first.structure) for claim in found):
            continue
        found.append(Claim(first.structure, kind, first.reason, merge_premises(members)))
    return Claims((*whole.claims, *found), whole.gaps)
