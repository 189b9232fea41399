"""The attack on isometric lifts."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.certify.finding import Finding, Trial
from darboux.certify.premises.probes import Linear, linear, probes
from darboux.certify.problem import norms
from darboux.certify.registry import attack_premise
from darboux.certify.target import Target
from darboux.structure import IsometryOf


@attack_premise.register
def _(premise: IsometryOf, target: Target) -> Finding:
    """Look for x with L*L x != x or ‖L x‖ != ‖x‖, at even and odd sizes."""
    lift = linear(premise.subject)
    returns, lengths, samples = 0.0, 0.0, 0
    slack, evidence = 0.0, {}
    for x in probes(lift, target, batch=4):
        back, stretch = _defects(lift, x)
        if max(back, stretch) >= max(returns, lengths):
            evidence = {"x": x[0]}
        returns, lengths = max(returns, back), max(lengths, stretch)
        slack, samples = max(slack, target.tolerance(x[0].numel())), samples + len(x)
    trials = (
        Trial("L*L x = x", samples, returns, slack, evidence),
        Trial("‖L x‖ = ‖x‖", samples, lengths, slack, evidence),
    )
    return Finding(0.0, trials)


def _defects(lift: Linear, x: Tensor) -> tuple[float, float]:
    """Return the relative errors of L*L x = x and of ‖L x‖ = ‖x‖."""
    restore = getattr(lift, "restore", None)
    with torch.no_grad():
        lifted = lift(x)
        back = lift.adjoint(lifted) if restore is None else restore(lifted, size=x.shape[2:])
        if back.shape != x.shape:
            return float("inf"), float("inf")
        size = norms(x)
        return (
            float((norms(back - x) / size).max()),
            float((norms(lifted) / size - 1).abs().max()),
        )
