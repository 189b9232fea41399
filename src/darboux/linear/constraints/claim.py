"""What a constrained weight promises."""

from __future__ import annotations

from torch import nn
from torch.nn.utils import parametrize

from darboux.structure import Claim, Premise


def constrained_claim(module: nn.Module, premises: tuple[Premise, ...]) -> Claim | None:
    """Return the claim that the last constraint on a map's weight makes, if it makes one.

    Args:
        module: a map whose kernel is its parameter ``weight``.
        premises: the premises of its Lipschitz claim.

    Example:
        >>> import darboux as dx
        >>> constrained_claim(dx.linear.Dense(2, 2), ()) is None
        True
    """
    if not parametrize.is_parametrized(module, "weight"):
        return None
    constraints = module.get_submodule("parametrizations.weight")
    claim = getattr(list(constraints.children())[-1], "claim", None)
    return None if claim is None else claim(module, premises)
