"""Butcher tableaus as frozen data that check themselves."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational

import torch
from torch import Tensor

from darboux.structure._arguments import checked

Number = Fraction | float

EPS = torch.finfo(torch.float64).eps


def in_float64(value: float | Tensor) -> Tensor:
    """Return a number as a float64 tensor on the CPU, or a tensor in float64."""
    if isinstance(value, Tensor):
        return value.to(torch.float64)
    return torch.tensor(value, dtype=torch.float64, device="cpu")


@checked
@dataclass(frozen=True)
class Tableau:
    """The coefficients of a Runge-Kutta method with s stages.

    Y_i = z + h Σ_j a_ij f(t + c_j h, Y_j),  z' = z + h Σ_i b_i f(t + c_i h, Y_i).

    Entries are exact `fractions.Fraction` (integers become fractions) or floats where a
    coefficient is irrational; c_i = Σ_j a_ij is checked, exactly for rational rows.

    Source: section 2.2; Hairer, Lubich and Wanner, Geometric Numerical Integration, II.1.

    Args:
        a: s rows of s entries.
        b: s weights.
        c: s nodes, in units of the step.
        name: what tables and messages call the method.

    Raises:
        ValueError: if the shapes do not fit, an entry is not finite, or c_i != Σ_j a_ij.
        TypeError: if an entry is no number.

    Example:
        >>> from fractions import Fraction
        >>> half = Fraction(1, 2)
        >>> Tableau(((half,),), (1,), (half,), "implicit midpoint").explicit
        False
    """

    a: tuple[tuple[Number, ...], ...]
    b: tuple[Number, ...]
    c: tuple[Number, ...]
    name: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "a", tuple(_exact(row) for row in self.a))
        object.__setattr__(self, "b", _exact(self.b))
        object.__setattr__(self, "c", _exact(self.c))
        self._check_shapes()
        self._check_nodes()

    @property
    def stages(self) -> int:
        """The number s of stages."""
        return len(self.b)

    @property
    def explicit(self) -> bool:
        """Whether a_ij = 0 for j >= i, so that no equation is to be solved."""
        return all(entry == 0 for i, row in enumerate(self.a) for entry in row[i:])

    @property
    def rational(self) -> bool:
        """Whether all entries are fractions, so that conditions can be decided exactly."""
        return all(isinstance(x, Fraction) for row in (*self.a, self.b, self.c) for x in row)

    def _check_shapes(self) -> None:
        s = self.stages
        shape = [len(row) for row in self.a]
        if s == 0 or shape != [s] * s or len(self.c) != s:
            msg = (
                f"Expected a with s rows of s entries, b and c with s entries, s >= 1; got rows "
                f"of {shape}, {s} weights and {len(self.c)} nodes. Fill a with zeros."
            )
            raise ValueError(msg)

    def _check_nodes(self) -> None:
        for i, (row, node) in enumerate(zip(self.a, self.c, strict=True)):
            if not vanishes([*row, -node]):
                msg = (
                    f"Expected c[{i}] = Σ_j a[{i}][j] = {sum(row)}; got {node} in "
                    f"{self.name!r}. Correct the row or the node."
                )
                raise ValueError(msg)


def vanishes(terms: Iterable[Number]) -> bool:
    """Return whether a sum is 0: exactly for fractions, to 64 n eps with floats among them."""
    terms = list(terms)
    if all(isinstance(term, Rational) for term in terms):
        return sum(terms) == 0
    numbers = [float(term) for term in terms]
    size = 1 + math.fsum(abs(number) for number in numbers)
    return abs(math.fsum(numbers)) <= 64 * len(numbers) * EPS * size


def _exact(values: Iterable[Number]) -> tuple[Number, ...]:
    """Return the numbers, rational ones as fractions."""
    return tuple(Fraction(x) if isinstance(x, Rational) else float(x) for x in values)


@checked
def is_symmetric(tableau: Tableau) -> bool:
    """Return whether a_{s+1-i, s+1-j} + a_ij = b_j for all i and j, and b_{s+1-j} = b_j.

    A step by -h from t + h then undoes the step by h from t. Decided exactly where the
    tableau is rational, up to rounding elsewhere. The stages must stand in an order in which
    reflection reverses it, such as that of ascending nodes.

    Source: section 2.2.2; Hairer, Lubich and Wanner, Geometric Numerical Integration, V.2.

    Args:
        tableau: the coefficients.

    Example:
        >>> from darboux.integrators import EULER
        >>> is_symmetric(EULER)
        False
    """
    a, b, last = tableau.a, tableau.b, tableau.stages - 1
    stages = range(tableau.stages)
    palindrome = all(vanishes([b[j], -b[last - j]]) for j in stages)
    return palindrome and all(
        vanishes([a[i][j], a[last - i][last - j], -b[j]]) for i in stages for j in stages
    )


@checked
def is_symplectic(tableau: Tableau) -> bool:
    """Return whether b_i a_ij + b_j a_ji = b_i b_j for all i and j.

    Such a method preserves quadratic first integrals and, for Hamiltonian fields, the
    symplectic form; no explicit method is one. Decided exactly where the tableau is
    rational, up to rounding elsewhere. The condition is also necessary for methods that
    cannot be reduced to fewer stages.

    Source: section 2.2.2; Sanz-Serna 1988; Cooper 1987.

    Args:
        tableau: the coefficients.

    Example:
        >>> from darboux.integrators import KUTTA4
        >>> is_symplectic(KUTTA4)
        False
    """
    a, b = tableau.a, tableau.b
    return all(
        vanishes([b[i] * a[i][j], b[j] * a[j][i], -b[i] * b[j]])
        for i in range(tableau.stages)
        for j in range(i + 1)
    )
