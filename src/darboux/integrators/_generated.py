"""Tableaus of the implicit methods, made from quadrature rules for any number of stages."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Annotated

from darboux.integrators._quadrature import (
    Quadrature,
    gauss_legendre,
    integral,
    lagrange,
    lobatto,
    radau_left,
    radau_right,
    value,
)
from darboux.integrators._tableau import Number, Tableau
from darboux.structure._arguments import Within, checked

_ZERO = Fraction(0)

_Rows = tuple[tuple[Fraction, ...], ...]

# 20 stages take seconds, and the errors of order 40 are rounding
Stages = Annotated[int, Within("an integer from 1 to 20", least=1, most=20)]

TwoStages = Annotated[
    int,
    Within(
        "an integer from 2 to 20 (ImplicitEuler() and ImplicitMidpoint() have one stage)",
        least=2,
        most=20,
    ),
]


@checked
@lru_cache(maxsize=64)
def gauss_tableau(stages: Stages) -> Tableau:
    """Return the _collocation method at the Gauss nodes: order 2s, symplectic, symmetric.

    Source: section 2.2; Butcher 1964; Hairer, Lubich and Wanner, II.1.3.

    Args:
        stages: s, 1 to 20.

    Raises:
        TypeError: if s is no integer.
        ValueError: if it is less than 1, or more than 20.

    Example:
        >>> gauss_tableau(1).a
        ((Fraction(1, 2),),)
    """
    rule = gauss_legendre(stages)
    return _tableau(f"Gauss({stages})", _collocation(rule.nodes), rule)


@checked
@lru_cache(maxsize=64)
def radau_iia_tableau(stages: Stages) -> Tableau:
    """Return the _collocation method at the right Radau nodes: order 2s - 1, stiffly accurate.

    Source: section 2.2; Ehle 1969; Hairer and Wanner, Solving ODEs II, IV.5.

    Args:
        stages: s, 1 to 20.

    Raises:
        TypeError: if s is no integer.
        ValueError: if it is less than 1, or more than 20.

    Example:
        >>> [str(x) for x in radau_iia_tableau(2).a[0]]
        ['5/12', '-1/12']
    """
    rule = radau_right(stages)
    return _tableau(f"Radau IIA({stages})", _collocation(rule.nodes), rule)


@checked
@lru_cache(maxsize=64)
def radau_ia_tableau(stages: TwoStages) -> Tableau:
    """Return the method at the left Radau nodes with D(s): order 2s - 1.

    D(s) says Σ_i b_i c_i^(k-1) a_ij = b_j (1 - c_j^k)/k for k <= s. If â collocates at the
    same nodes, Σ_j â_ij c_j^(k-1) = c_i^k/k, then a_ij = b_j - b_j â_ji / b_i has it.

    Source: section 2.2; Ehle 1969; Hairer and Wanner, Solving ODEs II, IV.5.

    Args:
        stages: s, 2 to 20; with one stage Σ_j a_1j = 1 would not be c_1 = 0.

    Raises:
        TypeError: if s is no integer.
        ValueError: if it is less than 2, or more than 20.

    Example:
        >>> [str(x) for x in radau_ia_tableau(2).a[1]]
        ['1/4', '5/12']
    """
    rule = radau_left(stages)
    b, other = rule.weights, _collocation(rule.nodes)
    whole = range(stages)
    a = tuple(tuple(b[j] - b[j] * other[j][i] / b[i] for j in whole) for i in whole)
    return _tableau(f"Radau IA({stages})", a, rule)


@checked
@lru_cache(maxsize=64)
def lobatto_iiic_tableau(stages: TwoStages) -> Tableau:
    """Return the method at the Lobatto nodes with a_i1 = b_1 and C(s - 1): order 2s - 2.

    C(s - 1) says Σ_j a_ij c_j^(k-1) = c_i^k/k for k < s. With ℓ_j the Lagrange polynomials
    of the nodes c_2, ..., c_s, a_ij = ∫_0^(c_i) ℓ_j - b_1 ℓ_j(0): a polynomial of degree
    < s - 1 is integrated exactly, and its value at c_1 = 0 is b_1 - b_1.

    Source: section 2.2; Chipman 1971; Hairer and Wanner, Solving ODEs II, IV.5.

    Args:
        stages: s, 2 to 20.

    Raises:
        TypeError: if s is no integer.
        ValueError: if it is less than 2, or more than 20.

    Example:
        >>> [str(x) for x in lobatto_iiic_tableau(2).a[0]]
        ['1/2', '-1/2']
    """
    rule = lobatto(stages)
    first, later = rule.weights[0], rule.nodes[1:]
    basis = [lagrange(later, j) for j in range(stages - 1)]
    a = tuple(
        (first, *(value(integral(p), node) - first * value(p, _ZERO) for p in basis))
        for node in rule.nodes
    )
    return _tableau(f"Lobatto IIIC({stages})", a, rule)


def _collocation(nodes: Sequence[Fraction]) -> _Rows:
    """Return a_ij = ∫_0^(c_i) ℓ_j, the coefficients of the _collocation method at given nodes."""
    basis = [integral(lagrange(nodes, j)) for j in range(len(nodes))]
    return tuple(tuple(value(p, node) for p in basis) for node in nodes)


def _tableau(name: str, a: _Rows, rule: Quadrature) -> Tableau:
    """Return a tableau of fractions where all are simple, of floats rounded once elsewhere."""
    numbers = [x for row in (*a, rule.weights, rule.nodes) for x in row]
    exact = all(x.denominator < 10**6 for x in numbers)

    def entries(row: Sequence[Fraction]) -> tuple[Number, ...]:
        return tuple(row) if exact else tuple(float(x) for x in row)

    return Tableau(
        tuple(entries(row) for row in a), entries(rule.weights), entries(rule.nodes), name
    )
