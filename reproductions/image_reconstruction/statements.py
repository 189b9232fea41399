"""The statements about reconstructions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import darboux as dx
from reproductions.common.extremes import maximum, minimum
from reproductions.common.result import Statement
from reproductions.image_reconstruction.measures import Curve, Spread
from reproductions.image_reconstruction.methods import AVERAGED, CONVEX, FREE, TV, WEAKLY

Scores = Mapping[str, Mapping[str, float]]  # problem to method to dB

_ROUNDING = 1e-3
_EQUAL = 0.5  # dB, within which two denoisers are equally good


def certified(certificates: Mapping[str, dx.Certificate]) -> Statement:
    """Return whether the certificates of reconstructions hold."""
    rows = [len(certificate.rows) for certificate in certificates.values()]
    verdicts = ", ".join(f"{name}: {c.verdict}" for name, c in certificates.items())
    return Statement(
        "certificates of reconstructions hold: what converged to what, with which constants",
        f"{sum(rows)} attacks; {verdicts}",
        holds=all(certificate.holds for certificate in certificates.values()),
    )


def under(curve: Curve, text: str) -> Statement:
    """Return whether a curve lies under its bound, in all iterations."""
    worst = float((curve.measured / curve.bound).max())
    return Statement(
        text,
        f"at most {worst:.3g} of the bound in {len(curve.measured)} iterations",
        holds=worst <= 1 + _ROUNDING,
    )


def within(spread: Spread, text: str) -> Statement:
    """Return whether a measurement stays within what is allowed."""
    return Statement(
        text,
        f"{spread.measured:.3g}, allowed {spread.allowed:.3g}",
        holds=spread.measured <= spread.allowed * (1 + _ROUNDING),
    )


def equivariant(prior: float, denoiser: float) -> Statement:
    """Return whether turning the data turns what the tied prior makes of them, and it alone."""
    return Statement(
        "CT, 60 angles, data turned by 90°: the reconstruction turns with them; that of an "
        "ordinary averaged denoiser does not",
        f"relative differences {prior:.1e} and {denoiser:.1e}",
        holds=prior <= 2e-4 and denoiser >= 10 * prior,
    )


def diverges(
    denoising: Mapping[str, float], qualities: Mapping[str, Sequence[float]], free: Sequence[float]
) -> Statement:
    """Return whether equally good denoisers end differently in the same iteration."""
    gap = denoising[FREE] - denoising[AVERAGED]
    falls = {name: maximum(of) - of[-1] for name, of in qualities.items()}
    rise = free[-1] / minimum(free)
    return Statement(
        f"denoisers equally good to {_EQUAL} dB, Fourier sampling, 1/8 of the lines: the "
        "unconstrained one diverges, the averaged one does not",
        f"denoising differs by {gap:+.2f} dB; below their best iterate they end by "
        + ", ".join(f"{fall:.2f} dB ({name})" for name, fall in falls.items())
        + f"; residuals of the unconstrained one rise {rise:.0f} times",
        holds=abs(gap) <= _EQUAL and falls[FREE] > 3 > 0.5 > falls[AVERAGED] and rise > 5,
    )


def better(scores: Scores, first: str, second: str) -> Statement:
    """Return whether a method has the higher mean PSNR on photographs in all problems."""
    gaps = {name: of[first] - of[second] for name, of in scores.items()}
    return Statement(
        f"higher PSNR on photographs in every problem: {first} than {second}",
        "; ".join(f"{name}: {gap:+.2f} dB" for name, gap in gaps.items()),
        holds=minimum(gaps.values()) > 0,
    )


def comparisons(scores: Scores) -> list[Statement]:
    """Return which methods are better than which."""
    pairs = [(CONVEX, TV), (WEAKLY, CONVEX), (WEAKLY, AVERAGED)]
    return [better(scores, first, second) for first, second in pairs]
