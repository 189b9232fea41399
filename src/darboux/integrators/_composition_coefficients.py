"""The coefficients of symmetric compositions, as frozen data that check themselves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from darboux.integrators._tableau import vanishes
from darboux.structure._arguments import checked

_HIGHEST = 10  # up to which `order` counts

_Word = tuple[int, ...]

_Series = dict[_Word, float]


@checked
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
        if not self.weights:
            msg = f"Expected at least one weight; got {found}. Use (1.0,) for Φ itself."
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


def _words(degree: int) -> Iterator[_Word]:
    """Yield the words of odd letters that add up to the degree."""
    if degree == 0:
        yield ()
    for letter in range(1, degree + 1, 2):
        for rest in _words(degree - letter):
            yield (letter, *rest)


def _exponential(weight: float, words: Iterable[_Word]) -> _Series:
    """Return exp(γY_1 + γ³Y_3 + ...): γ^degree/k! for a word of k letters."""
    return {word: weight ** sum(word) / math.factorial(len(word)) for word in words}


def _product(first: _Series, second: _Series) -> _Series:
    return {
        word: math.fsum(first[word[:k]] * second[word[k:]] for k in range(len(word) + 1))
        for word in first
    }


def _agrees(word: _Word, series: _Series, sizes: _Series, factors: int) -> bool:
    """Return whether a word has its coefficient of exp(Y_1), up to 64 n eps of its terms."""
    exact = 1 / math.factorial(len(word)) if set(word) <= {1} else 0.0
    return abs(series[word] - exact) <= 64 * factors * 2.0**-52 * (sizes[word] + exact)


_TRIPLE = 1 / (2 - 2 ** (1 / 3))

_FRACTAL = 1 / (4 - 4 ** (1 / 3))


# order -> name -> the weights up to the middle, which makes the sum 1; the best-conditioned
# scheme, of the smallest error, comes first
_OUTER: dict[int, dict[str, tuple[float, ...]]] = {
    4: {"suzuki": (_FRACTAL, _FRACTAL), "yoshida": (_TRIPLE,)},
    6: {
        "kahan-li": (
            0.392161444007314139279,
            0.332599136789359438600,
            -0.706246172557639359810,
            0.0822135962935508002315,
        ),
        "yoshida": (
            0.784513610477557263819,
            0.235573213359358133685,
            -1.17767998417887100695,
        ),
    },
    8: {
        "kahan-li": (
            0.130202483088890080879,
            0.561162981775108384562,
            -0.389474962644847286408,
            0.158841906555155600896,
            -0.395903894133237577336,
            0.184539640978315707092,
            0.258374387686322047294,
            0.295011723609310298871,
        ),
        "suzuki-umeno": (
            0.741670364350612953448,
            -0.409100825800031593997,
            0.190754710296238379954,
            -0.573862471116082266656,
            0.299064181303655923844,
            0.334624918245298183785,
            0.315293092396766596632,
        ),
        "yoshida": (
            0.629030650210370799898,
            1.36934946416881770056,
            -1.06458714789182507054,
            1.66335809963350517976,
            -1.67896928259673847121,
            -1.55946803821470258821,
            0.311790812418466772552,
        ),
    },
}


def scheme_names(order: int) -> tuple[str, ...]:
    """Return the names of the schemes of an order, the best-conditioned first."""
    return tuple(_OUTER.get(order, ()))


def scheme(order: int, name: str) -> CompositionCoefficients:
    """Return the coefficients of a scheme, "yoshida", "suzuki", "kahan-li" or "suzuki-umeno"."""
    if name not in scheme_names(order):
        known = "; ".join(f"{p}: {', '.join(names)}" for p, names in _OUTER.items())
        msg = (
            f"Composition: expected an order and the name of a scheme among {known}; got order "
            f"{order!r} and {name!r}. Use one of them, or CompositionCoefficients of your own."
        )
        raise ValueError(msg)
    outer = _OUTER[order][name]
    return CompositionCoefficients((*outer, 1 - 2 * sum(outer), *reversed(outer)), name)
