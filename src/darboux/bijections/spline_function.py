"""Splines as one node of the graph."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from darboux.bijections.rational_quadratic import Evaluated, evaluate
from darboux.bijections.spline_bins import Bins, Piece
from darboux.bijections.spline_gradients import SplineGradients


@final
class SplineFunction(torch.autograd.Function):
    """(x, raw, bins, inverse) -> (y, log|dy/dx|), with derivatives by hand.

    Where the backward pass is to be differentiated itself, or has a batch of gradients, PyTorch's
    derivatives take over.

    Source: Durkan et al. 2019, neural spline flows.

    Example:
        >>> raw = torch.zeros(1, 5, requires_grad=True)
        >>> y, _ = SplineFunction.apply(torch.tensor([[1.0]]), raw, Bins(count=2), False)
        >>> [round(g, 2) for g in torch.autograd.grad(y.sum(), raw)[0][0].tolist()]
        [-1.11, 1.11, 1.11, -1.11, 0.28]
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        raw: Tensor,
        bins: Bins,
        inverse: bool,  # noqa: FBT001
    ) -> tuple[Tensor, Tensor]:
        """Evaluate, and keep the bins."""
        at = evaluate(bins, x, bins.rows(raw), inverse=inverse)
        ctx.bins, ctx.inverse = bins, inverse
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, raw, at.inside, at.theta, *at.piece)
        return at.value, at.log_slope

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """Return the gradients of x and of the parameters."""
        x, raw, inside, theta, *piece = ctx.saved_tensors
        value, log_slope = gradients
        if value is None and log_slope is None:
            return None, None, None, None
        if torch.is_grad_enabled() or _in_batches(value, log_slope):
            return (*_again(ctx, x, raw, gradients), None, None)
        at = Evaluated(x, x, inside, theta, Piece(*piece))
        found = SplineGradients(ctx.bins, at)
        back, rows = _of_inverse(found, *gradients) if ctx.inverse else found.pull(*gradients)
        return back, ctx.bins.columns(rows), None, None


def _in_batches(*gradients: Tensor | None) -> bool:
    """Return whether autograd.grad(is_grads_batched=True) asks; torch has no public way to see."""
    batched = torch._C._functorch.is_legacy_batchedtensor
    return any(g is not None and batched(g) for g in gradients)


def _of_inverse(
    found: SplineGradients, value: Tensor | None, log_slope: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return gradients through x = γ⁻¹(y, θ): dx = (dy - ∂γ/∂θ dθ)/S, and l = -log S at x."""
    weight = None if log_slope is None else -log_slope
    total = value
    if weight is not None:
        by_x = weight * found.log_slope_by_x()
        total = by_x if value is None else value + by_x
    assert total is not None  # one of both is there
    back = total / found.slope()
    return back, found.pull(-back, weight)[1]


def _again(
    ctx: Any, x: Tensor, raw: Tensor, gradients: tuple[Tensor | None, ...]
) -> tuple[Tensor | None, ...]:
    """Return gradients that can be differentiated: evaluate once more, with a graph."""
    create = torch.is_grad_enabled()
    with torch.enable_grad():
        at = evaluate(ctx.bins, x, ctx.bins.rows(raw), inverse=ctx.inverse)
    pairs = [
        (output, gradient)
        for output, gradient in zip((at.value, at.log_slope), gradients, strict=True)
        if gradient is not None
    ]
    needed = [t for t in (x, raw) if t.requires_grad]
    outputs, cotangents = [o for o, _ in pairs], [g for _, g in pairs]
    found = iter(torch.autograd.grad(outputs, needed, cotangents, create_graph=create))
    return tuple(next(found) if t.requires_grad else None for t in (x, raw))
