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
    for k, x in enumerate(probes(map, target)):
        # The first size is the example's own; the others look for a bound that depends on size.
        iterations = target.effort.iterations if k == 0 else target.effort.iterations // 3
        value, vector = strongest(map, start=x, iterations=iterations)
        slack = target.rounding(x[0].numel()) * float(value)
        name = f"power iteration, {_size(tuple(x.shape[2:]))}"
        trials.append(Trial(name, len(x), float(value), slack, {"x": vector}))
    return Finding(claimed, tuple(trials))


def _size(space: tuple[int, ...]) -> str:
    return "x".join(map(str, space)) if space else "dense"
