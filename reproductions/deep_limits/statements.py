"""The statements about deep limits, built-in errors and multilevel training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from darboux.control import DeepLimit
from reproductions.common.extremes import maximum, minimum
from reproductions.common.result import Statement
from reproductions.deep_limits.descent import Descents
from reproductions.deep_limits.multilevel import Curve
from reproductions.deep_limits.problems import EULER, theta
from reproductions.deep_limits.tolerances import FRACTION, Training

_RESOLVED = 0.01
_AS_LOW = 1.05
_RATES = (0.8, 1.3)


def smooth_limits(found: Mapping[str, DeepLimit]) -> list[Statement]:
    """Return what is said of every network with the regulariser in H¹."""
    said = []
    for name, its in found.items():
        smallest = minimum([*its.value_differences, *its.distances])
        values, minimisers = its.rates()
        said += [
            Statement(
                f"{name}, H¹: minimisers are known to 1 % of the smallest difference",
                f"errors up to {maximum(its.errors):.1e}, differences from {smallest:.1e}",
                holds=maximum(its.errors) <= _RESOLVED * smallest,
            ),
            _rates(name, values, minimisers),
            Statement(
                f"{name}, H¹: the smallest eigenvalue of the Hessian in L² settles above 0",
                f"{its.coercivity[0]:.4f} to {its.coercivity[-1]:.4f}, the last two apart by "
                f"{_change(its.coercivity):.1%}",
                holds=minimum(its.coercivity) > 0 and _change(its.coercivity) <= 0.1,
            ),
        ]
    return said


def _rates(name: str, values: float, minimisers: float) -> Statement:
    """Return at which rates it converges; methods of order 2 start faster than 1/K."""
    most = _RATES[1] if name == EULER else 2.0
    return Statement(
        f"{name}, H¹: minimal values and minimisers converge, slopes in [{_RATES[0]}, {most}]",
        f"{values:.3f} and {minimisers:.3f}",
        holds=all(_RATES[0] <= rate <= most for rate in (values, minimisers)),
    )


def jumping_limits(found: Mapping[str, DeepLimit]) -> list[Statement]:
    """Return what is said of every network with the total variation."""
    said = []
    for name, its in found.items():
        largest, last = maximum(its.value_differences), its.value_differences[-1]
        said.append(
            Statement(
                f"{name}, total variation: minimal values converge, the last difference at most a "
                "quarter of the largest",
                f"{last:.1e} against {largest:.1e}",
                holds=last <= 0.25 * largest,
            )
        )
    # a jump of θ lies on the grid: where it moves by a step, the distance is √h times its size
    euler = found[EULER]
    said.append(
        Statement(
            f"{EULER}, total variation: distances of minimisers do not fall steadily, for jumps "
            "lie on the grid and move with it",
            ", ".join(f"{d:.3f}" for d in euler.distances),
            holds=any(b > a for a, b in zip(euler.distances, euler.distances[1:], strict=False)),
        )
    )
    return said


def without(free: DeepLimit, kept: DeepLimit) -> list[Statement]:
    """Return what fails without a regulariser."""
    largest = [_largest(each) for each in (free, kept)]
    return [
        Statement(
            "λ = 0: the Hessian is not positive definite, and minimisers are not resolved",
            f"smallest eigenvalue {free.coercivity[-1]:.1e} with K = {free.depths[-1]}, "
            f"{kept.coercivity[-1]:.1e} with λ > 0",
            holds=free.coercivity[-1] <= 1e-3 * kept.coercivity[-1] and not free.resolved,
        ),
        Statement(
            "λ = 0: parameters run away, ten times as far as with λ > 0 and farther",
            f"up to {largest[0]:.0f} against {largest[1]:.1f}",
            holds=largest[0] >= 10 * largest[1],
        ),
    ]


def starts(kept: tuple[DeepLimit, DeepLimit], alike: Descents, apart: Descents) -> list[Statement]:
    """Return what initial values matter for: nothing with λ > 0, all with λ = 0."""
    same = maximum(abs(a - b) for a, b in zip(kept[0].values, kept[1].values, strict=True))
    return [
        Statement(
            "λ > 0: from independent initial values the same minimal values are reached",
            f"apart by {same:.1e}",
            holds=same <= 1e-8,
        ),
        Statement(
            "λ = 0, gradient descent from equal layers: networks of K and 2K layers differ by 1/K",
            f"slope {alike.rate:.2f}, K ‖θ(k+1) - θ(k)‖ up to {max(alike.slopes):.1f}",
            holds=_RATES[0] <= alike.rate <= _RATES[1],
        ),
        Statement(
            "λ = 0, gradient descent from independent layers: they do not come closer, and stay "
            "rough",
            f"slope {apart.rate:.2f}, K ‖θ(k+1) - θ(k)‖ from {apart.slopes[0]:.0f} to "
            f"{apart.slopes[-1]:.0f}",
            holds=apart.rate <= 0.2 and apart.slopes[-1] >= 2 * apart.slopes[0],
        ),
    ]


def built_in_errors(found: Sequence[Training], *, quick: bool) -> list[Statement]:
    """Return what tolerances that follow the gradient save; in short trainings nothing yet."""
    own, loose, fixed = found[0], found[1], equal(found)
    stops = Statement(
        "the loosest fixed tolerance stops where its error is the gradient",
        f"loss {loose.final:.1e} ({loose.name}) against {own.final:.1e}",
        holds=loose.final > 3 * own.final,
    )
    if quick:
        return [stops]
    saves = Statement(
        f"errors of {FRACTION:.0%} of the gradient: as low as the tightest fixed tolerance, with "
        "fewer evaluations than the loosest that ends there, too",
        f"{own.evaluations} against {fixed.evaluations} ({fixed.name}), losses {own.final:.2e} "
        f"and {fixed.final:.2e}",
        holds=own.evaluations < fixed.evaluations and own.final <= _AS_LOW * found[-1].final,
    )
    return [stops, saves]


def equal(found: Sequence[Training]) -> Training:
    """Return the loosest of the fixed tolerances, in order, that ends as low as the tightest."""
    return next(each for each in found[1:] if each.final <= _AS_LOW * found[-1].final)


def multilevel(fine: Curve, coarse: Curve, *, share: float) -> list[Statement]:
    """Return how much sooner the loss of fine training alone is reached."""
    goal = min(fine.losses)
    reached = next(
        (s for s, loss in zip(coarse.seconds, coarse.losses, strict=True) if loss <= goal),
        float("inf"),
    )
    return [
        Statement(
            "multilevel: the lowest test loss of the fine training alone is reached in at most "
            f"{share:.0%} of its time, coarse levels included",
            f"loss {goal:.3f} after {reached:.1f} s against {fine.seconds[-1]:.1f} s",
            holds=reached <= share * fine.seconds[fine.losses.index(goal)],
        )
    ]


def _change(values: Sequence[float]) -> float:
    return abs(values[-1] / values[-2] - 1)


def _largest(found: DeepLimit) -> float:
    return maximum(float(theta(problem.flow).abs().max()) for problem in found.problems)
