"""What a slope range proves about an elementwise map."""

from __future__ import annotations

from torch import nn

from darboux.structure import Averaged, Claim, Claims, Kind, Lipschitz, SlopesWithin


def slope_claims(module: nn.Module, lower: float, upper: float) -> Claims:
    """Return the claims of an elementwise map whose difference quotients lie in [lower, upper].

    With c = max(|lower|, |upper|) the map is c-Lipschitz. With -1 < lower and
    upper <= 1 it is α-averaged, α = (1 - lower)/2: then σ = (1-α) id + α N with
    N' = (σ' - 1 + α)/α, and 1 - 2α = lower <= σ' <= 1 says that |N'| <= 1.

    Source: section 2.2.1; Bauschke and Combettes, section 4.5.

    Args:
        module: the map; the subject of the premise.
        lower: no difference quotient is smaller.
        upper: no difference quotient is larger.

    Example:
        >>> from torch import nn
        >>> [claim.structure for claim in slope_claims(nn.Sigmoid(), 0.0, 0.25)]
        [Averaged(alpha=0.5), Lipschitz(constant=0.25)]
    """
    premises = (SlopesWithin(module, lower, upper),)
    reason = f"the slopes of {type(module).__name__} lie in [{lower:g}, {upper:g}]"
    constant = max(abs(lower), abs(upper))
    averaged = lower > -1 and upper <= 1
    found: list[Claim] = []
    if averaged:
        alpha = (1 - lower) / 2
        found.append(Claim(Averaged(alpha), Kind.CONSTRUCTION, reason, premises))
    if not averaged or constant < 1:  # an averaged map is 1-Lipschitz already
        found.append(Claim(Lipschitz(constant), Kind.CONSTRUCTION, reason, premises))
    return Claims(tuple(found))
