"""The log-determinant, unbiased, by a random number of terms of its series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, final

import torch
from torch import Tensor

from darboux.bijections._jacobian_products import (
    Map,
    ProbeDistribution,
    SeriesGradient,
    draw_probes,
    is_functional,
    log_series,
    products,
)
from darboux.bijections._log_det_estimator import LogDetEstimator, Repeats
from darboux.structure._arguments import Positive, Within, checked

Terms = Literal["geometric", "poisson"]

_COMPILED = (
    "RussianRoulette: expected eager execution; got torch.compile with fullgraph=True, but the "
    "number of terms is random. Use TruncatedSeries, or fullgraph=False."
)


@final
@checked
@dataclass(frozen=True)
class RussianRoulette(LogDetEstimator):
    """An unbiased estimate of log det(I + J) and, independently of that, of its derivative.

    E[Σ_{k<=n+N} w_k (-1)^{k+1} vᵀ J^k v/k] with w_k = 1 for k <= n and 1/P(N >= k-n) after;
    derivatives by the Neumann series, E[vᵀ (Σ_{k<=n+N} w_k (-1)^k J^k) (∂J) v], the memory
    of which does not grow with the number of terms. N is one number for the batch.

    The variance is finite only if weights grow more slowly than squared terms fall: for
    "geometric", P(N >= k) = (1-p)^{k-1}, if ρ² < 1-p with ρ the spectral radius of J, which
    is below the Lipschitz constant, and mostly far below. For "poisson" the weights grow faster
    than any power: the mean is right, and rare values are huge. All random numbers come from
    the default generators of torch, so that restoring their state repeats them.

    Source: section 4.2.3; Chen, Behrmann, Duvenaud and Jacobsen 2019, Residual Flows.

    Args:
        terms: the distribution of N, "geometric" or "poisson".
        parameter: p in (0, 1), or the rate λ > 0; for at most 10000 terms on average.
        exact_terms: n >= 0, at most 10000.
        probes: how many of Hutchinson's probes.
        distribution: of the probes, "rademacher" or "normal".
        gradient: "neumann", which has no second derivatives, or "backpropagation" through all
            terms, which is used inside `torch.func` anyway.

    Raises:
        ValueError: if an argument makes no sense.

    Example:
        >>> RussianRoulette(exact_terms=20).evaluate(lambda x: x / 2, torch.ones(1, 2))[1]
        tensor([0.8109])
    """

    exact: ClassVar[bool] = False

    terms: Terms = "geometric"
    parameter: Positive = 0.5
    exact_terms: Annotated[int, Within("an integer from 0 to 10000", least=0, most=10_000)] = 2
    probes: Repeats = 1
    distribution: ProbeDistribution = "rademacher"
    gradient: SeriesGradient = "neumann"

    def __post_init__(self) -> None:
        low, high = (1e-4, 1.0) if self.terms == "geometric" else (0.0, 1e4)
        if not low < self.parameter < high:
            msg = (
                f"RussianRoulette: expected a parameter in ({low:g}, {high:g}) for {self.terms} "
                f"terms; got {self.parameter}. Use 0.5, or the rate 2."
            )
            raise ValueError(msg)

    def evaluate(self, f: Map, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return f(x) and estimates at x, (batch,).

        Raises:
            RuntimeError: inside a compiled graph.
        """
        if torch.compiler.is_compiling():
            raise RuntimeError(_COMPILED)
        value, product = products(f, x)
        weights = self._weights()
        neumann = self.gradient == "neumann" and not is_functional(x)
        gradient = [1.0, *weights] if neumann else None
        found = [
            log_series(product, v, weights, gradient)
            for v in draw_probes(value, self.probes, self.distribution, None)
        ]
        return value, torch.stack(found).mean(dim=0)

    def describe(self) -> str:
        """Return in words what the number is."""
        return "an unbiased estimate (RussianRoulette), another one in each call"

    def _weights(self) -> list[float]:
        """Return w_1, ..., w_{n+N} for a new N."""
        if self.terms == "geometric":
            count = int(torch.empty((), dtype=torch.float64).geometric_(self.parameter))
        else:
            count = int(torch.poisson(torch.tensor(self.parameter, dtype=torch.float64)))
        return [1.0] * self.exact_terms + [1 / self._tail(k) for k in range(1, count + 1)]

    def _tail(self, k: int) -> float:
        """Return P(N >= k), k >= 1."""
        if self.terms == "geometric":
            return float((1 - self.parameter) ** (k - 1))
        order, rate = (torch.tensor(float(a), dtype=torch.float64) for a in (k, self.parameter))
        return float(torch.special.gammainc(order, rate))
