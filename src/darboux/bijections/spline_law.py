"""The law of monotone rational-quadratic splines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.autograd import forward_ad

from darboux.bijections.coupling_law import CouplingLaw, LawPull
from darboux.bijections.rational_quadratic import evaluate
from darboux.bijections.spline_bins import Bins
from darboux.bijections.spline_function import SplineFunction
from darboux.bijections.spline_gradients import SplineGradients
from darboux.solvers.transforms import nesting


@final
@dataclass(frozen=True, kw_only=True)
class SplineLaw(CouplingLaw):
    """A monotone rational-quadratic spline on [-tail, tail], the identity outside.

    Raw parameters are those of `Bins`; zeros give the identity. First derivatives are computed
    by hand, those of transforms, of compilers and of higher order by PyTorch.

    Shapes: x and y are (batch, channels, *space), raw parameters (batch, (3K - 1) channels,
    *space).

    Source: Durkan et al. 2019, neural spline flows.

    Args:
        bins: K and the bounds.

    Example:
        >>> law = SplineLaw(bins=Bins(count=2))
        >>> law.forward(torch.tensor([[0.5]]), torch.zeros(1, 5))[0]
        tensor([[0.5000]])
    """

    bins: Bins

    @property
    def parameters_per_feature(self) -> int:
        """3K - 1."""
        return self.bins.parameters

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Return y and log dy/dx."""
        return self._evaluate(x, raw, inverse=False)

    def inverse(self, y: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Return x and log dx/dy."""
        return self._evaluate(y, raw, inverse=True)

    def retrace(self, y: Tensor, raw: Tensor) -> tuple[Tensor, LawPull]:
        """Return x and what pulls gradients back, all from one search for the bins."""
        at = evaluate(self.bins, y, self.bins.rows(raw), inverse=True)

        def pull(gradient: Tensor, slope_gradient: Tensor | None) -> tuple[Tensor, Tensor]:
            back, rows = SplineGradients(self.bins, at).pull(gradient, slope_gradient)
            return back, self.bins.columns(rows)

        return at.value, pull

    def _evaluate(self, x: Tensor, raw: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        if _by_hand(x, raw):
            return SplineFunction.apply(x, raw, self.bins, inverse)
        found = evaluate(self.bins, x, self.bins.rows(raw), inverse=inverse)
        return found.value, found.log_slope


def _by_hand(*tensors: Tensor) -> bool:
    """Return whether nobody but autograd, in reverse, may ask for derivatives."""
    if torch.compiler.is_compiling() or nesting() or not torch.is_grad_enabled():
        return False
    if not any(tensor.requires_grad for tensor in tensors):
        return False
    return all(forward_ad.unpack_dual(tensor).tangent is None for tensor in tensors)
