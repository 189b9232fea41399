"""How hard `certify` tries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Effort:
    """The numbers behind "quick", "normal" and "thorough".

    The counts are upper limits. For expensive maps `work` cuts them: it is the number
    of floating-point operations that one attack on the whole map may take, so that the
    same certificate comes out on a slow and on a fast machine.

    Args:
        name: the word that the user gives.
        work: operations for one attack on the whole map.
        pairs: random pairs.
        starts: pairs from which gradient ascent starts.
        ascent: steps of each ascent.
        points: base points of Jacobians.
        iterations: power iterations at the best base points.
        rounds: how often the best base points are moved and tried again.

    Example:
        >>> Effort.named("quick").name
        'quick'
    """

    name: str
    work: float
    pairs: int
    starts: int
    ascent: int
    points: int
    iterations: int
    rounds: int

    @classmethod
    def named(cls, name: str) -> Effort:
        """Return the effort of that name.

        Raises:
            ValueError: if there is none.
        """
        if name not in _EFFORTS:
            known = ", ".join(repr(known) for known in _EFFORTS)
            msg = f"certify: expected effort to be one of {known}; got {name!r}."
            raise ValueError(msg)
        return _EFFORTS[name]


_EFFORTS = {
    "quick": Effort("quick", 3e9, 64, 8, 10, 16, 12, 1),
    "normal": Effort("normal", 1.2e11, 1024, 128, 40, 2048, 40, 10),
    "thorough": Effort("thorough", 1e12, 8192, 512, 150, 4096, 120, 16),
}
