"""Quadrature rules on [0, 1]: Gauss, Radau and Lobatto, for any number of nodes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from darboux.integrators.polynomials import (
    Polynomial,
    combine,
    integral,
    lagrange,
    legendre,
    roots,
    value,
)

_ONE = Fraction(1)


@dataclass(frozen=True)
class Quadrature:
    """∫_0^1 f = Σ_i b_i f(c_i), for all polynomials f of degree < s, and then some.

    Nodes that are rational are exact; others are rational numbers that agree with them to
    200 bits, so that whatever is made of them can be rounded to floats once.

    Source: Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, II.7.

    Args:
        nodes: c, ascending, distinct.

    Example:
        >>> Quadrature((Fraction(0), Fraction(1))).weights
        (Fraction(1, 2), Fraction(1, 2))
    """

    nodes: tuple[Fraction, ...]

    @property
    def weights(self) -> tuple[Fraction, ...]:
        """The weights b_i, integrals of the Lagrange polynomials."""
        whole = range(len(self.nodes))
        return tuple(value(integral(lagrange(self.nodes, j)), _ONE) for j in whole)


def gauss_legendre(stages: int) -> Quadrature:
    """Return the rule with the roots of P_s: exact for degrees up to 2s - 1.

    Args:
        stages: s >= 1.

    Example:
        >>> [float(x) for x in gauss_legendre(2).nodes]
        [0.2113248654051871, 0.7886751345948129]
    """
    return Quadrature(roots(legendre(stages)))


def radau_left(stages: int) -> Quadrature:
    """Return the rule with the node 0, roots of P_s + P_{s-1}: exact up to degree 2s - 2.

    Args:
        stages: s >= 1.

    Example:
        >>> [str(x) for x in radau_left(2).nodes]
        ['0', '2/3']
    """
    return Quadrature(roots(_sum(legendre(stages), legendre(stages - 1), 1)))


def radau_right(stages: int) -> Quadrature:
    """Return the rule with the node 1, roots of P_s - P_{s-1}: exact up to degree 2s - 2.

    Args:
        stages: s >= 1.

    Example:
        >>> [str(x) for x in radau_right(2).nodes]
        ['1/3', '1']
    """
    return Quadrature(roots(_sum(legendre(stages), legendre(stages - 1), -1)))


def lobatto(stages: int) -> Quadrature:
    """Return the rule with the nodes 0 and 1, roots of P_s - P_{s-2}: exact up to 2s - 3.

    Args:
        stages: s >= 2.

    Example:
        >>> [str(x) for x in lobatto(3).nodes], [str(x) for x in lobatto(3).weights]
        (['0', '1/2', '1'], ['1/6', '2/3', '1/6'])
    """
    return Quadrature(roots(_sum(legendre(stages), legendre(stages - 2), -1)))


def _sum(p: Polynomial, q: Polynomial, sign: int) -> Polynomial:
    return combine(_ONE, p, Fraction(sign), q)
