"""The attack on norm bounds."""

from __future__ import annotations

from darboux.certify.finding import Finding, Trial
from darboux.certify.premises.probes import linear, probes, strongest
from darboux.certify.registry import attack_premise
from darboux.certify.target import Target
from darboux.structure import NormAtMost


@attack_premise.register
def _(premise: NormAtMost, target: Target) -> Finding:
    """Power iteration on forward alone, at several sizes, against the bound read anew."""
    map = linear(premise.subject)
    claimed = float(map.norm_bound().detach())
    trials = []
    for x in probes(map, target):
        value, vector = strongest(map, target, start=x)
        slack = target.rounding(x[0].numel()) * float(value)
        name = f"power iteration, {_size(tuple(x.shape[2:]))}"
        trials.append(Trial(name, len(x), float(value), slack, {"x": vector}))
    return Finding(claimed, tuple(trials))


def _size(space: tuple[int, ...]) -> str:
    return "x".join(map(str, space)) if space else "dense"
