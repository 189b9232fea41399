"""Convolutions whose second derivatives cost no more than a convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.autograd import Function
from torch.overrides import TorchFunctionMode

from darboux.solvers._transforms import is_plain

_DIMS = {torch.conv1d: 1, torch.conv2d: 2, torch.conv3d: 3}

_INPUT_ONLY = [True, False, False]


@final
class LeanConvolutions(TorchFunctionMode):
    """Lets convolutions with constant kernels be differentiated twice at no more than that cost."""

    # Whoever differentiates the backward pass of torch's own also waits for derivatives by the
    # kernel, ten times as long as for those by the input, although nobody asks for them.

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        del types
        kwargs = kwargs or {}
        dim = _DIMS.get(func)
        if dim is not None and len(args) > 1 and _is_simple(*args, **kwargs):
            return _convolved(dim, *args, **kwargs)
        return func(*args, **kwargs)


def _is_simple(x: Tensor, weight: Tensor, *options: Any, **named: Any) -> bool:
    """Return whether only the input of a convolution is differentiated, by autograd alone."""
    given = (*options, *named.values())
    return (
        torch.is_grad_enabled()
        and x.requires_grad
        and x.ndim == weight.ndim
        and not any(isinstance(one, str) for one in given)  # paddings by name
        and not any(t.requires_grad for t in (weight, *given) if isinstance(t, Tensor))
        and not torch.is_autocast_enabled(x.device.type)
        and is_plain()
    )


def _convolved(
    dim: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    given = (stride, padding, dilation)
    sizes = [[*n] if isinstance(n, Sequence) else [int(n)] * dim for n in given]
    value: Tensor = _Convolution.apply(x, weight, bias, (*sizes, False, [0] * dim, groups))
    return value


class _Convolution(Function):
    """A x + b."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, options: Any) -> Tensor:
        """Return A x + b."""
        ctx.save_for_backward(x, weight)
        ctx.options = options
        return torch.ops.aten.convolution(x, weight, bias, *options)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """Return A* y."""
        x, weight = ctx.saved_tensors
        transposed = _Transposed.apply if torch.is_grad_enabled() else _transposed
        return transposed(slopes[0], x, weight, ctx.options), None, None, None


class _Transposed(Function):
    """A* y."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, weight: Tensor, options: Any) -> Tensor:
        """Return A* y, with the shape of x."""
        ctx.save_for_backward(weight)
        ctx.options = options
        return _transposed(y, x, weight, options)

    @staticmethod
    def backward(ctx: Any, *tangents: Tensor) -> tuple[Tensor | None, ...]:
        """Return A x."""
        (weight,) = ctx.saved_tensors
        return _Convolution.apply(tangents[0], weight, None, ctx.options), None, None, None


def _transposed(y: Tensor, x: Tensor, weight: Tensor, options: Any) -> Tensor:
    slope: Tensor = torch.ops.aten.convolution_backward(y, x, weight, None, *options, _INPUT_ONLY)[
        0
    ]
    return slope
