"""The attack on averaged maps."""

from __future__ import annotations

from torch import Tensor

from darboux.certify.attacks.lipschitz import attack_constant, in_other_precision
from darboux.certify.finding import Finding, NotAttackedError
from darboux.certify.problem import Map
from darboux.certify.registry import attack
from darboux.certify.target import Target
from darboux.structure import Averaged


@attack.register
def _(structure: Averaged, target: Target) -> Finding:
    """Attack N = (φ - (1-α) id)/α, which must be nonexpansive; for α = 0, φ - id as constant."""
    alpha = structure.alpha
    other = in_other_precision(target)
    twin = None if other is None else _rest(other, alpha)
    claimed = 0.0 if alpha == 0 else 1.0
    return attack_constant(_rest(target.module, alpha), target, claimed=claimed, twin=twin)


def _rest(call: Map, alpha: float) -> Map:
    def rest(z: Tensor) -> Tensor:
        value = call(z)
        if value.shape != z.shape:
            shapes = f"{tuple(z.shape)} to {tuple(value.shape)}"
            msg = f"an averaged map keeps shapes; this one maps {shapes}"
            raise NotAttackedError(msg)
        return value - z if alpha == 0 else (value - (1 - alpha) * z) / alpha

    return rest
