"""Named discrete-gradient methods: name -> factory."""

from __future__ import annotations

from collections.abc import Callable

from darboux.integrators import (
    DiscreteGradient,
    GonzalezGradient,
    ItohAbeGradient,
    MeanValueGradient,
)

CASES: dict[str, Callable[[], DiscreteGradient]] = {
    "gonzalez": GonzalezGradient,
    "mean-value": MeanValueGradient,
    "mean-value-one-node": lambda: MeanValueGradient(nodes=1),
    "itoh-abe": ItohAbeGradient,
    "itoh-abe-symmetrized": lambda: ItohAbeGradient(symmetrized=True),
}
