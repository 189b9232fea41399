"""Diagonals above A A*, without any iteration: row sums of A A*, and of |A| |A|ᵀ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from darboux.linear._gram import correlations, layered
from darboux.linear._stencil import Stencil
from darboux.solvers._transforms import is_plain, without_autocast


def row_bound(stencil: Stencil) -> Tensor:
    """Return T_i = Σ_{j,δ} |(A A*)_ij(δ)|, so that A A* <= diag(T)."""
    # A symmetric operator whose rows sum to at most T_i in absolute value is diagonally
    # dominated: T - A A* >= 0 for circular images of every size. A zero-padded map is a
    # circular one on a larger image between an extension by zeros and a restriction, so
    # the bound holds there, too.
    # Computed in float64, inflated by what rounding may hide, and kept away from zero so
    # that T⁻¹ stays finite in the dtype of the weight.
    # Araujo, Havens, Delattre, Allauzen and Hu 2023 for the matrix case.
    weight = stencil.weight
    with without_autocast(weight):
        wide = weight.dtype in (torch.float32, torch.float64)
        kernel = layered(weight if wide else weight.float())
        # Compilers write derivatives themselves, and do not take hand-written ones.
        compiling = torch.compiler.is_compiling()
        sums = _sums(kernel)[0] if compiling else _RowSums.apply(kernel)[0]
    return sums * (1 + _rounding(stencil)) + _floor(weight.dtype)


def entry_bound(stencil: Stencil) -> Tensor:
    """Return T = |A| |A|ᵀ 1, |A| with the absolute values of all entries: A A* <= diag(T)."""
    # The entries of |A| |A|ᵀ are at least those of A A* in absolute value, so T is at least the
    # bound above, in a time proportional to the number of weights. Sums of positive numbers err
    # relatively, so single precision is enough: by γ_m for the m terms that follow one another.
    weight = stencil.weight
    with without_autocast(weight):
        wide = weight.dtype in (torch.float32, torch.float64)
        entries = weight if wide else weight.float()
        rows = _EntryRows.apply(entries) if is_plain() else _entry_rows(_sizes(entries))
    outer, inner, *kernel = weight.shape
    terms = outer + inner + 2 * math.prod(kernel) + 4
    return rows.double() * (1 + terms * torch.finfo(entries.dtype).eps) + _floor(weight.dtype)


def _sizes(weight: Tensor) -> Tensor:
    """Return the absolute values, summed over taps: (out, in)."""
    sizes = weight.abs()
    return sizes.flatten(2).sum(2) if weight.ndim > 2 else sizes


def _entry_rows(sizes: Tensor) -> Tensor:
    return (sizes * sizes.sum(0)).sum(1)


class _EntryRows(torch.autograd.Function):
    """|A| |A|ᵀ 1 with a backward pass of few passes over A, differentiable again."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        sizes = _sizes(weight)
        return sizes.mul_(sizes.sum(0)).sum(1)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        # ∂/∂|a_ij| Σ_i g_i T_i = g_i s_j + u_j with the sums s of columns and u = |A|ᵀ g
        (weight,), slope = ctx.saved_tensors, slopes[0]
        with without_autocast(weight):
            sizes = _sizes(weight)
            change = torch.addr(slope @ sizes, slope, sizes.sum(0))
            change = change.reshape(*sizes.shape, *(1,) * (weight.ndim - 2))
            if torch.is_grad_enabled() or weight.ndim > 2:
                return change * weight.detach().sign()
            # fresh memory costs more than what fills it
            return change.mul_(torch.sign(weight, out=sizes))


def row_bounds(stencils: Sequence[Stencil]) -> Tensor:
    """Return the row bounds of maps of one shape in one batch: (maps, out), float64."""
    # The same numbers as `row_bound`, up to rounding, in fewer and larger products.
    if len(stencils) == 1 or torch.compiler.is_compiling():  # a compiler fuses by itself
        return torch.stack([row_bound(stencil) for stencil in stencils])
    first = stencils[0]
    kernels = torch.stack([stencil.weight for stencil in stencils])
    return torch.func.vmap(lambda weight: row_bound(replace(first, weight=weight)))(kernels)


def _sums(kernel: Tensor) -> tuple[Tensor, ...]:
    """Return Σ_{j,δ} |R_ij(δ)| in float64, and the signs of R for every δ₁ >= 0."""
    exact = kernel.double()
    products = correlations(exact, exact)
    return _row_sums([r.abs() for r in products]), *(r.sign().to(kernel.dtype) for r in products)


def _row_sums(products: Sequence[Tensor]) -> Tensor:
    """Return Σ_{j,δ} M_ij(δ) from half of the offsets, M(-δ) = M(δ)ᵀ."""
    sums = products[0].sum(dim=(0, 2))
    for product in products[1:]:
        sums = sums + product.sum(dim=(0, 2)) + product.sum(dim=(0, 1))
    return sums


class _RowSums(torch.autograd.Function):
    """The row sums, with a backward pass of few products."""

    # T_i = Σ_{j,δ} s_ij(δ) R_ij(δ) with signs s that are locally constant: T is quadratic in W
    # between its kinks, and every derivative here is differentiable again. The bound is
    # summed in float64; derivatives prove nothing, and stay in the dtype of the kernel.

    generate_vmap_rule = True

    @staticmethod
    def forward(kernel: Tensor) -> tuple[Tensor, ...]:
        return _sums(kernel)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs, *output[1:])
        ctx.save_for_forward(*inputs, *output[1:])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Tensor | None:
        kernel, *signs = ctx.saved_tensors
        slope = gradients[0]
        if slope is None:
            return None
        return _spread(_factors(signs, slope.to(kernel.dtype)), kernel)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> tuple[Tensor | None, ...]:
        kernel, *signs = ctx.saved_tensors
        # Not in plain operations: those of a jvp are invisible to a second forward derivative.
        return _Change.apply(tangent, kernel, *signs), *(None for _ in signs)


class _Change(torch.autograd.Function):
    """Σ_{j,δ} s_ij(δ) (V ⋆ W + W ⋆ V)_ij(δ), symmetric and bilinear: the change of T along V."""

    generate_vmap_rule = True

    @staticmethod
    def forward(change: Tensor, kernel: Tensor, *signs: Tensor) -> Tensor:
        pairs = zip(correlations(change, kernel), correlations(kernel, change), strict=True)
        return _row_sums([s * (a + b) for s, (a, b) in zip(signs, pairs, strict=True)]).double()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        del output
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        change, kernel, *signs = ctx.saved_tensors
        factors = _factors(signs, gradients[0].to(kernel.dtype))
        return _spread(factors, kernel), _spread(factors, change), *(None for _ in signs)

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
        change, kernel, *signs = ctx.saved_tensors
        pairs = zip(tangents[:2], (kernel, change), strict=True)
        return _sum([_Change.apply(t, other, *signs) for t, other in pairs if t is not None])


def _factors(signs: Sequence[Tensor], slope: Tensor) -> list[Tensor]:
    """Return s_ij (g_i + g_j)."""
    return [s * (slope[:, None] + slope) for s in signs]


def _spread(factors: Sequence[Tensor], kernel: Tensor) -> Tensor:
    """Return Σ_δ S(δ) W(t-δ) over all offsets, S(-δ) = S(δ)ᵀ: half the derivative of Σ S·R."""
    # For one δ₁ the rest is a product with a block Toeplitz matrix, which a kernel with
    # mirrored axes turns into a block Hankel matrix: a view of S.
    *rest, _, first, inner = kernel.shape
    axes = list(range(len(rest)))
    parts: list[list[Tensor]] = [[] for _ in range(first)]  # of the result, by t₁
    for d, factor in enumerate(factors):
        matrix = _hankel(factor, rest)
        source = _mirrored(kernel[..., : first - d, :], axes).reshape(len(matrix), -1)
        for t, part in enumerate((matrix @ source).split(inner, dim=-1)):
            parts[t + d].append(part)
        if d:  # -δ
            product = matrix.T @ kernel[..., d:, :].reshape(len(matrix), -1)
            product = _mirrored(product.reshape(*kernel.shape[:-2], -1), axes)
            for t, part in enumerate(product.reshape(len(matrix), -1).split(inner, dim=-1)):
                parts[t].append(part)
    return torch.cat([_sum(part) for part in parts], dim=-1).reshape(kernel.shape)


def _sum(parts: Sequence[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _mirrored(x: Tensor, axes: list[int]) -> Tensor:
    return x.flip(axes) if axes else x


def _hankel(factor: Tensor, rest: Sequence[int]) -> Tensor:
    """Return the matrix of S(a + b - (k-1)) for places a, b: (rest · out, rest · out)."""
    outer = factor.shape[-1]
    windows = factor.reshape(*(2 * k - 1 for k in rest), outer, outer).movedim(-2, 0)
    places, rows = len(rest), outer
    for k in reversed(rest):
        # One more a comes first and b takes the place of the offset: (a..., out, b..., out).
        windows = torch.stack([windows.narrow(places, a, k) for a in range(k)])
        rows *= k
    return windows.reshape(rows, rows)


def _rounding(stencil: Stencil) -> float:
    """Return the relative allowance for rounding."""
    # Every R_ij(δ) is an inner product of at most m = in·K terms, K taps, so the errors
    # of row i and j sum to at most γ_m K ‖W_i‖‖W_j‖ over δ. As a quadratic form that is below
    # γ_m K out Σ ‖W_i‖² y_i², and ‖W_i‖² = R_ii(0) is part of T_i.
    taps = 1
    for k in stencil.kernel_size:
        taps *= k
    outer, inner = stencil.weight.shape[:2]
    terms = inner * taps * taps * outer
    return 2 * (terms + 2 * taps * outer) * torch.finfo(torch.float64).eps


def _floor(dtype: torch.dtype) -> float:
    """Return a positive number whose inverse, squared, is finite: zero rows need one."""
    info = torch.finfo(dtype)
    return max(info.eps**2, info.tiny)
