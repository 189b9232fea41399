"""The coefficients of symmetric compositions, as frozen data that check themselves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from darboux.integrators.tableau import vanishes

_HIGHEST = 10  # up to which `order` counts

Word = tuple[int, ...]
Series = dict[Word, float]


@dataclass(frozen=True)
class CompositionCoefficients:
    """The weights of Ψ_h = Φ_{γ_s h} ∘ ... ∘ Φ_{γ_1 h}, Φ symmetric and of order 2.

    They are palindromic, so that Ψ is symmetric, and Σ γ_i = 1.

    Source: section 2.2.2; Hairer, Lubich and Wanner, Geometric Numerical Integration, V.3.

    Args:
        weights: γ_1, ..., γ_s.
        name: what tables and messages call them.

    Raises:
        ValueError: if they are not finite, not palindromic, or do not add up to 1.

    Example:
        >>> outer = 1 / (2 - 2 ** (1 / 3))
        >>> CompositionCoefficients((outer, 1 - 2 * outer, outer), "triple jump").order
        4
    """

    weights: tuple[float, ...]
    name: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", tuple(float(x) for x in self.weights))
        found = f"{self.weights} in {self.name!r}"
        if not self.weights or not all(math.isfinite(x) for x in self.weights):
            msg = f"Expected finite weights, at least one; got {found}. Correct them."
            raise ValueError(msg)
        if self.weights != self.weights[::-1]:
            msg = (
                f"Expected weights that read the same backwards; got {found}. Mirror them: only "
                "then is the composition symmetric."
            )
            raise ValueError(msg)
        if not vanishes([*self.weights, -1.0]):
            msg = (
                f"Expected weights that add up to 1; got {found}, with the sum "
                f"{math.fsum(self.weights)}. Set the one in the middle to 1 minus the others."
            )
            raise ValueError(msg)

    @property
    def order(self) -> int:
        """The order of Ψ for every symmetric Φ of order 2, up to 10: necessary and sufficient.

        Φ_h = exp(h Y_1 + h³ Y_3 + h⁵ Y_5 + ...) with operators Y_i that do not commute, Y_1 the
        field. Ψ is a product of such exponentials, a series in the words of 1, 3, 5, ... with
        the sum of its letters as the power of h; order p asks that those up to p agree with
        exp(h Y_1), where the word 1...1 of k letters has 1/k! and all others have 0. Decided
        up to rounding.
        """
        return _order(self.weights)


@lru_cache(maxsize=64)
def _order(weights: tuple[float, ...]) -> int:
    words = [word for degree in range(_HIGHEST + 1) for word in _words(degree)]
    series, sizes = ({word: 1.0 if word == () else 0.0 for word in words} for _ in range(2))
    for weight in weights:
        series = _product(series, _exponential(weight, words))
        sizes = _product(sizes, _exponential(abs(weight), words))
    wrong = [sum(word) for word in words if not _agrees(word, series, sizes, len(weights))]
    return min(wrong, default=_HIGHEST + 1) - 1


def _words(degree: int) -> Iterator[Word]:
    """Yield the words of odd letters that add up to the degree."""
    if degree == 0:
        yield ()
    for letter in range(1, degree + 1, 2):
        for rest in _words(degree - letter):
            yield (letter, *rest)


def _exponential(weight: float, words: Iterable[Word]) -> Series:
    """Return exp(γY_1 + γ³Y_3 + ...): γ^degree/k! for a word of k letters."""
    return {word: weight ** sum(word) / math.factorial(len(word)) for word in words}


def _product(first: Series, second: Series) -> Series:
    return {
        word: math.fsum(first[word[:k]] * second[word[k:]] for k in range(len(word) + 1))
        for word in first
    }


def _agrees(word: Word, series: Series, sizes: Series, factors: int) -> bool:
    """Return whether a word has its coefficient of exp(Y_1), up to 64 n eps of its terms."""
    exact = 1 / math.factorial(len(word)) if set(word) <= {1} else 0.0
    return abs(series[word] - exact) <= 64 * factors * 2.0**-52 * (sizes[word] + exact)
