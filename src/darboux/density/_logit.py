"""The logit map: from an interval to the real line."""

from __future__ import annotations

import math
from typing import Annotated, final

import torch
from torch import Tensor
from torch.distributions import constraints
from torch.nn import functional as F

from darboux.bijections import Bijection
from darboux.bijections._bijection import in_wide
from darboux.solvers._transforms import nesting
from darboux.structure import Claim, Claims, Gap, Invertible, Kind, LogDeterminant
from darboux.structure._arguments import Within, checked

Margin = Annotated[float, Within("a number of 0 or more, below 1/2", least=0, below=0.5)]


@final
class LogitTransform(Bijection):
    """The map y = log(s/(1 - s)), s = α + (1 - 2α) x, of each entry, for data in [0, 1].

    log|det| = Σ log(1 - 2α) - log s - log(1 - s), and the inverse is a sigmoid. The domain is
    the open interval from -α/(1 - 2α) to 1 + α/(1 - 2α), which has [0, 1] in its inside if
    α > 0: there the map and its derivatives are finite. So a flow behind it gives a little mass to
    numbers outside of [0, 1], and what it gives to [0, 1] is bounded by 1.

    Far in the tails of y the inverse reaches the ends of the interval up to rounding; no number
    format brings such a y back.

    Shapes: x and y are (batch, channels, *space) of one shape; log-determinants are (batch,).

    Source: Dinh, Sohl-Dickstein and Bengio 2017, Density estimation using Real NVP, section 4.1.

    Args:
        alpha: 0 <= α < 1/2.

    Raises:
        ValueError: if α lies outside; in a call, if an entry of x lies outside of the domain.

    Example:
        >>> logit = LogitTransform()
        >>> logit(torch.tensor([[0.0, 0.5, 1.0]]))
        tensor([[-2.9444,  0.0000,  2.9444]])
    """

    @checked
    def __init__(self, alpha: Margin = 0.05) -> None:
        super().__init__()
        self.alpha = alpha

    @property
    def support(self) -> constraints.Constraint:
        """The domain: the interval from -α/(1 - 2α) to 1 + α/(1 - 2α)."""
        reach = self.alpha / (1 - 2 * self.alpha)
        return constraints.interval(-reach, 1 + reach)

    def forward_and_log_det(
        self, x: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of x and the log-determinants, (batch,)."""
        del context  # without parameters
        y, log_det = in_wide(self, x, self._logit)
        return y, log_det

    def inverse_and_log_det(
        self, y: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return x and the log-determinants of the inverse, (batch,)."""
        del context  # without parameters
        x, log_det = in_wide(self, y, self._sigmoid)
        return x, log_det

    def _logit(self, x: Tensor) -> tuple[Tensor, Tensor]:
        s = self.alpha + (1 - 2 * self.alpha) * x
        self._check(s)
        # 1 - s from x itself: close to 1 the subtraction from 1 would lose digits
        rest = self.alpha + (1 - 2 * self.alpha) * (1 - x)
        log_s, log_rest = s.log(), rest.log()
        log_det = math.log1p(-2 * self.alpha) - log_s - log_rest
        return log_s - log_rest, log_det.flatten(1).sum(dim=1)

    def _sigmoid(self, y: Tensor) -> tuple[Tensor, Tensor]:
        x = (y.sigmoid() - self.alpha) / (1 - 2 * self.alpha)
        log_det = -math.log1p(-2 * self.alpha) - F.softplus(y) - F.softplus(-y)
        return x, log_det.flatten(1).sum(dim=1)

    def claims(self) -> Claims:
        """Return that it is invertible, with an exact log-determinant."""
        reason = "the logarithm of the odds grows strictly; its inverse is a sigmoid"
        found = (Invertible(), LogDeterminant())
        gap = "the derivative grows without bound towards the ends of the interval: no Lipschitz"
        return Claims(
            tuple(Claim(s, Kind.CONSTRUCTION, reason) for s in found), (Gap("", gap + " constant"),)
        )

    def extra_repr(self) -> str:
        """Return α."""
        return f"alpha={self.alpha}"

    def _check(self, s: Tensor) -> None:
        """Refuse entries outside of the domain, where values can be looked at."""
        if torch.compiler.is_compiling() or nesting() > 0:
            return
        if not bool(((s > 0) & (s < 1)).all()):
            low, high = ((float(v) - self.alpha) / (1 - 2 * self.alpha) for v in (s.min(), s.max()))
            reach = self.alpha / (1 - 2 * self.alpha)
            msg = (
                f"LogitTransform: expected {0 - reach:g} < x < {1 + reach:g}; got values from "
                f"{low:g} to {high:g}. Scale the data to [0, 1], for instance with dequantize(), "
                "and use α > 0 where 0 or 1 occur."
            )
            raise ValueError(msg)
