"""The nonlinear layer ż = tanh((S - Sᵀ - γI)z + b), with and without damping."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from darboux.activations import Tanh
from darboux.fields import AntisymmetricField
from darboux.linear import Dense
from reproductions.common.figures import canvas, label, legend, line, save
from reproductions.common.result import Statement
from reproductions.stability.methods import METHODS
from reproductions.stability.portraits import Portrait

_SKEW = ((0.0, -1.0), (0.0, 0.0))  # S, so that S - Sᵀ turns by +90 degrees
_BIAS = (0.5, -0.25)
_STEP = 0.5
_EPS = torch.finfo(torch.float64).eps
_DAMPINGS = {"no damping, γ = 0": 0.0, "γ = 0.1": 0.1, "γ = 0.4": 0.4}


def layer(damping: float) -> AntisymmetricField:
    """Return the layer of the plane with S - Sᵀ = A₀.

    Source: section 2.1.1.
    """
    field = AntisymmetricField(Dense(2, 2), Tanh(), damping=damping).double()
    names = dict(field.named_parameters())
    with torch.no_grad():
        names["bias"].copy_(_tensor(_BIAS))
        next(p for name, p in names.items() if name != "bias").copy_(_tensor(_SKEW))
    return field


def lyapunov(field: AntisymmetricField, z: Tensor) -> Tensor:
    """Return V(z) = Σ log cosh(w), w = (S - Sᵀ - γI)z + b.

    ẇ = (S - Sᵀ - γI) tanh(w) and ∇V = tanh(w), hence V̇ = -γ‖tanh(w)‖²: constant without
    damping, falling with it. V is convex in w, so a step of forward Euler without damping
    cannot lower it, and one of implicit Euler cannot raise it for any γ >= 0 and any h.

    Source: section 2.1.1.
    """
    w = field.map.affine(z.reshape(-1, 2), field.bias)
    return field.activation.antiderivative(w).sum(dim=1).reshape(z.shape[:-1])


def portraits(*, steps: int = 40) -> list[Portrait]:
    """Return a row for each damping."""
    rows = []
    for title, damping in _DAMPINGS.items():
        field = layer(damping)
        centre = _centre(field)
        starts = centre + _tensor(((1.2, 0.0), (-2.4, 0.0)))
        middle = (float(centre[0]), float(centre[1]))
        rows.append(Portrait(title, field, starts, _STEP * steps, steps, 4.0, middle))
    return rows


def statements(rows: list[Portrait]) -> list[Statement]:
    """Return what theory says of V along trajectories, beside what was found."""
    free, weak, strong = (_levels(row) for row in rows)
    return [
        _monotone("γ = 0: forward Euler never lowers V", free["forward Euler"], way=1),
        _monotone("γ = 0: implicit Euler never raises V", free["implicit Euler"], way=-1),
        _bounded("γ = 0: implicit midpoint keeps V within bounds", free["implicit midpoint"]),
        _monotone("γ = 0.1: implicit Euler never raises V", weak["implicit Euler"], way=-1),
        _kept_away(weak["forward Euler"]),
        *(
            _monotone(f"γ = 0.4, h < 2γ/(1 + γ²): {name} never raises V", level, way=-1)
            for name, level in strong.items()
        ),
    ]


def _levels(portrait: Portrait) -> dict[str, Tensor]:
    """Return V along the trajectories of every method, (K+1, batch)."""
    field = portrait.field
    assert isinstance(field, AntisymmetricField)
    with torch.no_grad():
        return {name: lyapunov(field, z) for name, z in portrait.trajectories.items()}


def draw_levels(rows: list[Portrait], path: Path) -> Path:
    """Draw V along the outer trajectory over time, one picture for each damping."""
    figure, (places,) = canvas(1, len(rows), side=(4.0, 3.5))
    for axes, portrait in zip(places, rows, strict=True):
        times, found = _STEP * torch.arange(portrait.steps + 1), _levels(portrait)
        for k, method in enumerate(METHODS):
            level = found[method.name][:, 1]
            axes.plot(times, level, label=method.name, linewidth=1.3, **line(k))
        axes.set_yscale("log")
        axes.set_xlim(0, min(60.0, portrait.horizon))
        axes.set_ylim(1e-4, 30)
        label(axes, portrait.title, "t", "V = Σ log cosh(w)" if axes is places[0] else "")
    legend(figure, places[0])
    return save(figure, path)


def _centre(field: AntisymmetricField) -> Tensor:
    """Return the equilibrium, where (S - Sᵀ - γI)z + b = 0."""
    eye = torch.eye(2, dtype=torch.float64)
    with torch.no_grad():
        return torch.linalg.solve(field.map(eye).T, -_tensor(_BIAS))


def _monotone(text: str, level: Tensor, *, way: int) -> Statement:
    """Return whether V only rises (way = 1) or only falls (way = -1), up to rounding."""
    rounding = 64 * _EPS * float(level.abs().max())
    worst = float((way * level.diff(dim=0)).min())
    measured = f"V from {float(level[0].max()):.3g} to {float(level[-1].max()):.3g}"
    return Statement(text, measured, holds=worst >= -rounding)


def _bounded(text: str, level: Tensor) -> Statement:
    """Return whether V oscillates about where it began, as much late as early."""
    half = len(level) // 2
    deviation = (level / level[0] - 1).abs()
    early, late = float(deviation[:half].max()), float(deviation[half:].max())
    measured = f"within {100 * early:.2f} % early, {100 * late:.2f} % late"
    return Statement(text, measured, holds=late <= 1.1 * early < 0.11)


def _kept_away(level: Tensor) -> Statement:
    """Return whether forward Euler stays away from an equilibrium that attracts all solutions.

    Near it a step multiplies distances by |1 + h(i - γ)|, here √(0.95² + 0.5²) > 1.
    """
    text = "γ = 0.1 < h/2: forward Euler spirals to a cycle that the equation does not have"
    tail = level[-len(level) // 4 :]
    low, high = float(tail.min()), float(tail.max())
    return Statement(text, f"V stays between {low:.3g} and {high:.3g}", holds=low > 0.1)


def _tensor(rows: object) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)
