"""The statements about conformal optimisers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from reproductions.common.result import Statement
from reproductions.conformal_optimisers.descents import RELATIVISTIC, REST, SHORT, Descent
from reproductions.conformal_optimisers.energies import FACTORS, LIMITS, Rises
from reproductions.conformal_optimisers.functions import Function


def reached(found: Mapping[str, Descent]) -> list[Statement]:
    """Return whether the descents of Figure 4 end at the global minimum."""
    said = []
    for name, its in found.items():
        how = f", with ε = {REST:g} and steps of at most {SHORT:g}" if name == RELATIVISTIC else ""
        first = its.first(1e-8)
        measured = "never" if first is None else f"at step {first}"
        text = f"camelback, {name}{how}: V < 1e-8 within 20 000 steps"
        said.append(Statement(text, measured, holds=first is not None))
    return said


def fastest(function: Function, found: Mapping[str, Descent]) -> Statement:
    """Return whether relativistic descent needs no more steps than the others, tuned equally."""
    steps = {name: its.reached for name, its in found.items()}
    ours = steps[RELATIVISTIC]
    others = [n for name, n in steps.items() if n is not None and name != RELATIVISTIC]
    counts = ", ".join(f"{name} {'-' if n is None else n}" for name, n in steps.items())
    return Statement(
        f"{function.name}: relativistic descent is at least as fast as the others, all tuned",
        f"steps to {function.goal:.1e}: {counts}",
        holds=ours is not None and all(ours <= n for n in others),
    )


def conformal(defects: Mapping[str, float]) -> list[Statement]:
    """Return whether DᵀJD = cJ."""
    return [
        Statement(
            f"{name}: DᵀJD = cJ with c = {FACTORS[name][0]:.6g} to 1e-10",
            f"{found:.1e}",
            holds=found <= 1e-10,
        )
        for name, found in defects.items()
    ]


def stable(limits: Mapping[str, float]) -> list[Statement]:
    """Return whether stability ends where theory says."""
    return [
        Statement(
            f"{name}: stable up to h²λ/m = {LIMITS[name][0]:.4g} at μ = 0.8, to 1 %",
            f"{found:.4g}",
            holds=abs(found / LIMITS[name][0] - 1) <= 0.01,
        )
        for name, found in limits.items()
    ]


def vanishing(found: Sequence[Rises]) -> list[Statement]:
    """Return whether rises of H vanish with h, and what is left is the rate of the system."""
    totals, apart = [its.total for its in found], [its.apart for its in found]
    falls = all(b <= a / 2 for a, b in pairwise(totals))
    nears = all(b <= 0.6 * a for a, b in pairwise(apart))
    return [
        Statement(
            "rises of H along single steps exist and vanish as h -> 0",
            "; ".join(f"h = {r.h:g}: {r.count} of {r.steps}, {r.total:.2g} in all" for r in found),
            holds=totals[0] > 0 and falls,
        ),
        Statement(
            "H follows dH/dt = -γ‖p‖² up to an error of the order of h",
            "; ".join(f"h = {r.h:g}: {r.apart:.2g}" for r in found),
            holds=nears,
        ),
    ]
