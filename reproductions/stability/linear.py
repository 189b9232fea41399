"""The linear layers of the slides, ż = Az, with eigenvalues right, left and on the axis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from darboux.activations import Identity
from darboux.fields import ResidualField
from darboux.linear import Dense
from reproductions.common.extremes import maximum
from reproductions.common.figures import canvas, label, legend, line, marked, save
from reproductions.common.result import Statement
from reproductions.stability.methods import METHODS, Method
from reproductions.stability.portraits import Portrait

STEP = 0.5  # of the pictures on the circle
_EPS = torch.finfo(torch.float64).eps
_ROUNDING = 64  # units of rounding that a step may leave: an implicit one stops at 8
_OUT, _IN = (1, "spirals out"), (-1, "spirals in")
_WAYS = {
    "forward Euler": _OUT,
    "improved Euler": _OUT,
    "Kutta(3)": _IN,
    "Kutta(4)": _IN,
    "implicit Euler": _IN,
}

_MATRICES = {
    "$A_+$, eigenvalues 2, 2": ((2.0, -2.0), (0.0, 2.0)),
    "$A_-$, eigenvalues -2, -2": ((-2.0, 0.0), (2.0, -2.0)),
    "$A_0$, eigenvalues i, -i": ((0.0, -1.0), (1.0, 0.0)),
}
_HORIZONS, _STEPS, _REACHES = (1.25, 4.0, 12.5), (10, 20, 25), (6.0, 1.8, 2.5)


def layer(matrix: Tensor) -> ResidualField:
    """Return the layer ż = σ(Az + b) with σ the identity and b = 0, in the dtype of A.

    Source: slides, stability and generalisation.
    """
    field = ResidualField(Dense(*matrix.shape), Identity()).to(matrix.dtype)
    field.load_state_dict({**field.state_dict(), "map.weight": matrix})
    return field


def portraits() -> list[Portrait]:
    """Return the rows for A₊, A₋ and A₀."""
    starts = (
        ((0.6, 0.4), (-0.6, -0.2), (1.5, 0.2)),
        ((1.5, 0.5), (-1.5, 1.0), (0.5, -1.5)),
        ((1.0, 0.0), (-1.7, 0.0)),
    )
    rows = zip(_MATRICES.items(), starts, _HORIZONS, _STEPS, _REACHES, strict=True)
    return [
        Portrait(title, layer(_tensor(matrix)), _tensor(begin), horizon, steps, reach)
        for (title, matrix), begin, horizon, steps, reach in rows
    ]


def circle_portrait(*, steps: int) -> Portrait:
    """Return a point on the unit circle, turned by A₀ with h = 0.5."""
    *_, turning = portraits()
    start = _tensor(((1.0, 0.0),))
    return Portrait(turning.title, turning.field, start, STEP * steps, steps, turning.reach)


def statements(rows: list[Portrait], circle: Portrait) -> list[Statement]:
    """Return what the pictures show, in numbers."""
    plus, minus, _ = rows
    return [
        _moves("A₊ diverges with every method", plus, way=1),
        _moves("A₋ decays with every method", minus, way=-1),
        *(_exact(row) for row in rows),
        *(_turned(method, circle) for method in METHODS),
    ]


def growth(method: Method, circle: Portrait) -> float:
    """Return the measured growth per step, (‖z_K‖/‖z_0‖)^(1/K)."""
    return float(_radii(method, circle)[-1].item() ** (1 / circle.steps))


def draw_growth(circle: Portrait, path: Path) -> Path:
    """Draw ‖z_k‖ over k, and the growth factor |R(ih)| over h."""
    figure, ((left, right),) = canvas(1, 2, side=(5.4, 3.9))
    sizes = np.linspace(0.0, 3.2, 321)
    for k, method in enumerate(METHODS):
        left.plot(_radii(method, circle), label=method.name, **line(k))
        right.plot(sizes, [abs(method.factor(1j * h)) for h in sizes], **line(k))
        right.plot(STEP, growth(method, circle), **marked(k))
    left.set_yscale("log")
    left.set_ylim(0.1, 30)
    right.set_ylim(0.2, 2.2)
    label(left, f"distance from the centre on $A_0$, h = {STEP}", "step k", r"$\|z_k\| / \|z_0\|$")
    label(right, "growth per step on $A_0$: exact, and measured (dots)", "h", "$|R(ih)|$")
    legend(figure, left)
    return save(figure, path)


def _radii(method: Method, circle: Portrait) -> Tensor:
    """Return ‖z_k‖, (K+1,)."""
    return circle.trajectories[method.name][:, 0].norm(dim=1)


def _moves(text: str, portrait: Portrait, *, way: int) -> Statement:
    """Return whether all norms grow (way = 1) or fall (way = -1) from beginning to end."""
    norms = torch.stack(list(portrait.trajectories.values())).norm(dim=3)
    ratios = norms[:, -1] / norms[:, 0]
    measured = f"‖z_K‖/‖z_0‖ from {float(ratios.min()):.3g} to {float(ratios.max()):.3g}"
    return Statement(text, measured, holds=bool((way * ratios.log() > 0).all()))


def _exact(portrait: Portrait) -> Statement:
    """Return whether every method does exactly what its stability function says."""
    worst = maximum(_error(portrait, method) for method in METHODS)
    limit = _ROUNDING * portrait.steps * _EPS
    name = portrait.title.split(",")[0].strip("$").translate(str.maketrans("+-0", "₊₋₀", "_"))
    text = f"{name}: every method computes z_k = R(hA)ᵏ z_0 to rounding"
    return Statement(text, f"relative error {worst:.1e} <= {limit:.1e}", holds=worst <= limit)


def _error(portrait: Portrait, method: Method) -> float:
    """Return the largest ‖z_k - R(hA)ᵏ z_0‖, relative to the largest state."""
    h = portrait.horizon / portrait.steps
    map = method.matrix(h * portrait.field.get_parameter("map.weight").detach())
    states = [portrait.starts]
    for _ in range(portrait.steps):
        states.append(states[-1] @ map.T)
    exact, found = torch.stack(states), portrait.trajectories[method.name]
    return float((found - exact).norm(dim=2).max() / exact.norm(dim=2).max())


def _turned(method: Method, circle: Portrait) -> Statement:
    """Return what a method does to the circle: the way it should, by the exact factor."""
    steps, rounding = circle.steps, _ROUNDING * circle.steps * _EPS
    radius, exact = float(_radii(method, circle)[-1]), abs(method.factor(1j * STEP))
    way, words = _WAYS.get(method.name, (0, "stays on the circle"))
    found = (radius - 1 > rounding) - (radius - 1 < -rounding)
    measured = (
        f"‖z_K‖ = {radius:.6g} after K = {steps} steps, |R(ih)|ᴷ = {exact**steps:.6g} with "
        f"|R(ih)| = {exact:.6f}"
    )
    sure = abs(radius / exact**steps - 1) <= rounding
    return Statement(f"A₀: {method.name} {words}", measured, holds=sure and found == way)


def _tensor(rows: object) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)
