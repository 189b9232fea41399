"""Norms of matrices from l_p to l_q: bounds, and estimates from below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from darboux.linear._spectral import kernel_bound
from darboux.structure._arguments import Within, checked

Order = Annotated[float, Within("a number from 1 to ∞", least=1, infinite=True)]

_Inner = Annotated[float, Within("a number in (1, ∞)", above=1)]

_Steps = Annotated[int, Within("an integer from 1 to 10000", least=1, most=10_000)]

_MIXTURES = 9  # points of the line between two families of exact norms


@checked
def mixed_norm_bound(weight: Tensor, p: Order, q: Order) -> Tensor:
    """Return a number >= ‖W‖_{p→q} = max ‖W x‖_q/‖x‖_p: float64, (), differentiable.

    Three families are known: ‖W‖_{1→q}, the largest q-norm of a column; ‖W‖_{p→∞}, the
    largest p*-norm of a row, 1/p + 1/p* = 1; and ‖W‖_{2→2}. They hold for complex vectors
    as well, so the theorem of Riesz and Thorin lies between them: with (1/p, 1/q) =
    (1-θ) (1/p₀, 1/q₀) + θ (1/p₁, 1/q₁),

    ‖W‖_{p→q} <= ‖W‖_{p₀→q₀}^{1-θ} ‖W‖_{p₁→q₁}^θ.

    That covers p <= q. Every (a, b) gives a bound by inclusion, too,
    ‖W‖_{p→q} <= n^{(1/a-1/p)⁺} ‖W‖_{a→b} m^{(1/q-1/b)⁺} for W of m rows and n columns. The
    result is the least of several mixtures and inclusions; it is exact, up to rounding, in the
    three families.

    Shapes: W is (out, in).

    Source: sections 4.1.2 and 4.3.2; Bergh and Löfström 1976, theorem 1.1.1.

    Args:
        weight: W.
        p: of the inputs, 1 <= p <= ∞.
        q: of the outputs, 1 <= q <= ∞.

    Raises:
        ValueError: if W is no matrix or not finite, or an order is below 1.

    Example:
        >>> weight = torch.tensor([[3.0, 0.0], [4.0, 1.0]])
        >>> [round(float(mixed_norm_bound(weight, p, p)), 9) for p in (1, 2, torch.inf)]
        [7.0, 5.064495102, 5.0]
    """
    _check(weight)
    if not weight.isfinite().all():
        msg = "Expected a finite matrix; got NaN or infinity. Look for the step that made them."
        raise ValueError(msg)
    return norm_between(weight, p, q)


def norm_between(weight: Tensor, p: float, q: float) -> Tensor:
    """Return the bound, for a matrix and orders that are known to be some."""
    with torch.autocast(weight.device.type, enabled=False):
        wide = weight.double()
        terms = sum(wide.shape) + 64
        candidates = torch.stack(_candidates(wide, 1 / p, 1 / q))
        return candidates.amin() * (1 + 8 * terms * torch.finfo(wide.dtype).eps)


@checked
def mixed_norm_estimate(
    weight: Tensor,
    p: Tensor | _Inner,
    q: Tensor | _Inner,
    *,
    iterations: _Steps = 50,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return a number <= ‖W‖_{p→q}, by power iteration: float64, (). An estimate, no bound.

    Orders may be tensors with gradients: learned orders have such an estimate only, which is
    measured and licenses nothing. Derivatives are those of ‖W x‖_q/‖x‖_p with x fixed.

    Shapes: W is (out, in).

    Source: section 4.3.2; Boyd 1974, The power method for l_p norms.

    Args:
        weight: W.
        p: of the inputs, 1 < p < ∞.
        q: of the outputs, 1 < q < ∞.
        iterations: power steps.
        generator: of the random start; a fixed one if None.

    Raises:
        ValueError: if W is no matrix, or an order is not in (1, ∞).

    Example:
        >>> weight = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
        >>> mixed_norm_estimate(weight, 2.0, 2.0).round(decimals=4)
        tensor(4., dtype=torch.float64)
    """
    orders = [torch.as_tensor(o, dtype=torch.float64, device=weight.device) for o in (p, q)]
    _check(weight)
    if not all(o.ndim == 0 and 1 < float(o.detach()) < math.inf for o in orders):
        msg = f"Expected orders in (1, ∞); got {p} and {q}. Use mixed_norm_bound at the ends."
        raise ValueError(msg)
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    start = torch.randn(weight.shape[1], generator=generator, dtype=torch.float64)
    with torch.autocast(weight.device.type, enabled=False):
        wide = weight.double()
        matrix, first, last = wide.detach(), orders[0].detach(), orders[1].detach()
        x = start.to(weight.device)
        for _ in range(iterations):
            x = _dual(matrix.T @ _dual(matrix @ x, last), first / (first - 1))
        return _norm(wide @ x, orders[1]) / _norm(x, orders[0])


@checked
def mixed_chain_bound(weights: Sequence[Tensor], orders: Sequence[Order]) -> Tensor:
    """Return Π ‖W_i‖_{p_{i-1}→p_i} bounded: float64, (), differentiable.

    If p_0 = p_n, it is a Lipschitz constant in l_{p_0} of the chain of the maps x -> W_i x + b_i
    with activations between them whose slopes lie in [-1, 1], since these are nonexpansive in
    every l_p. Below 1, x + f(x) is invertible: Banach's theorem holds in every norm.

    Args:
        weights: W_1, ..., W_n, each (out, in).
        orders: p_0, ..., p_n.

    Raises:
        ValueError: if there is not one order more than matrices.

    Example:
        >>> bound = mixed_chain_bound([torch.ones(3, 2), torch.ones(2, 3)], (1, torch.inf, 1))
        >>> round(float(bound), 9)
        6.0
    """
    if len(orders) != len(weights) + 1:
        msg = (
            f"mixed_chain_bound: expected {len(weights) + 1} orders for {len(weights)} matrices; "
            f"got {len(orders)}. Use p_0, ..., p_n."
        )
        raise ValueError(msg)
    pairs = zip(weights, orders[:-1], orders[1:], strict=True)
    bounds = torch.stack([mixed_norm_bound(w, p, q) for w, p, q in pairs])
    return bounds.prod()


def _candidates(weight: Tensor, s: float, t: float) -> list[Tensor]:
    """Return bounds at (s, t) = (1/p, 1/q): exact ones, mixtures, inclusions."""
    if s == 1:
        return [_columns(weight, t)]
    if t == 0:
        return [_rows(weight, s)]
    m, n = weight.shape
    if s == t == 0.5:
        return [kernel_bound(weight)]
    found = []
    if t <= s:
        found += _mixtures(weight, s, t)
    else:  # the nearest points of the diagonal
        found += [bound * m ** (t - s) for bound in _candidates(weight, s, s)]
        found += [bound * n ** (t - s) for bound in _candidates(weight, t, t)]
    spectral = kernel_bound(weight)
    found.append(spectral * n ** max(0.0, 0.5 - s) * m ** max(0.0, t - 0.5))
    found.append(_columns(weight, t) * n ** (1 - s))
    found.append(_rows(weight, s) * m**t)
    return found


def _mixtures(weight: Tensor, s: float, t: float) -> list[Tensor]:
    """Return bounds by Riesz and Thorin for t <= s: of rows and columns, and of those with 2."""
    found = []
    for k in range(_MIXTURES):
        theta = t + (s - t) * k / (_MIXTURES - 1)
        s0 = (s - theta) / (1 - theta) if theta < 1 else 0.0
        t1 = t / theta if theta > 0 else 0.0
        rows, columns = _rows(weight, min(s0, 1.0)), _columns(weight, min(t1, 1.0))
        found.append(_mixed(rows, columns, theta))
    if t < 0.5 and s <= 1 - t:
        theta = 1 - 2 * t
        found.append(_mixed(kernel_bound(weight), _rows(weight, (s - t) / theta), theta))
    elif s > 0.5:
        theta = 2 * s - 1
        found.append(_mixed(kernel_bound(weight), _columns(weight, (t - 1 + s) / theta), theta))
    return found


def _mixed(first: Tensor, second: Tensor, theta: float) -> Tensor:
    tiny = torch.finfo(torch.float64).tiny
    return first.clamp(min=tiny) ** (1 - theta) * second.clamp(min=tiny) ** theta


def _columns(weight: Tensor, t: float) -> Tensor:
    """Return ‖W‖_{1→q}, t = 1/q."""
    return torch.linalg.vector_norm(weight, _order(t), dim=0).amax()


def _rows(weight: Tensor, s: float) -> Tensor:
    """Return ‖W‖_{p→∞}, s = 1/p, 1/p* = 1 - s."""
    return torch.linalg.vector_norm(weight, _order(1 - s), dim=1).amax()


def _order(inverse: float) -> float:
    return 1 / inverse if inverse > 0 else math.inf


def _norm(x: Tensor, order: Tensor) -> Tensor:
    """Return ‖x‖_p, differentiable in p."""
    size = x.abs()
    top = size.detach().amax().clamp(min=torch.finfo(x.dtype).tiny)
    terms = torch.where(size > 0, (size / top).clamp(min=1e-300) ** order, 0.0)
    return top * terms.sum() ** (1 / order)


def _dual(x: Tensor, order: Tensor) -> Tensor:
    """Return sign(x) |x|^{p-1}, scaled: where ⟨·, x⟩ is largest on the ball of l_{p*}."""
    size = x.abs() / x.abs().amax().clamp(min=torch.finfo(x.dtype).tiny)
    return x.sign() * size ** (order - 1)


def _check(weight: Tensor) -> None:
    if weight.ndim != 2 or not weight.numel():
        msg = f"Expected a matrix (out, in); got shape {tuple(weight.shape)}. Use a dense map."
        raise ValueError(msg)
