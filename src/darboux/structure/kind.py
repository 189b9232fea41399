"""How a claim is known: by construction, by a computed bound, or only by measurement."""

from enum import IntEnum


class Kind(IntEnum):
    """How a claim is known, ordered from weakest to strongest.

    The kind of a composition is the weakest kind among its parts, hence ``min``.

    Source: docs, Certificates.

    Example:
        >>> min(Kind.CONSTRUCTION, Kind.BOUND).name
        'BOUND'
    """

    MEASURED = 0
    BOUND = 1
    CONSTRUCTION = 2

    def explain(self) -> str:
        """Return the one-line meaning that certificates print."""
        return _MEANING[self]


_MEANING = {
    Kind.CONSTRUCTION: "a theorem about the architecture: for all parameters, in exact arithmetic",
    Kind.BOUND: "a true bound, computed from the present parameters",
    Kind.MEASURED: "attacked on samples and not refuted: not a proof",
}
