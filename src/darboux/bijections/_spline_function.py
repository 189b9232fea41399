"""Splines as one node of the graph."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from darboux.bijections._rational_quadratic import Bins, Evaluated, Piece, Shape, evaluate
from darboux.solvers._transforms import again, in_batches


@final
class SplineFunction(torch.autograd.Function):
    """(x, raw, bins, inverse) -> (y, log|dy/dx|), with derivatives by hand."""

    # Where the backward pass is to be differentiated itself, or has a batch of gradients, PyTorch's
    # derivatives take over.
    # Durkan et al. 2019, neural spline flows.

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        raw: Tensor,
        bins: Bins,
        inverse: bool,  # noqa: FBT001
    ) -> tuple[Tensor, Tensor]:
        """Evaluate, and keep the bins."""
        at = evaluate(bins, x, bins.rows(raw), inverse=inverse)
        ctx.bins, ctx.inverse = bins, inverse
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, raw, at.inside, at.theta, *at.piece)
        return at.value, at.log_slope

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """Return the gradients of x and of the parameters."""
        x, raw, inside, theta, *piece = ctx.saved_tensors
        value, log_slope = gradients
        if value is None and log_slope is None:
            return None, None, None, None
        if torch.is_grad_enabled() or in_batches(value, log_slope):

            def evaluated(x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
                found = evaluate(ctx.bins, x, ctx.bins.rows(raw), inverse=ctx.inverse)
                return found.value, found.log_slope

            return (*again(evaluated, (x, raw), gradients), None, None)
        at = Evaluated(x, x, inside, theta, Piece(*piece))
        found = SplineGradients(ctx.bins, at)
        back, rows = _of_inverse(found, *gradients) if ctx.inverse else found.pull(*gradients)
        return back, ctx.bins.columns(rows), None, None


def _of_inverse(
    found: SplineGradients, value: Tensor | None, log_slope: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return gradients through x = γ⁻¹(y, θ): dx = (dy - ∂γ/∂θ dθ)/S, and l = -log S at x."""
    weight = None if log_slope is None else -log_slope
    total = value
    if weight is not None:
        by_x = weight * found.log_slope_by_x()
        total = by_x if value is None else value + by_x
    assert total is not None  # one of both is there
    back = total / found.slope()
    return back, found.pull(-back, weight)[1]


@final
class SplineGradients:
    """Derivatives of y = γ(x, θ) and l = log|∂γ/∂x| at points where the spline was evaluated."""

    # In a bin, with the letters of `Shape`: ∂R/∂θ = S/δ, ∂R/∂δ = (θ² - R(1 - 2q))/D,
    # ∂R/∂d₀ = q(1 - R)/D, ∂R/∂d₁ = -qR/D, and l = 2 log δ + log B - 2 log D.

    def __init__(self, bins: Bins, at: Evaluated) -> None:
        self.bins, self.at = bins, at
        self.width, self.height = at.piece.size.unbind(0)
        self.ratio = self.height / self.width
        self.shape = Shape(at.theta, self.ratio, *at.piece.slopes.unbind(0))
        self.inverse_below = self.shape.below.reciprocal()
        self.inverse_above = self.shape.above.reciprocal()
        self.rise_by_theta = (self.ratio * self.shape.above) * self.inverse_below.square()

    def slope(self) -> Tensor:
        """Return dy/dx, 1 outside."""
        return torch.addcmul(1 - self.at.inside, self.at.inside, self.ratio * self.rise_by_theta)

    def log_slope_by_x(self) -> Tensor:
        """Return dl/dx, 0 outside."""
        scale = 0.5 / self.bins.tail
        return self._log_slope_by_theta() * self.at.inside * scale / self.width

    def pull(self, value: Tensor | None, log_slope: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the gradients with respect to x and to the rows of parameters."""
        at, scale = self.at, 2 * self.bins.tail
        rise = self.height * (0.0 if value is None else value * at.inside * scale)
        weight = None if log_slope is None else log_slope * at.inside
        theta = rise * self.rise_by_theta
        if weight is not None:
            theta = torch.addcmul(theta, weight, self._log_slope_by_theta())
        left = theta / self.width
        x = left / scale
        if value is not None:
            x = x + value * (1 - at.inside)
        return x, self._rows(rise, weight, left)

    def _log_slope_by_theta(self) -> Tensor:
        """Return ∂l/∂θ = B_θ/B - 2 D_θ/D."""
        theta, shape = self.at.theta, self.shape
        d0, d1 = self.at.piece.slopes.unbind(0)
        odd = 1 - 2 * theta
        above = torch.addcmul(d1 * theta, d0, theta - 1)
        above = torch.addcmul(above, self.ratio, odd) * self.inverse_above
        return 2 * torch.addcmul(above, shape.bend * odd, self.inverse_below, value=-1)

    def _rows(self, rise: Tensor, weight: Tensor | None, left: Tensor) -> Tensor:
        """Return the gradient of the parameters."""
        ratio, slopes = self._of_value(rise)
        if weight is not None:
            more, others = self._of_log_slope(weight)
            ratio, slopes = ratio + more, slopes + others
        ratio, bottom = ratio / self.width, rise / self.height
        height = torch.addcmul(ratio, bottom, self.shape.rise)
        width = torch.addcmul(left * self.at.theta, ratio, self.ratio).neg()
        size, start = torch.stack((width, height)), torch.stack((-left, bottom))
        return self._parameters(size, start, slopes)

    def _of_value(self, rise: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of R with respect to δ and to both slopes."""
        shape, common = self.shape, rise * self.inverse_below
        ratio = common * (shape.square - shape.rise * (1 - 2 * shape.mixed))
        second = common * shape.mixed * shape.rise
        return ratio, torch.stack((common * shape.mixed - second, -second))

    def _of_log_slope(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of l with respect to δ and to both slopes."""
        shape = self.shape
        above, twice = weight * self.inverse_above, 2 * weight * self.inverse_below
        bent = twice * shape.mixed
        ratio = 2 * (weight / self.ratio + above * shape.mixed + bent) - twice
        return ratio, above * torch.stack((shape.rest_square, shape.square)) - bent

    def _parameters(self, size: Tensor, start: Tensor, slopes: Tensor) -> Tensor:
        """Return the gradient of the raw parameters from that of the bin."""
        bins, piece = self.bins, self.at.piece
        rows = piece.sizes.new_empty(bins.parameters, *piece.number.shape[1:])
        both, inner = rows[: 2 * bins.count].unflatten(0, (2, -1)), rows[2 * bins.count :]
        last = bins.count - 1
        here = torch.empty_like(both[0])  # 1 in the bin of an entry, else 0
        torch.sub(1, piece.steps[0], out=here[0])
        torch.sub(piece.steps[:-1], piece.steps[1:], out=here[1:last])
        here[last] = piece.steps[-1]
        # a size moves the start of the bins after it, and its own bin
        both[:, last].zero_()
        torch.mul(piece.steps, start.unsqueeze(1), out=both[:, :last])
        both.addcmul_(here, size.unsqueeze(1))
        mean = start * self._share(piece.start, piece.number) + size * self._share(piece.size)
        both.sub_(mean.unsqueeze(1)).mul_(self._free(piece.sizes))
        # softplus' = 1 - exp(-softplus); at the tails there is nothing to learn
        first, second = (slopes * -torch.expm1(bins.min_slope - piece.slopes)).unbind(0)
        torch.mul(here[1:], first, out=inner).addcmul_(here[:-1], second)
        return rows

    def _free(self, sizes: Tensor, number: Tensor | None = None) -> Tensor:
        """Return what softmax gave to a bin, or to all those before."""
        width, height = self.bins.smallest()
        count = 1 if number is None else number[0].to(sizes.dtype)
        if width != height:
            return torch.stack((sizes[0] - count * width, sizes[1] - count * height))
        return sizes - count * width

    def _share(self, sizes: Tensor, number: Tensor | None = None) -> Tensor:
        """Return the same, as shares of what softmax has to give."""
        free, (width, height) = self._free(sizes, number), self.bins.smallest()
        count = self.bins.count
        if width != height:
            return torch.stack((free[0] / (1 - count * width), free[1] / (1 - count * height)))
        return free * (1 / (1 - count * width))
