"""Products of vectors with the Jacobian of f, and the series of the logarithm that they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.autograd import forward_ad

from darboux.bijections._layered import Layered
from darboux.solvers._transforms import is_plain, nesting, refuse_export

Map = Callable[[Tensor], Tensor]

ProbeDistribution = Literal["rademacher", "normal"]

SeriesGradient = Literal["neumann", "backpropagation"]

_TWICE = (
    "Expected first derivatives of an estimated log-determinant; got a backward pass with "
    "create_graph=True, but the Neumann series is a first derivative only. Use "
    "gradient='backpropagation', or ExactLogDet()."
)

_INFERENCE = (
    "Expected a mode in which f can be differentiated; got torch.inference_mode(), where every "
    "derivative would be zero. Use torch.no_grad()."
)

_COMPILED = (
    "Expected eager execution; got torch.compile with fullgraph=True and probes with a seed, "
    "whose generator a graph cannot hold. Use seed=None, exact traces, or ExactLogDet()."
)


class Products(Protocol):
    """v -> Jᵀ v, with its derivatives where a graph is wanted."""

    def __call__(self, v: Tensor, *, graph: bool) -> Tensor:
        """Return Jᵀ v."""


def products(f: Map, x: Tensor) -> tuple[Tensor, Products]:
    """Return f(x) and v -> f'(x)ᵀ v, with f evaluated once."""
    refuse_export("A log-determinant by derivatives")
    # By autograd; inside the transforms of `torch.func`, forward mode and compilers by
    # `torch.func`, which nests.
    if is_functional(x):
        pulled: Any = torch.func.vjp(f, x)
        value, pull = pulled
        return value, lambda v, *, graph: pull(v)[0] if graph else pull(v)[0].detach()
    if torch.is_inference_mode_enabled():
        raise RuntimeError(_INFERENCE)
    outer = torch.is_grad_enabled()
    if isinstance(f, Layered) and f.diagonal and is_plain():
        image, pull = f.linearised(x)
        return image, lambda v, *, graph: _held(pull, v, graph=graph and outer)
    with torch.enable_grad():
        # hooks of x are not called for these derivatives
        start = x.view_as(x) if outer and x.requires_grad else x.detach().requires_grad_()
        image = f(start)

    def product(v: Tensor, *, graph: bool) -> Tensor:
        if not image.requires_grad:
            return torch.zeros_like(x)
        (slope,) = torch.autograd.grad(
            image,
            start,
            v,
            retain_graph=True,
            create_graph=graph and outer,
            allow_unused=True,
            materialize_grads=True,
        )
        return slope

    return image if outer else image.detach(), product


def _held(pull: Map, v: Tensor, *, graph: bool) -> Tensor:
    with torch.set_grad_enabled(graph):
        return pull(v)


def is_functional(x: Tensor) -> bool:
    """Return whether derivatives of x are those of `torch.func`, forward mode or a compiler."""
    return (
        torch.compiler.is_compiling()
        or nesting() > 0
        or forward_ad.unpack_dual(x).tangent is not None
    )


def jacobian(product: Products, value: Tensor) -> Tensor:
    """Return f'(x) of each sample, (batch, n, n), row by row."""
    n = value.shape[1:].numel()
    eye = torch.eye(n, dtype=value.dtype, device=value.device)
    rows = [
        product(row.expand(len(value), n).reshape(value.shape), graph=True).flatten(1)
        for row in eye
    ]
    return torch.stack(rows, dim=1)


def draw_probes(
    like: Tensor, count: int, distribution: ProbeDistribution, seed: int | None
) -> list[Tensor]:
    """Return random v with E[v vᵀ] = I: Hutchinson's probes of a trace."""
    if seed is None:
        normal = [torch.randn_like(like) for _ in range(count)]
    else:
        if torch.compiler.is_compiling():
            raise RuntimeError(_COMPILED)
        source = torch.Generator(like.device).manual_seed(seed)
        one = like.new_empty(1, *like.shape[1:])
        normal = [one.clone().normal_(generator=source).expand_as(like) for _ in range(count)]
    if distribution == "normal":
        return normal
    return [torch.where(v < 0, -torch.ones_like(v), torch.ones_like(v)) for v in normal]


def log_series(
    product: Products, v: Tensor, weights: Sequence[float], gradient: Sequence[float] | None
) -> Tensor:
    """Return Σ_{k>=1} w_k (-1)^{k+1} vᵀ J^k v/k for each sample, (batch,)."""
    # With `gradient`, derivatives are those of vᵀ N J v with N = Σ_{k>=0} u_k (-1)^k J^k held
    # fixed: in expectation tr((I + J)⁻¹ ∂J), the derivative of log det, at one product with a
    # graph instead of one for each term. Without, they go through all products.
    through = gradient is None
    total = v.new_zeros(len(v))
    u, left = v, v if gradient is None else gradient[0] * v
    for k, weight in enumerate(weights, start=1):
        u = product(u, graph=through)
        total = total + (weight / k if k % 2 else -weight / k) * _inner(u, v)
        if gradient is not None and k < len(gradient):
            left = left + (-gradient[k] if k % 2 else gradient[k]) * u
    if through or not torch.is_grad_enabled():
        return total
    surrogate = _inner(product(left, graph=True), v)
    value: Tensor = _FirstOrder.apply(total.detach(), surrogate)
    return value


def _inner(u: Tensor, v: Tensor) -> Tensor:
    return (u * v).flatten(1).sum(dim=1)


class _FirstOrder(torch.autograd.Function):
    """A value with the first derivative of a surrogate, and no second one."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, surrogate: Tensor) -> Tensor:
        del ctx, surrogate
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *slope: Tensor) -> tuple[None, Tensor]:
        del ctx
        if torch.is_grad_enabled():
            raise RuntimeError(_TWICE)
        return None, slope[0]
