"""Quadrature rules on [0, 1]: Gauss, Radau and Lobatto, for any number of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

_ONE = Fraction(1)


@dataclass(frozen=True)
class Quadrature:
    """∫_0^1 f = Σ_i b_i f(c_i), for all polynomials f of degree < s, and then some."""

    # Nodes that are rational are exact; others are rational numbers that agree with them to
    # 200 bits, so that whatever is made of them can be rounded to floats once.
    # Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, II.7.

    nodes: tuple[Fraction, ...]

    @property
    def weights(self) -> tuple[Fraction, ...]:
        """The weights b_i, integrals of the Lagrange polynomials."""
        whole = range(len(self.nodes))
        return tuple(value(integral(lagrange(self.nodes, j)), _ONE) for j in whole)


def gauss_legendre(stages: int) -> Quadrature:
    """Return the rule with the roots of P_s: exact for degrees up to 2s - 1."""
    return Quadrature(roots(legendre(stages)))


def radau_left(stages: int) -> Quadrature:
    """Return the rule with the node 0, roots of P_s + P_{s-1}: exact up to degree 2s - 2."""
    return Quadrature(roots(_sum(legendre(stages), legendre(stages - 1), 1)))


def radau_right(stages: int) -> Quadrature:
    """Return the rule with the node 1, roots of P_s - P_{s-1}: exact up to degree 2s - 2."""
    return Quadrature(roots(_sum(legendre(stages), legendre(stages - 1), -1)))


def lobatto(stages: int) -> Quadrature:
    """Return the rule with the nodes 0 and 1, roots of P_s - P_{s-2}: exact up to 2s - 3."""
    return Quadrature(roots(_sum(legendre(stages), legendre(stages - 2), -1)))


def _sum(p: Polynomial, q: Polynomial, sign: int) -> Polynomial:
    return combine(_ONE, p, Fraction(sign), q)


Polynomial = tuple[Fraction, ...]

_BITS = 200  # of a root; far beyond the 53 of a float

_STEPS = 12  # of Newton's method, which doubles the digits: from 20 bits, 4 would do


def legendre(degree: int) -> Polynomial:
    """Return the Legendre polynomial of a degree, shifted to [0, 1]."""
    # (k + 1) P_{k+1} = (2k + 1) (2x - 1) P_k - k P_{k-1}.
    before: Polynomial = (Fraction(0),)
    last: Polynomial = (Fraction(1),)
    for k in range(degree):
        raised = multiply((Fraction(-1), Fraction(2)), last)
        following = combine(Fraction(2 * k + 1, k + 1), raised, Fraction(-k, k + 1), before)
        before, last = last, following
    return last


def combine(a: Fraction, p: Polynomial, b: Fraction, q: Polynomial) -> Polynomial:
    """Return a p + b q."""
    size = max(len(p), len(q))
    padded = [(*r, *(Fraction(0),) * (size - len(r))) for r in (p, q)]
    return tuple(a * x + b * y for x, y in zip(*padded, strict=True))


def multiply(p: Polynomial, q: Polynomial) -> Polynomial:
    """Return p q."""
    product = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, x in enumerate(p):
        for j, y in enumerate(q):
            product[i + j] += x * y
    return tuple(product)


def value(p: Polynomial, x: Fraction) -> Fraction:
    """Return p(x)."""
    total = Fraction(0)
    for coefficient in reversed(p):
        total = total * x + coefficient
    return total


def slope(p: Polynomial) -> Polynomial:
    """Return p'."""
    return tuple(k * coefficient for k, coefficient in enumerate(p))[1:] or (Fraction(0),)


def integral(p: Polynomial) -> Polynomial:
    """Return the antiderivative that vanishes at 0."""
    return (Fraction(0), *(coefficient / (k + 1) for k, coefficient in enumerate(p)))


def lagrange(nodes: Sequence[Fraction], j: int) -> Polynomial:
    """Return the polynomial that is 1 at node j and 0 at the others."""
    product: Polynomial = (Fraction(1),)
    for k, node in enumerate(nodes):
        if k != j:
            gap = nodes[j] - node
            product = multiply(product, (-node / gap, 1 / gap))
    return product


def roots(p: Polynomial) -> tuple[Fraction, ...]:
    """Return the roots in ascending order: rational ones exactly, others to 200 bits."""
    # All must be real, distinct and between -1 and 2. The roots of p' separate those of p.
    rough = _separated(p)
    return tuple(_polished(p, x) for x in rough)


def _separated(p: Polynomial) -> tuple[Fraction, ...]:
    """Return the roots to 24 bits."""
    if len(p) == 2:
        return (-p[0] / p[1],)
    ends = (Fraction(-1), *_separated(slope(p)), Fraction(2))
    return tuple(_bisected(p, low, high) for low, high in pairwise(ends))


def _bisected(p: Polynomial, low: Fraction, high: Fraction) -> Fraction:
    rises = value(p, high) > 0
    for _ in range(26):
        middle = _rounded((low + high) / 2, 40)
        low, high = (low, middle) if (value(p, middle) > 0) == rises else (middle, high)
    return (low + high) / 2


def _polished(p: Polynomial, x: Fraction) -> Fraction:
    derivative = slope(p)
    for _ in range(_STEPS):
        step = value(p, x) / value(derivative, x)
        x = _rounded(x - step, _BITS)
        if abs(step) < Fraction(1, 2 ** (_BITS - 8)):
            break
    simple = x.limit_denominator(1000)
    return simple if value(p, simple) == 0 else x


def _rounded(x: Fraction, bits: int) -> Fraction:
    return Fraction(round(x * 2**bits), 2**bits)
