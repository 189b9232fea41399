"""Misleading eigenvalues: a network whose every layer looks stable, and that grows."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from darboux.diagnostics import spectrum
from darboux.flow import Flow
from darboux.integrators import Kutta4
from reproductions.common.figures import SOFT, canvas, label, legend_beside, line, save
from reproductions.common.result import Statement
from reproductions.stability import linear

_HORIZON = 8.0


def markus_yamabe(t: float) -> Tensor:
    """Return A(t) = -I + 3/2 v vᵀ + [[0, 1], [-1, 0]], v = (cos t, -sin t).

    The eigenvalues are (-1 ± i√7)/4 at all times, but ż = A(t)z has the solution
    e^{t/2} (cos t, -sin t). The symmetric part -I + 3/2 v vᵀ has the largest eigenvalue ½:
    the one-sided Lipschitz constant tells what the spectrum hides.

    Source: section 2.1; Markus and Yamabe 1960.

    Example:
        >>> torch.linalg.eigvals(markus_yamabe(0.3)).real.round(decimals=12).tolist()
        [-0.25, -0.25]
    """
    v = torch.tensor([math.cos(t), -math.sin(t)], dtype=torch.float64)
    turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    return -torch.eye(2, dtype=torch.float64) + 1.5 * torch.outer(v, v) + turn


def network(*, layers: int) -> Flow:
    """Return the flow of ż = A(t)z, A piecewise constant: one linear layer per step."""
    h = _HORIZON / layers
    fields = [linear.layer(markus_yamabe(h * (k + 0.5))) for k in range(layers)]
    return Flow(fields, Kutta4(), horizon=_HORIZON)


def statements(*, layers: int) -> list[Statement]:
    """Return what eigenvalues say, what ν says, and what features do."""
    real, nu = _constants(layers)
    norms = _states(layers).norm(dim=1)
    rate, error = _rate(norms), _rate_error(layers)
    largest = f"largest real part {float(real.max()):.6f}"
    grown = f"‖z(T)‖/‖z(0)‖ = {float(norms[-1]):.4g}, rate {rate:.5f}"
    nu_largest = float(nu.max())
    return [
        Statement(
            "the eigenvalues of every layer have negative real parts",
            largest,
            holds=float(real.max()) < 0,
        ),
        Statement("and yet features grow, as e^{t/2}", grown, holds=abs(rate - 0.5) <= error),
        Statement(
            "the one-sided Lipschitz constant ν = ½ says so",
            f"ν = {nu_largest:.6f}",
            holds=abs(nu_largest - 0.5) <= 1e-12 and rate <= nu_largest + error,
        ),
    ]


def draw(path: Path, *, layers: int) -> Path:
    """Draw a solution in the plane, the eigenvalues beside ν, and the growth."""
    figure, ((plane, constants, norms),) = canvas(1, 3, side=(4.0, 3.6))
    states = _states(layers)
    times = np.linspace(0.0, _HORIZON, layers + 1)
    plane.plot(*states.T.numpy(), linewidth=1.3, **line(0))
    plane.plot(*states[0].tolist(), "o", color="black", markersize=4, fillstyle="none")
    plane.set_aspect("equal", adjustable="datalim")
    label(plane, "features, spiralling out", "$z_1$", "$z_2$")
    _draw_constants(constants, times[:-1], layers)
    norms.plot(times, states.norm(dim=1), label="measured", linewidth=1.6, **line(0))
    norms.plot(times, np.exp(times / 2), label="$e^{νt}$, ν = 1/2", **line(1))
    norms.plot(times, np.exp(-times / 4), label="what eigenvalues\nsuggest", **line(2))
    norms.set_yscale("log")
    legend_beside(norms)
    label(norms, "size of the features", "t", "$|z(t)|$")
    return save(figure, path)


def _draw_constants(axes: Axes, times: np.ndarray, layers: int) -> None:
    real, nu = _constants(layers)
    axes.plot(times, real, label="largest Re λ", **line(2))
    axes.plot(times, nu, label="ν, one-sided\nLipschitz constant", **line(1))
    axes.axhline(0.0, color=SOFT, linewidth=0.8)
    axes.set_ylim(-0.6, 0.9)
    legend_beside(axes)
    label(axes, "two constants of every layer", "t", "1 / time")


def _states(layers: int) -> Tensor:
    """Return the features of all layers from (1, 0), (K+1, 2)."""
    start = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    with torch.no_grad():
        return network(layers=layers).trajectory(start)[:, 0]


def _constants(layers: int) -> tuple[Tensor, Tensor]:
    """Return the largest real part of the eigenvalues and ν of every layer, both (K,)."""
    fields = network(layers=layers).fields
    origin = torch.zeros(1, 2, dtype=torch.float64)
    real = torch.stack([spectrum(field, origin)[0].real.max() for field in fields])
    matrices = torch.stack([field.get_parameter("map.weight").detach() for field in fields])
    return real, torch.linalg.eigvalsh((matrices + matrices.mT) / 2).amax(dim=1)


def _rate(norms: Tensor) -> float:
    """Return log(‖z(T)‖/‖z(0)‖)/T."""
    return float((norms[-1] / norms[0]).log()) / _HORIZON


def _rate_error(layers: int) -> float:
    """Return how far frozen layers may be from A(t): O(h²), as for the midpoint rule."""
    return (_HORIZON / layers) ** 2
