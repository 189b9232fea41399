"""Bounds of the largest and the smallest singular value over all frequencies, proved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from darboux.linear._frequencies import samples_for, slack
from darboux.linear._gram import GramSamples
from darboux.linear._orbits import grid_moves, representatives
from darboux.linear._prove import largest, simple_enough
from darboux.linear._stencil import Stencil
from darboux.solvers._transforms import are_constant
from darboux.structure import Equivariant

_REFUSAL = (
    "Expected first derivatives of norm_bound() for a map with more than 256 channels; got a "
    "second one, which needs all singular values. Use row_bound(), or detach the bound."
)


_POINTS = {1: 128, 2: 32, 3: 12}  # samples per axis for the smallest one


def norm_bound(stencil: Stencil, symmetry: Equivariant | None = None) -> Tensor:
    """Return a number >= ‖A‖₂ on every image size, circular or zero-padded: float64, ()."""
    # Where the taps sit does not matter; see `kernel_bound`.
    return kernel_bound(stencil.weight, symmetry)


def kernel_bound(
    weight: Tensor, symmetry: Equivariant | None = None, *, samples: Sequence[int] | None = None
) -> Tensor:
    """Return a number >= the norm of a convolution with this kernel: float64, ()."""
    # The supremum over all frequencies of the symbol's largest singular value is at most
    # its maximum over N > 2d samples per axis times Π 1/cos(πd/N), d = (k-1)/2; N is chosen
    # so that bound and supremum differ by less than 5 %, and by less than 1 % without
    # spatial axes.
    # First and second derivatives are those of the largest singular value at the top
    # sample, up to the factor of the bound; nothing is differentiated through an iteration.
    # Where that value is double, there is no second derivative: entries come out above 1e200,
    # infinite or NaN. A dense skew-symmetric matrix is always such a case. Above 256 channels
    # (the smaller number counts) there are first derivatives only.
    if not weight.numel():
        return torch.zeros((), dtype=torch.float64, device=weight.device)
    if weight.is_meta:  # nothing is known of it, and whoever asks may want a number
        return torch.full((), torch.inf, dtype=torch.float64, device="cpu")
    if weight.is_complex():  # a + ib acts on pairs as (a, -b; b, a), with the same norm
        rows = (weight.real, -weight.imag), (weight.imag, weight.real)
        weight, symmetry = torch.cat([torch.cat(row, dim=1) for row in rows]), None
    with torch.autocast(weight.device.type, enabled=False):
        # detach, not no_grad: forward-mode derivatives would pass through the latter.
        # A compiler, or a mode of fake tensors, would follow the look at the group; without it
        # there are more samples.
        watched = torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack()
        known = symmetry is not None and not watched
        moves = grid_moves(symmetry, weight.ndim - 2) if known else []
        points = list(samples or samples_for(weight.shape[2:]))
        if are_constant(weight):
            found = _proved(weight.detach(), points, moves)
            return weight.new_tensor(found.bound if found else 0.0, dtype=torch.float64)
        bound, waves, u, resolvent = _norm_bound(weight.detach(), points, moves)
        kernel = (weight if _wide(weight) else weight.transpose(0, 1)).double()
        square = _eigenvalue(kernel, waves.detach(), u.detach(), resolvent.detach())
        # √(1 + m) = 1 + m/2 - m²/8 + ..., where m = 0 but for its derivatives.
        m = square / square.detach().clamp(min=torch.finfo(torch.float64).tiny) - 1
        if not simple_enough(min(weight.shape[:2])):
            m = _first_order(m)
        return bound.detach() * (1 + m * (0.5 - 0.125 * m))


def smallest_bound(stencil: Stencil) -> Tensor:
    """Return μ >= 0 with ‖A x‖ >= μ ‖x‖ on every image: float64, ()."""
    # Without taps beyond the centre it is the smallest singular value of a matrix. For
    # circular maps it is the least over a frequency grid, minus what may happen between
    # the samples: |σ_min(A(ξ)) - σ_min(A(ξ'))| <= ‖A(ξ) - A(ξ')‖ <= Σ_a d_a ‖A‖ |ξ_a - ξ'_a|
    # (Bernstein), d = (k-1)/2 after centring the kernel. Truncation by zero padding may
    # lower it to anything, so nothing is concluded there.
    outer, inner = stencil.weight.shape[:2]
    pointwise = all(k == 1 for k in stencil.kernel_size)
    if outer < inner or (stencil.padding_mode == "zeros" and not pointwise):
        return stencil.weight.new_zeros((), dtype=torch.float64)
    with torch.autocast(stencil.weight.device.type, enabled=False):
        if pointwise:
            least = torch.linalg.svdvals(stencil.weight.double().reshape(outer, inner))[-1]
            gap = 0.0
        else:
            n = _POINTS[stencil.dim]
            least = torch.linalg.svdvals(stencil.symbol(n))[:, -1].amin()
            gap = sum((k - 1) / 2 for k in stencil.kernel_size) * math.pi / n
        rounding = (
            8 * (outer + inner) * math.prod(stencil.kernel_size) * torch.finfo(torch.float64).eps
        )
        return (least - (gap + rounding) * norm_bound(stencil)).clamp(min=0)


def _wide(weight: Tensor) -> bool:
    return weight.shape[0] <= weight.shape[1]


def _eigenvalue(kernel: Tensor, waves: Tensor, u: Tensor, resolvent: Tensor) -> Tensor:
    """Return λ(W) = ‖A* u‖² + (G u)* R (G u), G = A A*, with fixed u and R: ()."""
    # At the kernel where u is the top eigenvector of G and R = Σ_j v_j v_j* / (λ - λ_j) over
    # the others, this has the value and the first two derivatives of the eigenvalue, for
    # R u = 0. Complex numbers are pairs of real ones, A = C + iS the matrix (C, -S; S, C).
    blocks = 1 if waves.shape[-1] == 1 else 2
    outer, inner = kernel.shape[:2]
    taps = kernel.reshape(outer * inner, -1)
    symbol = taps * waves if blocks == 1 else taps @ waves
    symbol = symbol.reshape(outer, inner, blocks, blocks).permute(2, 0, 3, 1)
    symbol = symbol.reshape(blocks * outer, blocks * inner)
    w = u @ symbol
    square = w @ w
    if not resolvent.numel():
        return square
    image = symbol @ w
    moved = image - image.detach()  # R G u is zero, but for its derivatives
    return square + moved @ (resolvent @ moved)


@torch.library.custom_op(
    "darboux::norm_bound",
    mutates_args=(),
    schema="(Tensor weight, int[] samples, Tensor[] moves) -> (Tensor, Tensor, Tensor, Tensor)",
)
def _norm_bound(weight: Tensor, samples: list[int], moves: list[Tensor]) -> tuple[Tensor, ...]:
    """Return the bound, and what `_eigenvalue` needs, for one kernel (out, in, *kernel)."""
    found = _proved(weight, samples, moves)
    if found is None:
        return tuple(weight.new_zeros(shape, dtype=torch.float64) for shape in _shapes(weight))
    with torch.no_grad():
        gram, vectors = found.gram, found.vectors
        cosine, sine = gram.waves(found.top)
        if len(cosine) == 1:
            waves, basis = cosine[:, None], vectors
        else:
            waves = torch.stack([cosine, -sine, sine, cosine], dim=1)
            basis = torch.cat([vectors.real, vectors.imag])
        exact = simple_enough(gram.size)
        resolvent = _resolvent(found.values, basis) if exact else gram.kernel[:0, 0]
        bound = gram.kernel.new_tensor(found.bound)
        parts = bound, waves / found.scale, basis[:, -1].clone(), resolvent
        return tuple(x.reshape(shape) for x, shape in zip(parts, _shapes(weight), strict=True))


class _Proved(NamedTuple):
    """A bound, and eigenpairs at the sample where the norm is largest, of a kernel over a scale."""

    bound: float
    scale: float
    gram: GramSamples
    top: int
    values: Tensor
    vectors: Tensor


def _proved(weight: Tensor, samples: list[int], moves: list[Tensor]) -> _Proved | None:
    """Return what is known of one kernel (out, in, *kernel), None if it is zero."""
    with torch.no_grad(), torch.autocast(weight.device.type, enabled=False):
        kernel = weight.double()
        scale = float(kernel.abs().amax()) if kernel.numel() else 0.0
        if not math.isfinite(scale):
            msg = "Expected finite weights; got NaN or infinity. Look for the step that made them."
            raise ValueError(msg)
        if scale == 0:
            return None
        scale = max(scale, 1e-300)
        kernel = kernel / scale
        points, error = representatives(kernel, samples, moves)
        gram = GramSamples(kernel if _wide(kernel) else kernel.transpose(0, 1), samples, points)
        square, top, values, vectors = largest(gram)
        bound = square**0.5 + error
        bound *= slack(gram.taps, samples) * (1 + 8 * torch.finfo(torch.float64).eps)
        return _Proved(bound * scale, scale, gram, top, values, vectors)


def _resolvent(values: Tensor, basis: Tensor) -> Tensor:
    """Return Σ_j v_j v_j* / (λ - λ_j) over all eigenvalues but the top one, λ."""
    # Gaps that rounding can have made count as zero, and 1/0 as a number whose product with
    # zero is zero: it shows in second derivatives only.
    gaps = values[-1] - values[:-1]
    unit = 8 * len(values) * torch.finfo(torch.float64).eps * values[-1]
    inverse = torch.where(gaps > unit, 1 / gaps, 1e300)
    others = basis[:, :-1]
    resolvent = (others * inverse) @ others.T
    if len(basis) > len(values):
        real, imaginary = others.chunk(2)
        others = torch.cat([-imaginary, real])  # i v_j
        resolvent = resolvent + (others * inverse) @ others.T
    return resolvent


def _shapes(weight: Tensor) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of bound, waves, u and R."""
    taps, size = weight[:1, :1].numel(), min(weight.shape[:2])
    blocks = 1 if taps == 1 else 2
    side = blocks * size
    square = (side, side) if simple_enough(size) else (0, 0)
    return (), (taps, blocks**2), (side,), square


@_norm_bound.register_fake
def _(weight: Tensor, samples: list[int], moves: list[Tensor]) -> tuple[Tensor, ...]:
    del samples, moves
    return tuple(weight.new_empty(shape, dtype=torch.float64) for shape in _shapes(weight))


@_norm_bound.register_vmap
def _(
    info: object,
    in_dims: tuple[int | None, ...],
    weight: Tensor,
    samples: list[int],
    moves: list[Tensor],
) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    del info
    kernels = weight.movedim(in_dims[0] or 0, 0).unbind(0)
    found = zip(*(_norm_bound(kernel, samples, moves) for kernel in kernels), strict=True)
    return tuple(torch.stack(parts) for parts in found), (0, 0, 0, 0)


def _first_order(m: Tensor) -> Tensor:
    """Return m; its second derivative raises, and is NaN where a compiler wrote it."""
    if torch.compiler.is_compiling():
        return m + m.abs().pow(1.5)  # at 0 without a first derivative, with an infinite second
    return _FirstOrder.apply(m)


class _FirstOrder(torch.autograd.Function):
    """The identity, once differentiable."""

    generate_vmap_rule = True

    @staticmethod
    def forward(m: Tensor) -> Tensor:
        return m.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        del output
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, *slope: Tensor) -> Tensor:
        return slope[0] * _Slope.apply(*ctx.saved_tensors)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        return tangent * _Slope.apply(*ctx.saved_tensors)


class _Slope(torch.autograd.Function):
    """The derivative of the identity, which refuses to be differentiated."""

    generate_vmap_rule = True

    @staticmethod
    def forward(m: Tensor) -> Tensor:
        return torch.ones_like(m)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *slope: Tensor) -> Tensor:
        raise NotImplementedError(_REFUSAL)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        raise NotImplementedError(_REFUSAL)
