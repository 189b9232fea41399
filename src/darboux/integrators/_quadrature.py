"""Quadrature rules on [0, 1]: Gauss, Radau and Lobatto, for any number of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

_Polynomial = tuple[Fraction, ...]

_BITS = 200  # of a node; far beyond the 53 of a float

_STEPS = 12  # of Newton's method, which doubles the digits: from those of a float, 3 will do


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
        return tuple(value(integral(lagrange(self.nodes, j)), Fraction(1)) for j in whole)


def gauss_legendre(stages: int) -> Quadrature:
    """Return the rule with the roots of P_s: exact for degrees up to 2s - 1."""
    return _rule({stages: 1})


def radau_left(stages: int) -> Quadrature:
    """Return the rule with the node 0, roots of P_s + P_{s-1}: exact up to degree 2s - 2."""
    return _rule({stages: 1, stages - 1: 1})


def radau_right(stages: int) -> Quadrature:
    """Return the rule with the node 1, roots of P_s - P_{s-1}: exact up to degree 2s - 2."""
    return _rule({stages: 1, stages - 1: -1})


def lobatto(stages: int) -> Quadrature:
    """Return the rule with the nodes 0 and 1, roots of P_s - P_{s-2}: exact up to 2s - 3."""
    return _rule({stages: 1, stages - 2: -1})


def _rule(series: dict[int, int]) -> Quadrature:
    """Return the rule with the roots of Σ_k series[k] P_k, all real and distinct."""
    p: _Polynomial = (Fraction(0),)
    for degree, sign in series.items():
        p = _combined(Fraction(1), p, Fraction(sign), _legendre(degree))
    # on [-1, 1], and to the rounding of floats
    rough = np.polynomial.legendre.legroots([series.get(k, 0) for k in range(max(series) + 1)])
    nodes = sorted(0.5 * float(x) + 0.5 for x in rough.real)
    return Quadrature(tuple(_polished(p, Fraction(node)) for node in nodes))


def _polished(p: _Polynomial, x: Fraction) -> Fraction:
    """Return the root of p close to x: exactly if it is a simple fraction, else to 200 bits."""
    derivative = tuple(k * coefficient for k, coefficient in enumerate(p))[1:]
    for _ in range(_STEPS):
        step = value(p, x) / value(derivative, x)
        x = Fraction(round((x - step) * 2**_BITS), 2**_BITS)
        if abs(step) < Fraction(1, 2 ** (_BITS - 8)):
            break
    simple = x.limit_denominator(1000)
    return simple if value(p, simple) == 0 else x


def _legendre(degree: int) -> _Polynomial:
    """Return the Legendre polynomial of a degree, shifted to [0, 1]."""
    # (k + 1) P_{k+1} = (2k + 1) (2x - 1) P_k - k P_{k-1}.
    before: _Polynomial = (Fraction(0),)
    last: _Polynomial = (Fraction(1),)
    for k in range(degree):
        raised = _product((Fraction(-1), Fraction(2)), last)
        following = _combined(Fraction(2 * k + 1, k + 1), raised, Fraction(-k, k + 1), before)
        before, last = last, following
    return last


def _combined(a: Fraction, p: _Polynomial, b: Fraction, q: _Polynomial) -> _Polynomial:
    """Return a p + b q."""
    size = max(len(p), len(q))
    padded = [(*r, *(Fraction(0),) * (size - len(r))) for r in (p, q)]
    return tuple(a * x + b * y for x, y in zip(*padded, strict=True))


def _product(p: _Polynomial, q: _Polynomial) -> _Polynomial:
    """Return p q."""
    product = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, x in enumerate(p):
        for j, y in enumerate(q):
            product[i + j] += x * y
    return tuple(product)


def value(p: _Polynomial, x: Fraction) -> Fraction:
    """Return p(x)."""
    total = Fraction(0)
    for coefficient in reversed(p):
        total = total * x + coefficient
    return total


def integral(p: _Polynomial) -> _Polynomial:
    """Return the antiderivative that vanishes at 0."""
    return (Fraction(0), *(coefficient / (k + 1) for k, coefficient in enumerate(p)))


def lagrange(nodes: Sequence[Fraction], j: int) -> _Polynomial:
    """Return the polynomial that is 1 at node j and 0 at the others."""
    product: _Polynomial = (Fraction(1),)
    for k, node in enumerate(nodes):
        if k != j:
            gap = nodes[j] - node
            product = _product(product, (-node / gap, 1 / gap))
    return product
