"""The statements about distances of motions."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from darboux.manifolds import SO
from reproductions.common.result import Statement

EUCLIDEAN, WARPED, INVARIANT = "Euclidean", "time warping", "invariant"
_SMALL = 0.02  # of the distance of other motions; the samples are what is left
Right = Mapping[str, Tensor]


def on_group(curves: Tensor) -> Statement:
    """Return whether curves, (count, points, 3, 3), are on SO(3) after all their steps."""
    defect = float(SO(3).defect(curves).max())
    limit = SO(3).rounding(curves.dtype)
    return Statement(
        f"after {curves.shape[1] - 1} steps of Lie-Euler integrated rotations are rotations",
        f"defect {defect:.1e}, {limit:.1e} is rounding",
        holds=defect <= limit,
    )


def invariances(moved: Mapping[str, Mapping[str, float]]) -> list[Statement]:
    """Return how far a motion is from itself, changed, in units of other motions' distance."""
    return [
        Statement(
            f"{INVARIANT}: {what} leaves a motion where it is",
            f"{of[INVARIANT]:.1e} of the median distance of two; {WARPED}: {of[WARPED]:.2f}",
            holds=of[INVARIANT] < _SMALL,
        )
        for what, of in moved.items()
    ]


def counted(right: Right, *, least: Mapping[str, int]) -> list[Statement]:
    """Return how many motions each distance names, and that is at least a known number."""
    return [
        Statement(
            f"nearest neighbour, {name}: at least {number} of {len(right[name])} motions",
            _words(right[name]),
            holds=int(right[name].sum()) >= number,
        )
        for name, number in least.items()
    ]


def learned(named: Tensor, *, least: float) -> Statement:
    """Return how many motions networks name, (trainings, motions), and that it is a share."""
    counts = named.sum(1).double()
    return Statement(
        f"a network on SO(3)^m names at least {least:.0%} of the motions, on average",
        f"{counts.mean():.1f} of {named.shape[1]}, {', '.join(f'{n:.0f}' for n in counts)}",
        holds=float(counts.mean()) >= least * named.shape[1],
    )


def unmoved(scores: Tensor, turned: Tensor) -> Statement:
    """Return that another orientation at the beginning leaves a network's scores to rounding."""
    error = float((scores - turned).abs().max() / scores.abs().max())
    return Statement(
        "its scores don't depend on where the watch pointed at first",
        f"relative change {error:.1e}",
        holds=error <= 1e-4,
    )


def no_better(right: Right) -> Statement:
    """Return that where speed tells motions apart, forgetting it gains nothing."""
    return Statement(
        f"{INVARIANT} names no more of these motions than {WARPED}: their speed says a lot",
        "; ".join(f"{name}: {_words(of)}" for name, of in right.items()),
        holds=int(right[INVARIANT].sum()) <= int(right[WARPED].sum()),
    )


def _words(right: Tensor) -> str:
    share = float(right.double().mean())
    error = (share * (1 - share) / len(right)) ** 0.5
    return f"{int(right.sum())} of {len(right)}, {100 * share:.1f} ± {100 * error:.1f} %"
