"""The attack on nonnegative entries."""

from __future__ import annotations

import torch

from darboux.certify.finding import Finding, Trial
from darboux.certify.premises.probes import linear, probes
from darboux.certify.registry import attack_premise
from darboux.certify.target import Target
from darboux.structure import Nonnegative


@attack_premise.register
def _(premise: Nonnegative, target: Target) -> Finding:
    """Apply the map to one impulse per feature: the images show all entries of the kernel."""
    map = linear(premise.subject)
    shape = probes(map, target, batch=1)[0].shape
    centre = tuple(size // 2 for size in shape[2:])
    lowest, where = float("inf"), 0
    for k in range(map.in_features):
        impulse = torch.zeros(shape).to(target.inputs)
        impulse[(0, k, *centre)] = 1.0
        with torch.no_grad():
            entry = float(map(impulse).min())
        lowest, where = min((lowest, where), (entry, k))
    evidence = {"feature": torch.tensor(where)}
    trial = Trial("impulses, one per feature", map.in_features, -lowest, 0.0, evidence)
    return Finding(0.0, (trial,))
