"""The statements about learned steps, Runge-Kutta methods and evolutions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from reproductions.common.extremes import maximum, minimum
from reproductions.common.result import Statement
from reproductions.optimal_control.networks import NET, ODENET, RESNET, SIMPLEX
from reproductions.optimal_control.training import Evolution, Runs, Trained

_EARLY = 100  # iterations


@dataclass(frozen=True)
class Bars:
    """What is asked for."""

    learned: float  # validation accuracy of ODENet, the mean of the problems
    moved: float  # share of points that end nearer to their own place
    ratio: float  # of the objectives of ODENet and of ResNet after some iterations, at most


def statements(
    evolutions: Mapping[str, Evolution], runs: Runs, methods: Runs, bars: Bars
) -> list[Statement]:
    """Return what is said of all of them."""
    return [
        *(_moved(name, its, bars) for name, its in evolutions.items()),
        _descended(runs, methods),
        _kept(runs),
        _left_out(runs),
        _ahead(runs, bars),
        _plain(runs),
        _accurate(runs, bars),
        _orders(methods),
    ]


def _moved(name: str, its: Evolution, bars: Bars) -> Statement:
    return Statement(
        f"{name}: the ResNet (6) takes {bars.moved:.0%} of the points nearer to their own place",
        f"{its.accuracy:.1%}, objective {its.objectives[0]:.3f} -> {its.objectives[-1]:.4f}",
        holds=its.accuracy >= bars.moved,
    )


def _descended(runs: Runs, methods: Runs) -> Statement:
    """Return whether the line searches did what they promise."""
    every = [one for group in (runs, methods) for its in group.values() for one in its.values()]
    rise = maximum((b - a) / a for one in every for a, b in pairwise(one.objectives))
    return Statement(
        "no iteration raises an objective, up to rounding",
        f"largest relative change {rise:.1e} in {len(every)} trainings",
        holds=rise <= 1e-13,
    )


def _kept(runs: Runs) -> Statement:
    """Return whether constrained steps are on the simplex."""
    steps = [its[SIMPLEX].steps for its in runs.values()]
    off = maximum(abs(float(h.sum()) - 1) for h in steps)
    low = minimum(float(h.min()) for h in steps)
    return Statement(
        "constrained steps are nonnegative and sum to 1 (39)",
        f"smallest {low:.1g}, sums off by {off:.1g}",
        holds=low >= 0 and off <= 1e-12,
    )


def _left_out(runs: Runs) -> Statement:
    """Return whether the constraint leaves layers out."""
    zeros = {problem: int((its[SIMPLEX].steps == 0).sum()) for problem, its in runs.items()}
    return Statement(
        "the constraint leaves layers out: some steps are exactly 0",
        ", ".join(f"{problem} {count} of 20" for problem, count in zeros.items()),
        holds=all(count > 0 for count in zeros.values()),
    )


def _ahead(runs: Runs, bars: Bars) -> Statement:
    """Return whether free steps learn faster at first."""
    first = {p: _ratio(its, _EARLY) for p, its in runs.items()}
    last = {p: _ratio(its, None) for p, its in runs.items()}
    return Statement(
        f"after {_EARLY} iterations free steps are at {bars.ratio:g} times the objective of fixed "
        "ones, or below",
        ", ".join(f"{problem} {first[problem]:.2f} (end: {last[problem]:.2f})" for problem in runs),
        holds=all(ratio <= bars.ratio for ratio in first.values()),
    )


def _ratio(its: Mapping[str, Trained], count: int | None) -> float:
    return its[ODENET].objectives[:count][-1] / its[RESNET].objectives[:count][-1]


def _plain(runs: Runs) -> Statement:
    """Return whether the network without identity learns worst."""
    last = {p: {name: one.objectives[-1] for name, one in its.items()} for p, its in runs.items()}
    return Statement(
        "the network without identity ends highest, or next to it",
        ", ".join(f"{problem} {its[NET]:.4f}" for problem, its in last.items()),
        holds=all(sorted(its.values()).index(its[NET]) >= 2 for its in last.values()),
    )


def _accurate(runs: Runs, bars: Bars) -> Statement:
    found = [its[ODENET].validation for its in runs.values()]
    return Statement(
        f"with free steps {bars.learned:.0%} of other points are classified, over all problems",
        ", ".join(f"{problem} {its[ODENET].validation:.1%}" for problem, its in runs.items()),
        holds=sum(found) / len(found) >= bars.learned,
    )


def _orders(methods: Runs) -> Statement:
    """Return whether methods that approximate the same flow learn alike at first."""
    tenth = {
        problem: [one.objectives[len(one.objectives) // 10] for one in its.values()][1:]
        for problem, its in methods.items()
    }
    spread = {problem: maximum(found) / minimum(found) - 1 for problem, found in tenth.items()}
    return Statement(
        "methods of orders 2, 3 and 4 learn alike: objectives within 10 % after a tenth",
        ", ".join(f"{problem} {value:.1%}" for problem, value in spread.items()),
        holds=all(value <= 0.1 for value in spread.values()),
    )
