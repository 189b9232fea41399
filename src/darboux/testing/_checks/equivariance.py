"""Checks that a map commutes with the group that it says it commutes with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from darboux.structure import Equivariant
from darboux.structure._arguments import Count, checked
from darboux.symmetry._feature import scalars
from darboux.testing._checks._call import require

_LIMITS = {torch.float32: 1e-5, torch.float64: 1e-12}


@checked
def check_equivariant(
    module: nn.Module, x: Tensor, symmetry: Equivariant, *, elements: Count = 48
) -> None:
    """Assert φ(π(g) x) = π'(g) φ(x) to 1e-12 of the values in float64, 1e-5 in float32.

    On images g runs over the elements that map the grid to itself, else over all of a finite
    group and random ones of a continuous group. Promised shifts are checked, too.

    Args:
        module: φ.
        x: inputs (batch, channels, *space).
        symmetry: the group, and how x and φ(x) transform; None means scalars.
        elements: how many elements at most.

    Raises:
        AssertionError: naming an element for which the two differ.

    Example:
        >>> import darboux as dx
        >>> quarter_turns = dx.Equivariant(dx.symmetry.Cyclic(4))
        >>> check_equivariant(torch.nn.ReLU(), torch.randn(2, 1, 5, 5), quarter_turns)
    """
    with torch.no_grad():
        y = module(x)
        source = symmetry.source or scalars(symmetry.group, x.shape[1])
        target = symmetry.target or scalars(symmetry.group, y.shape[1])
        for g in source.elements(x, grid=True, count=elements, seed=0):
            _require_equal(module(source.act(g, x)), target.act(g, y), f"g = {g}")
        if symmetry.translations is None:
            return
        before, after = symmetry.translations
        for axis in range(2, x.ndim):
            shifted = y.roll(after, axis) if y.ndim > axis else y
            _require_equal(module(x.roll(before, axis)), shifted, f"shift along axis {axis}")


def _require_equal(found: Tensor, wanted: Tensor, what: str) -> None:
    require(
        found.shape == wanted.shape,
        f"{what}: expected shape {tuple(wanted.shape)}; got {tuple(found.shape)}.",
    )
    error = float((found - wanted).abs().max())
    allowed = _LIMITS[wanted.dtype] * float(wanted.abs().max())
    require(error <= allowed, f"{what}: φ(π(g) x) is {error:.3g} off; at most {allowed:.3g}.")
