"""The row bound: a diagonal above A A*, without any iteration."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.linear.autocorrelation import autocorrelation
from darboux.linear.stencil import Stencil


def row_bound(stencil: Stencil) -> Tensor:
    """Return T_i = Σ_{j,δ} |(A A*)_ij(δ)|, so that A A* <= diag(T).

    A symmetric operator whose rows sum to at most T_i in absolute value is diagonally
    dominated: T - A A* >= 0 for circular images of every size. A zero-padded map is a
    circular one on a larger image between an extension by zeros and a restriction, so
    the bound holds there, too.

    Computed in float64, inflated by what rounding may hide, and kept away from zero so
    that T⁻¹ stays finite in the dtype of the weight.

    Shapes: (out,), float64.

    Source: Araujo, Havens, Delattre, Allauzen and Hu 2023 for the matrix case.

    Example:
        >>> import torch
        >>> row_bound(Stencil(torch.eye(2), (), "zeros")).round(decimals=6)
        tensor([1., 1.], dtype=torch.float64)
    """
    weight = stencil.weight
    with torch.autocast(weight.device.type, enabled=False):
        products, share = autocorrelation(weight.double())
        sizes = products.abs() @ share
        sums = sizes.sum(dim=1) + sizes.sum(dim=0)
    return sums * (1 + _rounding(stencil)) + _floor(weight.dtype)


def _rounding(stencil: Stencil) -> float:
    """Return the relative allowance for rounding.

    Every R_ij(δ) is an inner product of at most m = in·K terms, K taps, so the errors
    of row i and j sum to at most γ_m K ‖W_i‖‖W_j‖ over δ. As a quadratic form that is below
    γ_m K out Σ ‖W_i‖² y_i², and ‖W_i‖² = R_ii(0) is part of T_i.
    """
    taps = 1
    for k in stencil.kernel:
        taps *= k
    outer, inner = stencil.weight.shape[:2]
    terms = inner * taps * taps * outer
    return 2 * (terms + 2 * taps * outer) * torch.finfo(torch.float64).eps


def _floor(dtype: torch.dtype) -> float:
    """Return a positive number whose inverse, squared, is finite: zero rows need one."""
    info = torch.finfo(dtype)
    return max(info.eps**2, info.tiny)
