"""Vector-Jacobian products that forgive outputs which depend on nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def gradients_of(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Sequence[Tensor]
) -> tuple[Tensor | None, ...]:
    """Return Σ ⟨output, cotangent⟩ differentiated by each input, None where it does not depend.

    Args:
        outputs: with their graphs.
        inputs: with respect to what.
        cotangents: one for each output.

    Example:
        >>> x = torch.ones(2, requires_grad=True)
        >>> gradients_of([3 * x, torch.ones(2)], [x], [torch.ones(2), torch.ones(2)])
        (tensor([3., 3.]),)
    """
    pairs = [(o, c) for o, c in zip(outputs, cotangents, strict=True) if o.requires_grad]
    if not pairs or not inputs:
        return tuple(None for _ in inputs)
    return torch.autograd.grad(
        [output for output, _ in pairs],
        list(inputs),
        [cotangent.to(output.dtype) for output, cotangent in pairs],
        allow_unused=True,
    )
