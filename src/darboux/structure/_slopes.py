"""What a range of slopes proves."""

from __future__ import annotations

import math

from darboux.structure._claim import Claim, Claims, Gap, Kind
from darboux.structure._metric import Averaged, Lipschitz
from darboux.structure._premise import Premise


def slopes_prove(
    what: str,
    lower: float,
    upper: float,
    *,
    kind: Kind = Kind.CONSTRUCTION,
    premises: tuple[Premise, ...] = (),
) -> Claims:
    """Return the claims of a map whose Jacobians are symmetric with eigenvalues in [lower, upper].

    An elementwise map with difference quotients in that range is one.
    """
    # With c = max(|lower|, |upper|) the map is c-Lipschitz. With -1 < lower and
    # upper <= 1 it is α-averaged, α = (1 - lower)/2: then φ = (1-α) id + α N with
    # N' = (φ' - 1 + α)/α, and 1 - 2α = lower <= φ' <= 1 says that |N'| <= 1.
    # Bauschke and Combettes, section 4.5.
    reason = f"{what} lie in [{lower:g}, {upper:g}]"
    constant = max(abs(lower), abs(upper))
    if not math.isfinite(lower + upper):
        return Claims(gaps=(Gap("", f"{reason}: no Lipschitz constant"),))
    averaged = lower > -1 and upper <= 1
    found: list[Claim] = []
    if averaged:
        found.append(Claim(Averaged((1 - lower) / 2), kind, reason, premises))
    if not averaged or constant < 1:  # an averaged map is 1-Lipschitz already
        found.append(Claim(Lipschitz(constant), kind, reason, premises))
    return Claims(tuple(found))
