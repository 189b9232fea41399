"""The spline coupling layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils.checkpoint import checkpoint

from darboux.bijections._bijection import bijective
from darboux.bijections._coupling import Coupling
from darboux.bijections._coupling_law import CouplingLaw, LawPull
from darboux.bijections._matrices import Fraction
from darboux.bijections._partition import Halves, Partition
from darboux.bijections._rational_quadratic import Bins, evaluate, evaluate_fused
from darboux.bijections._spline_function import SplineFunction, SplineGradients
from darboux.solvers._transforms import nesting
from darboux.structure import Claims
from darboux.structure._arguments import Count, Positive, Within, checked

_HALVES = Halves()

UNROLLED = 16  # bins, beyond which one kernel for all of them takes too long to compile

_GAP = (
    "no global bi-Lipschitz bounds: the spline of the moved part varies with the kept part, at a "
    "rate that depends on the sub-network and on its parameters"
)


@final
class SplineCoupling(Coupling):
    """y₁ = x₁, y₂ = γ(x₂, f(x₁)) with monotone rational-quadratic splines γ, entry by entry.

    On [-tail, tail] the spline has K bins, with widths, heights and slopes at the inner knots
    from f; outside it is the identity, with slope 1. A sub-network whose output is zero gives
    the identity. The inverse solves one quadratic equation for each entry.

    Shapes: x and y are (batch, channels, *space) with 0 to 3 spatial axes; a context is
    (batch, context_features), or has the space of x as well.

    Source: section 4.1.1, equations (42) and (43); Durkan et al. 2019, neural spline flows.

    Args:
        network: f, (batch, kept channels + context_features, *space) -> (batch, (3 * bins - 1)
            * moved channels, *space): the first parameters of all channels, then the second
            ones, and so on; K for widths, K for heights, K - 1 for slopes.
        swap: whether the first part moves given the second.
        partition: what the parts are.
        context_features: of the context, which f gets after the kept channels; None without.
        bins: K >= 2.
        tail: half the length of the interval.
        min_width: of a bin, as a share of the interval.
        min_height: of a bin, as a share of the interval.
        min_slope: at a knot.

    Raises:
        TypeError: if the network is no module, or the partition is none.
        ValueError: if an option is out of range; when called, if shapes do not fit.

    Example:
        >>> import torch
        >>> layer, x = SplineCoupling(nn.Linear(1, 11), bins=4), torch.randn(3, 2)
        >>> y, log_det = layer.forward_and_log_det(x)
        >>> bool(torch.allclose(layer.inverse(y), x, atol=1e-4))
        True
    """

    @checked
    def __init__(
        self,
        network: nn.Module,
        *,
        swap: bool = False,
        partition: Partition = _HALVES,
        context_features: Count | None = None,
        bins: Annotated[int, Within("an integer of 2 or more", least=2, most=2**31 - 1)] = 8,
        tail: Positive = 3.0,
        min_width: Fraction = 1e-3,
        min_height: Fraction = 1e-3,
        min_slope: Fraction = 1e-3,
    ) -> None:
        super().__init__(
            network,
            SplineLaw(
                bins=Bins(
                    count=bins,
                    tail=tail,
                    min_width=min_width,
                    min_height=min_height,
                    min_slope=min_slope,
                )
            ),
            swap=swap,
            partition=partition,
            context_features=context_features,
        )

    def claims(self) -> Claims:
        """Return that the layer is invertible, and why there are no bounds."""
        reason = "splines increase strictly for all parameters, which depend on the kept part only"
        return bijective(reason, gap=_GAP)


@final
@dataclass(frozen=True, kw_only=True)
class SplineLaw(CouplingLaw):
    """A monotone rational-quadratic spline on [-tail, tail], the identity outside."""

    # Raw parameters are those of `Bins`; zeros give the identity. First derivatives are computed
    # by hand, those of transforms, of compilers and of higher order by PyTorch.
    # Durkan et al. 2019, neural spline flows.

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
        if _in_kernels() and self.bins.count <= UNROLLED:
            return self._fused(x, raw, inverse=inverse)
        found = evaluate(self.bins, x, self.bins.rows(raw), inverse=inverse)
        return found.value, found.log_slope

    def _fused(self, x: Tensor, raw: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """Return the same as elementwise operations of the channels of `raw`."""

        def run(x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
            rows = raw.unflatten(1, (self.bins.parameters, -1)).movedim(1, 0)
            return evaluate_fused(self.bins, x, rows, inverse=inverse)

        if not torch.is_grad_enabled() or _is_transformed():
            return run(x, raw)
        # the backward pass evaluates again: loading dozens of small tensors takes longer
        found: tuple[Tensor, Tensor] = checkpoint(
            run, x, raw, use_reentrant=False, preserve_rng_state=False
        )
        return found


def _by_hand(*tensors: Tensor) -> bool:
    """Return whether nobody but autograd, in reverse, may ask for derivatives."""
    if torch.compiler.is_compiling() or nesting() or not torch.is_grad_enabled():
        return False
    if not any(tensor.requires_grad for tensor in tensors):
        return False
    return all(forward_ad.unpack_dual(tensor).tangent is None for tensor in tensors)


def _in_kernels() -> bool:
    """Return whether a compiler makes kernels of what follows; exported graphs stay short."""
    exporting = getattr(torch.compiler, "is_exporting", bool)  # torch 2.6 cannot tell
    return torch.compiler.is_dynamo_compiling() and not exporting()


def _is_transformed() -> bool:
    """Return whether a compiler traces a transform of `torch.func`, which refuses checkpoints."""
    level = torch._C._functorch.peek_interpreter_stack()
    return isinstance(level, torch._C._functorch.CInterpreter)
