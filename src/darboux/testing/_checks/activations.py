"""Checks of activations: slope range, antiderivative, claims."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.activations import Activation
from darboux.structure import Averaged, Isometric, Lipschitz
from darboux.structure._arguments import Count, checked
from darboux.testing._checks._call import require

_EPS = torch.finfo(torch.float64).eps

_SHAPE = (64, 4, 4, 4)

_CELL = 1 / 512  # exact, so that cells have exactly this width

_GAUSS = ((0.5 - 0.15**0.5, 5 / 18), (0.5, 8 / 18), (0.5 + 0.15**0.5, 5 / 18))


@checked
def check_slopes(activation: Activation, *, shape: tuple[Count, ...] = _SHAPE) -> None:
    """Assert that no difference quotient leaves the slope range, and that both ends are sharp.

    Samples pairs in float64 at scales from 1e-6 to 1e4, close and far apart. The ends
    of the range must be approached to 1e-3: an exact range, not only a true one.

    Args:
        activation: a separable activation; it is converted to float64.
        shape: of the samples, (batch, channels, *space).

    Raises:
        AssertionError: with the quotient that lies outside, or the end that is not sharp.

    Example:
        >>> from darboux.activations import Tanh
        >>> check_slopes(Tanh())
    """
    lower, upper = activation.slopes()
    activation.double()
    smallest, largest = float("inf"), -float("inf")
    for x, y in _pairs(shape):
        quotient, error = _quotients(activation, x, y)
        below, above = float((quotient + error).min()), float((quotient - error).max())
        require(below >= lower, f"a slope <= {below:.6g} lies below {lower:g}.")
        require(above <= upper, f"a slope >= {above:.6g} lies above {upper:g}.")
        reliable = quotient[error < 1e-4]
        smallest = min([smallest, *reliable.tolist()])
        largest = max([largest, *reliable.tolist()])
    require(smallest <= lower + 1e-3, f"no slope below {smallest:.6g}: {lower:g} is not sharp.")
    require(largest >= upper - 1e-3, f"no slope above {largest:.6g}: {upper:g} is not sharp.")


@checked
def check_antiderivative(activation: Activation, *, shape: tuple[Count, ...] = _SHAPE) -> None:
    """Assert γ' = σ, by autograd and by integration; without γ, that it is refused.

    Autograd sees each branch of γ; the integral of σ over short cells also sees a jump
    between branches.

    Args:
        activation: the activation; it is converted to float64.
        shape: of the samples, (batch, channels, *space).

    Raises:
        AssertionError: with the difference, if there is more than rounding.

    Example:
        >>> from darboux.activations import Tanh
        >>> check_antiderivative(Tanh())
    """
    activation.double()
    if not activation.separable:
        _check_refusal(activation, torch.zeros(shape, dtype=torch.float64))
        return
    for x in (_samples(shape, scale) for scale in (1e-6, 0.1, 1.0, 10.0, 1e4)):
        _check_gradient(activation, x)
    _check_integral(activation, shape)


@checked
def check_claims(activation: Activation, *, shape: tuple[Count, ...] = _SHAPE) -> None:
    """Assert that random pairs do not refute what `claims` promises, read as maps of vectors.

    Args:
        activation: the activation; it is converted to float64.
        shape: of the samples, (batch, channels, *space).

    Raises:
        AssertionError: if it claims nothing, or a pair refutes a claim.

    Example:
        >>> from darboux.activations import GroupSort
        >>> check_claims(GroupSort())
    """
    claims = activation.double().claims()
    require(claims.find(Lipschitz) is not None, "no Lipschitz constant is claimed.")
    for x, y in _pairs(shape):
        before, after = x - y, (activation(x) - activation(y)).detach()
        size = float(torch.maximum(x.norm(), y.norm()) / before.norm())
        slack = 1 + 64 * _EPS * before.numel() * size
        for claim in claims:
            growth = _growth(claim.structure, before, after)
            reason = f"{claim.structure} is refuted by {growth - 1:.3g}."
            require(growth <= slack, reason)


def _growth(structure: object, before: Tensor, after: Tensor) -> float:
    """Return a number that the structure bounds by 1; see `darboux.structure` for each."""
    ratio = float(after.norm() / before.norm())
    if isinstance(structure, Lipschitz):
        return ratio / structure.constant
    if isinstance(structure, Averaged):
        if structure.alpha == 0:
            return 1 + float((after - before).norm() / before.norm())
        # N = (φ - (1-α) id)/α is nonexpansive
        inner = (after - (1 - structure.alpha) * before) / structure.alpha
        return float(inner.norm() / before.norm())
    if isinstance(structure, Isometric):
        return 1 + abs(ratio - 1)
    msg = f"Expected Lipschitz, Averaged or Isometric; got {structure}. Add its attack here."
    raise AssertionError(msg)


def _samples(shape: tuple[int, ...], scale: float, seed: int = 0) -> Tensor:
    """Return normal numbers of a scale, and the number 0 among them."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator, dtype=torch.float64) * scale
    x[0] = 0
    return x


def _pairs(shape: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
    """Return pairs at many scales, from neighbours to far apart."""
    found = []
    for scale in (1e-6, 0.01, 0.1, 1.0, 3.0, 10.0, 100.0, 1e4):
        x = _samples(shape, scale)
        found += [(x, x + _samples(shape, scale * gap, seed=1)) for gap in (1e-6, 1e-2, 1.0)]
    return [(x, torch.where(x == y, y + 1e-3, y)) for x, y in found]


def _quotients(activation: Activation, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the difference quotients and a bound of their rounding errors."""
    fx, fy = activation(x).detach(), activation(y).detach()
    rounded = 8 * _EPS * (x.abs() + y.abs() + fx.abs() + fy.abs())
    return (fx - fy) / (x - y), rounded / (x - y).abs()


def _check_refusal(activation: Activation, x: Tensor) -> None:
    try:
        activation.antiderivative(x)
    except TypeError:
        return
    msg = f"{type(activation).__name__} is not separable, yet antiderivative raised no TypeError."
    raise AssertionError(msg)


def _check_gradient(activation: Activation, x: Tensor) -> None:
    x = x.detach().requires_grad_()
    expected, scale = activation(x).detach(), x.detach().abs()
    (slope,) = torch.autograd.grad(activation.antiderivative(x).sum(), x)
    error = float(((slope - expected).abs() / (expected.abs() + scale + _EPS)).max())
    require(error <= 32 * _EPS, f"γ' differs from σ by {error:.3g}, relative to |σ| + |x|.")


def _check_integral(activation: Activation, shape: tuple[int, ...]) -> None:
    """Compare γ(y) - γ(x) with the integral of σ over many short cells [x, y]."""
    # Three Gauss-Legendre nodes for each cell; where σ has a kink, the quadrature is off by at
    # most (upper - lower) cell²/4.
    near = torch.arange(-45.0, 45.0, _CELL, dtype=torch.float64)
    far = torch.tensor([-1e4, -1e3, -1e2, 1e2, 1e3, 1e4], dtype=torch.float64)
    axes = (1,) * (len(shape) - 2)
    x = torch.cat([near, far]).reshape(-1, 1, *axes).expand(-1, shape[1], *axes)
    lower, upper = activation.slopes()
    with torch.no_grad():
        integral = sum(w * _CELL * activation(x + _CELL * node) for node, w in _GAUSS)
        values = activation.antiderivative(x + _CELL), activation.antiderivative(x)
    allowed = (upper - lower) * _CELL**2 / 4 + 64 * _EPS * (values[1].abs() + x.abs())
    excess = float(((values[0] - values[1] - integral).abs() - allowed - _EPS).max())
    require(excess <= 0, f"γ(y) - γ(x) differs from the integral of σ by {excess:.3g} too much.")
