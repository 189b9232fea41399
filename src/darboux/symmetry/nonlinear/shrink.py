"""The shrinkage of fields, differentiated by hand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from darboux.symmetry.nonlinear.blocks import inner, working

Shrunk = tuple[Tensor, Tensor]
Dims = tuple[int | None, ...]


def shrink(x: Tensor, bias: Tensor) -> Tensor:
    """Return max(‖x_f‖ + b_f, 0) x_f/‖x_f‖ for every field of a run, zero at zero.

    Only x and one number per field are kept for the backward pass.

    Shapes: x is (batch, count, size, *space), b is (count,), at most 0.

    Example:
        >>> shrink(torch.tensor([[[3.0, 4.0]]]), torch.tensor([-2.5]))
        tensor([[[1.5000, 2.0000]]])
    """
    dtype = working(x.dtype)
    # c = b/‖x‖ and c²/b² neither overflow nor become 0/0 for b of at least this size
    least = torch.finfo(dtype).tiny ** 0.25
    bias = bias.to(dtype).clamp(max=-least).reshape(-1, *(1,) * (x.ndim - 3))
    if torch.compiler.is_compiling():  # fuses the formula itself
        return _formula(x, bias)[0]
    y: Tensor = _Shrink.apply(x, bias)[0]
    return y


def _formula(x: Tensor, bias: Tensor) -> Shrunk:
    """Return (1 + c) x and c = max(b/‖x‖, -1), with all derivatives."""
    square = x.to(bias.dtype).square().sum(2)
    active = square > bias.square()
    inverse = torch.where(active, square, 1).rsqrt()
    cut = torch.where(active, bias * inverse, -torch.ones_like(inverse))
    return x * (1 + cut).unsqueeze(2).to(x.dtype), cut


def _pull(x: Tensor, bias: Tensor, v: Tensor) -> Shrunk:
    """Return J v, and ⟨x, v⟩/‖x‖ = ∂⟨y, v⟩/∂b, by differentiable operations.

    J = 1 + c - c x xᵀ/‖x‖² is symmetric, and 0 where c = -1.
    """
    cut = _formula(x, bias)[1]
    inverse = functional.threshold(cut, -1, 0) / bias
    along = (x * v).to(bias.dtype).sum(2) * inverse
    slope = -along * cut * inverse
    gradient = v * (1 + cut).unsqueeze(2).to(v.dtype) + x * slope.unsqueeze(2).to(x.dtype)
    return gradient, along


class _Shrink(torch.autograd.Function):
    """(x, b) -> (y, c), the second for the backward pass alone."""

    @staticmethod
    def forward(x: Tensor, bias: Tensor) -> Shrunk:
        square = inner(x, x, dtype=bias.dtype)
        cut = square.rsqrt_().mul_(bias).clamp_min_(-1)
        return x * (1 + cut).unsqueeze(2).to(x.dtype), cut

    @staticmethod
    def setup_context(ctx: Any, inputs: Shrunk, output: Shrunk) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(value=False)  # of the second output
        ctx.save_for_backward(*inputs, output[1])
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, v: Tensor | None, _: None) -> tuple[Tensor | None, Tensor | None]:
        if v is None:
            return None, None
        x, bias, cut = ctx.saved_tensors
        if torch.is_grad_enabled():  # to be differentiated again
            gradient, along = _pull(x, bias, v)
        else:
            gradient, along = _Pull.apply(x, bias, cut, v)
        if not ctx.needs_input_grad[1]:
            return gradient, None
        return gradient, along.sum([0, *range(2, along.ndim)]).reshape(bias.shape)

    @staticmethod
    def jvp(ctx: Any, u: Tensor | None, w: Tensor | None) -> tuple[Tensor, None]:
        x, bias = ctx.saved_tensors
        tangent = torch.zeros_like(x) if u is None else _pull(x, bias, u)[0]
        if w is not None:
            inverse = functional.threshold(_formula(x, bias)[1], -1, 0) / bias
            tangent = tangent + x * (inverse * w).unsqueeze(2).to(x.dtype)
        return tangent, None

    @staticmethod
    def vmap(info: Any, in_dims: Dims, x: Tensor, bias: Tensor) -> tuple[Shrunk, Dims]:
        if in_dims[1] is not None or in_dims[0] is None:
            return torch.vmap(_formula, in_dims=in_dims)(x, bias), (0, 0)
        whole = x.movedim(in_dims[0], 0)
        parts = _Shrink.apply(whole.flatten(0, 1), bias)
        y, cut = (part.unflatten(0, whole.shape[:2]) for part in parts)
        return (y, cut), (0, 0)


class _Pull(torch.autograd.Function):
    """What `_pull` returns, in few passes over memory."""

    @staticmethod
    def forward(x: Tensor, bias: Tensor, cut: Tensor, v: Tensor) -> Shrunk:
        kept = functional.threshold(cut, -1, 0)  # b/‖x‖, or 0 where y is
        along = inner(x, v, dtype=bias.dtype).mul_(kept).div_(bias)
        scale = 1 + cut
        gradient = v * scale.unsqueeze(2).to(v.dtype)
        slope = torch.mul(along, kept, out=scale).mul_(kept).div_(-bias)
        return gradient.addcmul_(x, slope.unsqueeze(2).to(x.dtype)), along

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Shrunk) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> None:
        raise NotImplementedError  # only used where no derivative is taken

    @staticmethod
    def vmap(
        info: Any, in_dims: Dims, x: Tensor, bias: Tensor, cut: Tensor, v: Tensor
    ) -> tuple[Shrunk, Dims]:
        dims = (in_dims[0], in_dims[1], in_dims[3])
        return torch.vmap(_pull, in_dims=dims)(x, bias, v), (0, 0)
