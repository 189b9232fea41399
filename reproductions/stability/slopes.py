"""Slopes that spoil stability: what ż = σ(Az + b) does although ż = Az is stable."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from darboux.activations import ReLU
from darboux.fields import AntisymmetricField, ResidualField
from darboux.flow import Flow
from darboux.integrators import Kutta4
from darboux.linear import Dense
from reproductions.common.figures import INK, RED, SOFT, canvas, label, legend_beside, line, save
from reproductions.common.result import Statement

_MATRIX = torch.tensor([[1.0, -3.0], [2.0, -2.0]], dtype=torch.float64)
_ONE_SLOPE = torch.tensor([1.0, 0.0], dtype=torch.float64)
_BIAS = (0.0, -50.0)  # so that the second slope is 0 on the way
_STARTS = ((1.0, 0.0), (1.001, 0.0))
_HORIZON, _STEPS = 3.0, 60
_GRID = 81  # slopes of a coordinate
_FEATURES, _DRAWS = 6, 2000  # of random skew matrices and slopes
_EPS = torch.finfo(torch.float64).eps


def statements() -> list[Statement]:
    """Return what slopes do to a stable matrix and to skew ones."""
    stable = float(torch.linalg.eigvals(_MATRIX).real.max())
    spoiled = float(torch.linalg.eigvals(_ONE_SLOPE[:, None] * _MATRIX).real.max())
    distances = _distances()
    rate = float((distances[-1] / distances[0]).log()) / _HORIZON
    worst, bound, attained = _skew()
    return [
        Statement(
            "A = (1 -3; 2 -2): both eigenvalues have negative real parts, diag(1, 0)A has the "
            "eigenvalue 1",
            f"{stable:.3g} and {spoiled:.3g}",
            holds=stable < 0 and abs(spoiled - 1) <= 64 * _EPS,
        ),
        Statement(
            "and so ż = ReLU(Az + b) takes neighbours apart like e^t: σ' >= 0 and a stable A are "
            "not enough",
            f"rate {rate:.6f}",
            holds=abs(rate - 1) <= 1e-6,
        ),
        Statement(
            "skew A, slopes in [0, 1]: eigenvalues of the symmetric part of DA are at most ½‖A‖_∞",
            f"at most {worst:.3f} times that in {_DRAWS} draws",
            holds=worst <= 1,
        ),
        Statement(
            "they may be positive: for A₀ and D = diag(1, 0) the bound is attained, and so is the "
            "one that the antisymmetric layer reports",
            f"{attained:.3f} and {bound:.3f}",
            holds=abs(attained - 0.5) <= 64 * _EPS and abs(bound - 0.5) <= 1e-12,
        ),
    ]


def draw(path: Path) -> Path:
    """Draw the largest real part over slopes, and the distance of two solutions."""
    figure, ((plane, growth),) = canvas(1, 2, side=(4.4, 3.6))
    slopes = torch.linspace(0, 1, _GRID, dtype=torch.float64)
    pairs = torch.diag_embed(torch.cartesian_prod(slopes, slopes))
    real = torch.linalg.eigvals(pairs @ _MATRIX).real.amax(dim=1).reshape(_GRID, _GRID).T
    values = slopes.numpy(), slopes.numpy(), real.numpy()
    shown = plane.pcolormesh(*values, cmap="RdBu_r", vmin=-1, vmax=1)
    plane.contour(*values, levels=[0.0], colors=INK, linewidths=1.0)
    plane.plot([1, 1], [1, 0], "o", color=INK, markersize=5, clip_on=False)
    plane.set_aspect("equal")
    bar = figure.colorbar(shown, ax=plane, shrink=0.8)
    bar.ax.tick_params(labelsize=8)
    bar.set_label("largest real part", fontsize=9)
    label(plane, "eigenvalues of DA, A stable", "slope $d_1$", "slope $d_2$")
    times = torch.linspace(0, _HORIZON, _STEPS + 1)
    distances = _distances()
    growth.plot(times, distances / distances[0], color=RED, label="measured")
    growth.plot(times, times.exp(), **line(2), label="$e^t$")
    growth.plot(times, (-times / 2).exp(), color=SOFT, linestyle=":", label="what A suggests")
    growth.set_yscale("log")
    label(growth, "two solutions of ż = ReLU(Az + b)", "t", "distance over the first")
    legend_beside(growth)
    return save(figure, path)


def _distances() -> Tensor:
    """Return the distances of two solutions at each step, (K+1,)."""
    field = ResidualField(Dense(2, 2), ReLU()).double()
    with torch.no_grad():
        field.get_parameter("map.weight").copy_(_MATRIX)
        field.get_parameter("bias").copy_(torch.tensor(_BIAS))
        flow = Flow(field, Kutta4(), horizon=_HORIZON, steps=_STEPS)
        states = flow.trajectory(torch.tensor(_STARTS, dtype=torch.float64))
    return (states[:, 1] - states[:, 0]).norm(dim=1)


def _skew() -> tuple[float, float, float]:
    """Return the largest ν over ½‖A‖_∞ of random skew A, the bound of a layer for A₀, and its ν."""
    generator = torch.Generator().manual_seed(0)
    size = (_DRAWS, _FEATURES)
    s = torch.randn(*size, _FEATURES, generator=generator, dtype=torch.float64)
    slopes = torch.rand(*size, generator=generator, dtype=torch.float64).round()
    skew = s - s.mT
    ratios = _constant(slopes, skew) / (skew.abs().sum(dim=2).amax(dim=1) / 2)
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    layer = AntisymmetricField(Dense(2, 2), ReLU()).double()
    with torch.no_grad():
        layer.get_parameter("map.map.weight").copy_(torch.triu(turn))
        bound = layer.one_sided_lipschitz()
    attained = _constant(_ONE_SLOPE[None], turn[None])
    return float(ratios.max()), math.nan if bound is None else float(bound), float(attained)


def _constant(slopes: Tensor, matrices: Tensor) -> Tensor:
    """Return the largest eigenvalue of (DA + (DA)ᵀ)/2, (draws,)."""
    product = slopes[:, :, None] * matrices
    return torch.linalg.eigvalsh((product + product.mT) / 2).amax(dim=1)
