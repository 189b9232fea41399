"""The shrinkage of fields, differentiated by hand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from darboux.solvers._transforms import is_differentiated
from darboux.symmetry._nonlinear.common import Runs, inner, join_fields, split_fields, working

Shrunk = tuple[Tensor, Tensor]

Dims = tuple[int | None, ...]


def shrink(x: Tensor, bias: Tensor, runs: Runs) -> Tensor:
    """Return max(‖x_f‖ + b_f, 0) x_f/‖x_f‖ for every field f, zero at zero."""
    # Only x and one number per field are kept for the backward pass.
    dtype = working(x.dtype)
    # c = b/‖x‖ and c²/b² neither overflow nor become 0/0 for b of at least this size
    least = torch.finfo(dtype).tiny ** 0.25
    bias = bias.to(dtype).clamp(max=-least).reshape(-1, *(1,) * (x.ndim - 2))
    if torch.compiler.is_compiling():  # fuses the formula itself
        return _formula(x, bias, runs)[0]
    if not (is_differentiated(x) or is_differentiated(bias)):  # nothing is kept
        return _filled(x, _cut(x, bias, runs).add_(1), runs)
    y: Tensor = _Shrink.apply(x, bias, runs)[0]
    return y


def _formula(x: Tensor, bias: Tensor, runs: Runs) -> Shrunk:
    """Return (1 + c) x and c = max(b/‖x‖, -1), (batch, fields, *space), with all derivatives."""
    square = _joined([part.to(bias.dtype).square().sum(2) for part in split_fields(x, runs)])
    active = ~(square <= bias.square())  # NaN stays NaN
    inverse = torch.where(active, square, 1).rsqrt()
    cut = torch.where(active, bias * inverse, -torch.ones_like(inverse))
    return _scaled(x, 1 + cut, runs), cut


def _cut(x: Tensor, bias: Tensor, runs: Runs) -> Tensor:
    """Return c in few passes over memory, outside of differentiation."""
    return inner(x, x, runs, dtype=bias.dtype).rsqrt_().mul_(bias).clamp_min_(-1)


def _filled(x: Tensor, scale: Tensor, runs: Runs) -> Tensor:
    """Return `_scaled` of contiguous memory, without a copy of its parts."""
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    scales = _of_fields(scale.to(x.dtype), runs)
    for part, s, place in zip(split_fields(x, runs), scales, split_fields(y, runs), strict=True):
        torch.mul(part, s.unsqueeze(2), out=place)
    return y


def _pull(x: Tensor, bias: Tensor, v: Tensor, runs: Runs) -> Shrunk:
    """Return J v, and ⟨x, v⟩/‖x‖ = ∂⟨y, v⟩/∂b, by differentiable operations."""
    # J = 1 + c - c x xᵀ/‖x‖² is symmetric, and 0 where c = -1.
    cut = _formula(x, bias, runs)[1]
    inverse = functional.threshold(cut, -1, 0) / bias
    products = _joined([part.to(bias.dtype).sum(2) for part in split_fields(x * v, runs)])
    along = products * inverse
    slope = -along * cut * inverse
    return _scaled(v, 1 + cut, runs) + _scaled(x, slope, runs), along


def _scaled(x: Tensor, scale: Tensor, runs: Runs) -> Tensor:
    """Return every field times its own number."""
    scales = _of_fields(scale, runs)
    parts = zip(split_fields(x, runs), scales, strict=True)
    return join_fields([part * s.unsqueeze(2).to(x.dtype) for part, s in parts])


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _of_fields(scale: Tensor, runs: Runs) -> tuple[Tensor, ...]:
    """Return the numbers of each run of fields, views of (batch, fields, *space)."""
    return (scale,) if len(runs) == 1 else scale.split([count for count, _ in runs], dim=1)


class _Shrink(torch.autograd.Function):
    """(x, b) -> (y, c), the second for the backward pass alone."""

    @staticmethod
    def forward(x: Tensor, bias: Tensor, runs: Runs) -> Shrunk:
        cut = _cut(x, bias, runs)
        return _filled(x, 1 + cut, runs), cut

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Shrunk) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(value=False)  # of the second output
        ctx.runs = inputs[2]
        ctx.save_for_backward(*inputs[:2], output[1])
        ctx.save_for_forward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, v: Tensor | None, _: None) -> tuple[Tensor | None, Tensor | None, None]:
        if v is None:
            return None, None, None
        x, bias, cut = ctx.saved_tensors
        if torch.is_grad_enabled():  # to be differentiated again
            gradient, along = _pull(x, bias, v, ctx.runs)
        else:
            gradient, along = _Pull.apply(x, bias, cut, v, ctx.runs)
        if not ctx.needs_input_grad[1]:
            return gradient, None, None
        return gradient, along.sum([0, *range(2, along.ndim)]).reshape(bias.shape), None

    @staticmethod
    def jvp(ctx: Any, u: Tensor | None, w: Tensor | None, _: None) -> tuple[Tensor, None]:
        x, bias = ctx.saved_tensors
        tangent = torch.zeros_like(x) if u is None else _pull(x, bias, u, ctx.runs)[0]
        if w is not None:
            inverse = functional.threshold(_formula(x, bias, ctx.runs)[1], -1, 0) / bias
            tangent = tangent + _scaled(x, inverse * w, ctx.runs)
        return tangent, None

    @staticmethod
    def vmap(info: Any, in_dims: Dims, x: Tensor, bias: Tensor, runs: Runs) -> tuple[Shrunk, Dims]:
        if in_dims[1] is not None or in_dims[0] is None:
            return torch.vmap(_formula, in_dims=(*in_dims[:2], None))(x, bias, runs), (0, 0)
        whole = x.movedim(in_dims[0], 0)
        parts = _Shrink.apply(whole.flatten(0, 1), bias, runs)
        y, cut = (part.unflatten(0, whole.shape[:2]) for part in parts)
        return (y, cut), (0, 0)


class _Pull(torch.autograd.Function):
    """The result of `_pull`, in few passes over memory."""

    @staticmethod
    def forward(x: Tensor, bias: Tensor, cut: Tensor, v: Tensor, runs: Runs) -> Shrunk:
        kept = functional.threshold(cut, -1, 0)  # b/‖x‖, or 0 where y is
        xs, vs = split_fields(x, runs), split_fields(v, runs)
        along = inner(x, v, runs, dtype=bias.dtype).mul_(kept).div_(bias)
        gradient = torch.empty_like(x, memory_format=torch.contiguous_format)
        slopes = _of_fields((along * kept).mul_(kept).div_(-bias).to(x.dtype), runs)
        scales = _of_fields((1 + cut).to(x.dtype), runs)
        places = split_fields(gradient, runs)
        for a, b, scale, slope, place in zip(xs, vs, scales, slopes, places, strict=True):
            torch.mul(b, scale.unsqueeze(2), out=place)
            place.addcmul_(a, slope.unsqueeze(2))
        return gradient, along

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Shrunk) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> None:
        raise NotImplementedError  # only used where no derivative is taken

    @staticmethod
    def vmap(
        info: Any, in_dims: Dims, x: Tensor, bias: Tensor, cut: Tensor, v: Tensor, runs: Runs
    ) -> tuple[Shrunk, Dims]:
        dims = (in_dims[0], in_dims[1], in_dims[3], None)
        return torch.vmap(_pull, in_dims=dims)(x, bias, v, runs), (0, 0)
