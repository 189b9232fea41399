"""Log-determinants of x + f(x), exact or estimated."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from darboux.bijections._jacobian_products import (
    Map,
    ProbeDistribution,
    SeriesGradient,
    draw_probes,
    is_functional,
    jacobian,
    log_series,
    products,
)
from darboux.solvers._nested import log_abs_det
from darboux.structure._arguments import Count, Natural, Within, checked


class LogDetEstimator(ABC):
    """How log|det(I + f'(x))| is computed for a map f with a Lipschitz constant below 1.

    Then every eigenvalue of f' is smaller than 1 in absolute value, the determinant is positive,
    and log det(I + J) = Σ_{k>=1} (-1)^{k+1} tr(J^k)/k.

    Source: section 4.2.3.
    """

    exact: ClassVar[bool]

    @abstractmethod
    def evaluate(self, f: Map, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return f(x) and the log-determinants at x, (batch,)."""

    @abstractmethod
    def describe(self) -> str:
        """Return in words what the number is."""


# Each costs a product with the Jacobian.
Repeats = Annotated[int, Within("an integer from 1 to 10000", least=1, most=10_000)]


@final
@dataclass(frozen=True)
class ExactLogDet(LogDetEstimator):
    """log|det(I + f'(x))| from the Jacobian of each sample, by one backward pass per entry.

    For samples of few entries: n backward passes and n³ operations.

    Source: section 4.2.3, equation (48).

    Example:
        >>> import torch
        >>> ExactLogDet().evaluate(lambda x: x / 2, torch.ones(1, 2))[1]
        tensor([0.8109])
    """

    exact: ClassVar[bool] = True

    def evaluate(self, f: Map, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return f(x) and the log-determinants at x, (batch,)."""
        value, product = products(f, x)
        slope = jacobian(product, value)
        eye = torch.eye(slope.shape[-1], dtype=slope.dtype, device=slope.device)
        return value, log_abs_det(eye + slope)

    def describe(self) -> str:
        """Return in words what the number is."""
        return "exact, from the whole Jacobian"


@final
@checked
@dataclass(frozen=True)
class TruncatedSeries(LogDetEstimator):
    """log det(I + J) = Σ_{k<=n} (-1)^{k+1} tr(J^k)/k + a remainder that `error_bound` bounds.

    Traces are exact, from the whole Jacobian, or Hutchinson's estimates E[vᵀ J^k v] with
    E[v vᵀ] = I. With probes, derivatives come from the Neumann series Σ_{k<n} (-1)^k J^k at the
    memory of one product; in expectation they are those of the truncated series, and there
    are first ones only. "backpropagation" goes through all products, and differentiates the
    very number that is returned. Inside `torch.func` and compiled graphs that is done anyway.

    Source: section 4.2.3; Behrmann et al. 2019, Invertible residual networks.

    Args:
        terms: n, at most 10000.
        probes: how many of Hutchinson's probes, or None for exact traces.
        distribution: of the probes, "rademacher" or "normal".
        seed: of the probes, which are then the same for all samples and in every call, so that
            log-determinants are a function of x; None draws others for each sample and call, from
            the default generator of torch, which a memory-saving chain can replay.
        gradient: "neumann" or "backpropagation"; for probes only.

    Raises:
        ValueError: if an argument makes no sense.

    Example:
        >>> TruncatedSeries(3).evaluate(lambda x: x / 2, torch.ones(1, 2))[1]
        tensor([0.8333])
        >>> TruncatedSeries(3).error_bound(2, 0.5) > 0.8333 - 0.8109
        True
    """

    exact: ClassVar[bool] = False

    terms: Repeats
    probes: Repeats | None = None
    distribution: ProbeDistribution = "rademacher"
    seed: Natural | None = None
    gradient: SeriesGradient = "neumann"

    def evaluate(self, f: Map, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return f(x) and the sum at x, (batch,)."""
        value, product = products(f, x)
        if self.probes is None:
            return value, self._traces(jacobian(product, value))
        neumann = self.gradient == "neumann" and not is_functional(x)
        ones = [1.0] * self.terms
        found = [
            log_series(product, v, ones, ones if neumann else None)
            for v in draw_probes(value, self.probes, self.distribution, self.seed)
        ]
        return value, torch.stack(found).mean(dim=0)

    @checked
    def error_bound(
        self,
        dimension: Count,
        lipschitz: Annotated[float, Within("a number of 0 or more, below 1", least=0, below=1)],
    ) -> float:
        """Return d (-log(1 - L) - Σ_{k<=n} L^k/k) >= |remainder|; of the mean, with probes.

        Args:
            dimension: d, the entries of a sample.
            lipschitz: L < 1, a Lipschitz constant of f.

        Raises:
            ValueError: unless 0 <= L < 1.
        """
        whole = -math.log1p(-lipschitz)
        terms = math.fsum(lipschitz**k / k for k in range(1, self.terms + 1))
        rounding = 8 * torch.finfo(torch.float64).eps * whole
        return dimension * max(whole - terms + rounding, 0.0)

    def describe(self) -> str:
        """Return in words what the number is."""
        traces = "exact traces" if self.probes is None else f"{self.probes} probes"
        return f"a series of {self.terms} terms with {traces}; error_bound() bounds the remainder"

    def _traces(self, slope: Tensor) -> Tensor:
        power, total = slope, slope.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
        for k in range(2, self.terms + 1):
            power = power @ slope
            sign = 1 if k % 2 else -1
            total = total + sign * power.diagonal(dim1=-2, dim2=-1).sum(dim=-1) / k
        return total
