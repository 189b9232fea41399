"""What keeps forward mode right when it is differentiated again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Formula = Callable[..., Tensor]


def nested(formula: Formula, *tensors: Tensor) -> Tensor:
    """Return formula(*tensors), for use inside `jvp` of a custom function.

    torch turns forward mode off there, also that of the levels around: jvp of jvp would lose what
    ordinary operations add, and be 0 in silence. Custom functions turn it on again.
    """
    return _Nested.apply(formula, *tensors)


def total(terms: Sequence[Tensor]) -> Tensor:
    """Return the sum, for use inside `jvp` as well."""
    return nested(lambda *terms: torch.stack(terms).sum(0), *terms) if len(terms) > 1 else terms[0]


def solved(a: Tensor, b: Tensor) -> Tensor:
    """Return A⁻¹ b, (*batch, n, k), with all derivatives.

    Those of `torch.linalg.solve` lose terms, in silence, where its forward mode is differentiated.
    """
    return torch.linalg.lu_solve(*torch.linalg.lu_factor(a), b)


def log_abs_det(a: Tensor) -> Tensor:
    """Return log|det A|, (*batch,), with all derivatives, which `slogdet` has not."""
    factors = torch.linalg.lu_factor_ex(a)[0]
    return factors.diagonal(dim1=-2, dim2=-1).abs().log().sum(-1)


class _Nested(torch.autograd.Function):
    """A formula as a custom function, whose derivatives are formulas again."""

    generate_vmap_rule = True

    @staticmethod
    def forward(formula: Formula, *tensors: Tensor) -> Tensor:
        return formula(*tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        del output
        ctx.formula = inputs[0]
        ctx.save_for_backward(*inputs[1:])
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, k: Tensor) -> tuple[Tensor | None, ...]:
        return None, *torch.func.vjp(ctx.formula, *ctx.saved_tensors)[1](k)

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: Tensor | None) -> Tensor:
        tensors, formula = ctx.saved_tensors, ctx.formula
        moving = [i for i, tangent in enumerate(tangents) if tangent is not None]
        directions = [tangent for tangent in tangents if tangent is not None]

        def change(*both: Tensor) -> Tensor:
            points = list(both[: len(tensors)])

            def along(*some: Tensor) -> Tensor:
                for i, tensor in zip(moving, some, strict=True):
                    points[i] = tensor
                return formula(*points)

            start = tuple(points[i] for i in moving)
            return torch.func.jvp(along, start, both[len(tensors) :])[1]

        return nested(change, *tensors, *directions)
