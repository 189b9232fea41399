"""The attack on row bounds."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.certify.finding import Finding, Trial
from darboux.certify.premises.probes import linear, probes, strongest
from darboux.certify.registry import attack_premise
from darboux.certify.target import Target
from darboux.structure import RowsAtMost


@attack_premise.register
def _(premise: RowsAtMost, target: Target) -> Finding:
    """Power iteration on T^{-1/2} A: its norm squared is the largest eigenvalue of T⁻¹AA*."""
    map = linear(premise.subject)
    rows = map.row_bound().detach()
    if not bool((rows > 0).all()):
        smallest = {"row_bound": rows}
        return Finding(0.0, (Trial("sign of the row bound", 1, -float(rows.min()), 0.0, smallest),))
    weights = rows.rsqrt().to(target.inputs)

    def scaled(x: Tensor) -> Tensor:
        return map(x) * weights.reshape(-1, *(1,) * map.dim)

    trials = []
    for k, x in enumerate(probes(map, target)):
        # The first size is the example's own; the others look for a bound that depends on size.
        iterations = target.effort.iterations if k == 0 else target.effort.iterations // 3
        value, vector = strongest(scaled, start=x, iterations=iterations)
        slack = 2 * target.rounding(x[0].numel()) + 4 * torch.finfo(x.dtype).eps
        space = "x".join(str(size) for size in x.shape[2:]) or "dense"
        name = f"power iteration on T⁻¹AA*, {space}"
        trials.append(Trial(name, len(x), float(value) ** 2, slack, {"x": vector}))
    return Finding(1.0, tuple(trials))
