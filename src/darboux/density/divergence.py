"""The trace of a Jacobian, exactly or by a random probe."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from darboux.bijections.jacobian_products import products

Map = Callable[[Tensor], Tensor]
Found = tuple[Tensor, Tensor, Tensor]


def exact_trace(f: Map, z: Tensor) -> Found:
    """Return f(z), tr Df(z) and ‖Df(z)‖²_F, by one derivative for each entry of a sample.

    Shapes: z and f(z) are (batch, entries), the others (batch,).

    Args:
        f: acts on every sample alone.
        z: where.

    Example:
        >>> a = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> exact_trace(lambda z: z @ a, torch.ones(1, 2))[1:]
        (tensor([5.]), tensor([30.]))
    """
    value, product = products(f, z)
    basis = torch.eye(z.shape[1], dtype=value.dtype, device=z.device)
    trace = norm = value.new_zeros(len(z))
    for i in range(z.shape[1]):
        row = product(basis[i].expand_as(value), graph=True)
        trace, norm = trace + row[:, i], norm + row.square().sum(dim=1)
    return value, trace, norm


def estimated_trace(f: Map, z: Tensor, noise: Tensor) -> Found:
    """Return f(z), and the estimates vᵀ Df(z) v and ‖Df(z)ᵀ v‖² with one probe v for each sample.

    Both are unbiased if E v vᵀ = I.

    Shapes: z, f(z) and v are (batch, entries), the others (batch,).

    Source: Hutchinson 1990; Grathwohl et al. 2019, FFJORD.

    Args:
        f: acts on every sample alone.
        z: where.
        noise: v.

    Example:
        >>> a = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> estimated_trace(lambda z: z @ a, torch.ones(1, 2), torch.ones(1, 2))[1]
        tensor([10.])
    """
    value, product = products(f, z)
    row = product(noise.to(value.dtype), graph=True)
    return value, (row * noise).sum(dim=1), row.square().sum(dim=1)


def rademacher(like: Tensor) -> Tensor:
    """Return independent entries ±1, from PyTorch's global random numbers.

    Their variance in `estimated_trace` is the smallest that independent entries can have.

    Example:
        >>> rademacher(torch.ones(2, 3)).abs().sum()
        tensor(6.)
    """
    return 2 * torch.randint_like(like, 2) - 1
