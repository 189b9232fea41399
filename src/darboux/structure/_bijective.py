"""Structures of bijections: how far their inverses can be trusted, and their log-determinants."""

from __future__ import annotations

from dataclasses import dataclass

from darboux.structure._arguments import checked
from darboux.structure._claim import Structure
from darboux.structure._metric import Bound, Lipschitz


@checked
@dataclass(frozen=True)
class BiLipschitz(Structure):
    """Bi-Lipschitz: μ ‖x - y‖ <= ‖φ(x) - φ(y)‖ <= L ‖x - y‖ for all x, y.

    The inverse then has the Lipschitz constant 1/μ: rounding of φ(x) reaches x at most
    L/μ times as large, relative to the distances at hand.

    Source: section 4.3.2; Behrmann et al. 2021, Understanding and mitigating exploding
    inverses in invertible neural networks.

    Args:
        lower: μ >= 0.
        upper: L >= μ.

    Raises:
        ValueError: unless 0 <= μ <= L.

    Example:
        >>> BiLipschitz(0.5, 2.0).after(BiLipschitz(0.5, 3.0))
        BiLipschitz(lower=0.25, upper=6.0)
    """

    lower: Bound
    upper: Bound

    def __post_init__(self) -> None:
        if not self.lower <= self.upper:
            msg = f"Expected bounds μ <= L; got μ = {self.lower}, L = {self.upper}. Exchange them."
            raise ValueError(msg)

    @property
    def condition(self) -> float:
        """L/μ, the factor by which the way there and back can magnify relative errors."""
        return self.upper / self.lower if self.lower > 0 else float("inf")

    def describe(self) -> str:
        """Return the promise in a formula."""
        low, high = f"{self.lower:.6g}", f"{self.upper:.6g}"
        return f"bi-Lipschitz: {low} ‖x - y‖ <= ‖φ(x) - φ(y)‖ <= {high} ‖x - y‖"

    def after(self, first: BiLipschitz) -> BiLipschitz:
        """Multiply the bounds."""
        return BiLipschitz(self.lower * first.lower, self.upper * first.upper)

    def implies(self) -> tuple[Structure, ...]:
        """The upper bound is a Lipschitz constant."""
        return (Lipschitz(self.upper),)

    def at_least(self, other: Structure) -> bool:
        """Tighter bounds imply looser ones."""
        if isinstance(other, BiLipschitz):
            return other.lower <= self.lower and self.upper <= other.upper
        return other == self or any(weaker.at_least(other) for weaker in self.implies())


@dataclass(frozen=True)
class LogDeterminant(Structure):
    """The log-determinant is right: ``forward_and_log_det`` returns log|det Dφ(x)|.

    Source: section 4.2.3, equation (48).

    Example:
        >>> LogDeterminant().describe()
        'log-determinant: the returned number is log|det Dφ(x)|'
    """

    def describe(self) -> str:
        """Return the promise in a formula."""
        return "log-determinant: the returned number is log|det Dφ(x)|"

    def after(self, first: LogDeterminant) -> LogDeterminant:
        """Log-determinants add up."""
        del first
        return self
