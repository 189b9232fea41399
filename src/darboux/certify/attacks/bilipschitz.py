"""The attack on bi-Lipschitz bounds: the map must not stretch too much, nor its inverse."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from darboux.certify.attacks.lipschitz import attack_constant, in_other_precision
from darboux.certify.finding import Finding, NotAttackedError, Trial
from darboux.certify.problem import Map
from darboux.certify.registry import attack
from darboux.certify.target import Target
from darboux.structure import BiLipschitz


@attack.register
def _(structure: BiLipschitz, target: Target) -> Finding:
    """Attack L on the map and 1/μ on its inverse, each relative to what is claimed."""
    half = replace(target, share=target.share / 2)
    twin = in_other_precision(half)
    upper = attack_constant(half.module, half, claimed=structure.upper, twin=twin)
    trials = _relative("φ", upper, structure.upper)
    if structure.lower > 0:
        lower = attack_constant(_inverse(target), _image(half), claimed=1 / structure.lower)
        trials += _relative("φ⁻¹", lower, 1 / structure.lower)
    return Finding(1.0, trials, upper.note)


def _inverse(target: Target) -> Map:
    inverse: Map | None = getattr(target.module, "inverse", None)
    if inverse is None:
        msg = f"{type(target.module).__name__} has no method inverse(y)"
        raise NotAttackedError(msg)
    return inverse


def _image(target: Target) -> Target:
    """Return the same target around the values of the map."""
    with torch.no_grad():
        values: Tensor = target.module(target.inputs)
    return replace(target, inputs=values, twin=None)


def _relative(name: str, finding: Finding, claimed: float) -> tuple[Trial, ...]:
    """Return the trials with quotients divided by the claimed constant."""
    unit = max(claimed, 1e-300)
    return tuple(
        replace(
            trial,
            attack=f"{trial.attack} on {name}",
            measured=trial.measured / unit,
            tolerance=trial.tolerance / unit,
        )
        for trial in finding.trials
    )
