"""Stability of layers: what eigenvalues and methods do to features, and where they mislead."""

from __future__ import annotations

from pathlib import Path

from reproductions.common.result import Result
from reproductions.stability import antisymmetric, eigenvalues, linear, portraits, slopes
from reproductions.stability.methods import METHODS
from reproductions.stability.portraits import Portrait

_LEAD = (
    "Layers ż = σ(Az + b) with eigenvalues to the right of the imaginary axis, to the left of it "
    "and on it; the same for antisymmetric layers with σ = tanh; a network that grows although the "
    "eigenvalues of each of its layers have negative real parts; and slopes that make a stable "
    "matrix unstable."
)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Draw the stability pictures of the slides and check what they show.

    Source: sections 2.1 and 2.1.1; slides, stability and generalisation, whose corollary on
    σ' >= 0 does not hold.
    """
    del seed
    steps, layers = (60, 80) if quick else (400, 400)
    straight, circle = linear.portraits(), linear.circle_portrait(steps=steps)
    turning = antisymmetric.portraits(steps=steps)
    return Result(
        title="Stability of layers",
        lead=_LEAD,
        numbers=_numbers(circle),
        statements=[
            *linear.statements(straight, circle),
            *antisymmetric.statements(turning),
            *eigenvalues.statements(layers=layers),
            *slopes.statements(),
        ],
        figures={
            portraits.draw(straight, out / "linear.png"): (
                "Linear layers ż = Az: every dot is a step, rings are where trajectories begin, "
                "arrows show the exact directions."
            ),
            linear.draw_growth(circle, out / "growth.png"): (
                "On A₀ the exact flow turns. Forward Euler and, slower, improved Euler spiral out; "
                "Kutta(3), Kutta(4) and implicit Euler spiral in; the implicit midpoint stays."
            ),
            portraits.draw(turning, out / "antisymmetric.png"): (
                "Antisymmetric layers ż = tanh((S - Sᵀ - γI)z + b), h = 0.5: orbits are closed "
                "without damping, and with it the centre attracts. At γ = 0.1 the steps of forward "
                "Euler are too long for it."
            ),
            antisymmetric.draw_levels(turning, out / "levels.png"): (
                "V = Σ log cosh(w), w = (S - Sᵀ - γI)z + b, which the equation keeps without "
                "damping and lowers with it."
            ),
            eigenvalues.draw(out / "eigenvalues.png", layers=layers): (
                "ż = A(t)z of Markus and Yamabe, one layer per step: eigenvalues of negative real "
                "part at all times, and solutions that grow. For non-autonomous systems the "
                "eigenvalue test misleads; the one-sided Lipschitz constant does not."
            ),
            slopes.draw(out / "slopes.png"): (
                "A = (1 -3; 2 -2) is stable, and DA is not where D = diag(d₁, d₂) lies in the red "
                "region, below the line; two solutions of ż = ReLU(Az + b) part there."
            ),
        },
    )


def _numbers(circle: Portrait) -> dict[str, float]:
    """Return the growth per step on A₀, measured and exact, of every method."""
    numbers: dict[str, float] = {"h": linear.STEP}
    for method in METHODS:
        numbers[f"growth per step, {method.name}"] = linear.growth(method, circle)
        numbers[f"|R(ih)|, {method.name}"] = abs(method.factor(1j * linear.STEP))
    return numbers
