"""The attack on equivariant fields."""

from __future__ import annotations

from darboux.certify.attacks.equivariant import compare
from darboux.certify.finding import Finding
from darboux.certify.premises.fields import in_both_precisions
from darboux.certify.registry import attack_premise
from darboux.certify.target import Target
from darboux.structure import EquivariantField


@attack_premise.register
def _(premise: EquivariantField, target: Target) -> Finding:
    """Apply elements of the group before and after the field."""
    flow, twin = in_both_precisions(premise.subject, target)
    return compare(premise.symmetry, target, flow, twin=twin)
