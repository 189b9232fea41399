"""The attack on log-determinants."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.certify.attacks.sampling import worst
from darboux.certify.attacks.volume import dense_determinants
from darboux.certify.finding import Finding, NotAttackedError
from darboux.certify.registry import attack
from darboux.certify.target import Target
from darboux.structure import LogDeterminant


@attack.register
def _(structure: LogDeterminant, target: Target) -> Finding:
    """Compare the returned number with log|det| of the dense Jacobian."""
    del structure
    pair = getattr(target.module, "forward_and_log_det", None)
    if not callable(pair):
        msg = f"{type(target.module).__name__} has no method forward_and_log_det(x)"
        raise NotAttackedError(msg)
    found = dense_determinants(target)
    with torch.no_grad():
        claimed: Tensor = pair(found.points)[1]
    error, slack = (claimed - found.log_det).abs(), found.slack(target, claimed.abs())
    name = "returned number against log|det Dφ|, dense"
    return Finding(0.0, (worst(name, error, slack, found.points),), found.problem.note())
