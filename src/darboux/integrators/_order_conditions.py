"""The order of a Runge-Kutta method, from rooted trees and simplifying assumptions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement

from darboux.integrators._tableau import Number, Tableau, vanishes
from darboux.structure._arguments import checked

_BY_TREES = 8  # 200 trees; above, the simplifying assumptions decide

_Tree = tuple["_Tree", ...]  # a root, given by the trees that grow on it

_Weights = dict[_Tree, tuple[Number, ...]]


@checked
def order(tableau: Tableau) -> int:
    """Return the order p of a method: its local error is O(h^(p+1)).

    Up to order 8 it is decided by the rooted trees τ, Σ_i b_i Φ_i(τ) = 1/γ(τ) for all
    |τ| <= p, which is necessary and sufficient; in fractions where the tableau is
    rational. A method that passes all of them has at least the order
    min(P, Q + R + 1, 2Q + 2) of the simplifying assumptions B(P), C(Q), D(R), which is
    then returned (sharp for Gauss, Radau and Lobatto methods).

    Source: section 2.2; Hairer, Nørsett and Wanner, Solving Ordinary Differential
    Equations I, II.2; Butcher 1964 for the simplifying assumptions.

    Args:
        tableau: the coefficients.

    Returns:
        p >= 0; 0 for a method that is not consistent.

    Example:
        >>> from darboux.integrators import KUTTA4
        >>> order(KUTTA4)
        4
    """
    known: _Weights = {}
    for p in range(1, _BY_TREES + 1):
        if not all(_holds(tableau, tree, known) for tree in _trees(p)):
            return p - 1
    return max(_BY_TREES, _by_assumptions(tableau))


def _holds(tableau: Tableau, tree: _Tree, known: _Weights) -> bool:
    """Return whether γ(τ) Σ_i b_i Φ_i(τ) = 1."""
    density = _density(tree)
    values = _elementary_weights(tableau, tree, known)
    return vanishes([*(b * density * v for b, v in zip(tableau.b, values, strict=True)), -1])


def _elementary_weights(tableau: Tableau, tree: _Tree, known: _Weights) -> tuple[Number, ...]:
    """Return Φ_i(τ) = Π_k Σ_j a_ij Φ_j(τ_k), over the branches τ_k of the root, for each i."""
    if tree not in known:
        branches = [_elementary_weights(tableau, branch, known) for branch in tree]
        known[tree] = tuple(
            math.prod(_dot(row, branch) for branch in branches) for row in tableau.a
        )
    return known[tree]


def _dot(row: tuple[Number, ...], column: tuple[Number, ...]) -> Number:
    return sum(x * y for x, y in zip(row, column, strict=True))


def _trees(size: int) -> Iterator[_Tree]:
    """Yield every rooted tree with `size` nodes, once."""
    for sizes in _partitions(size - 1, size - 1):
        yield from _forests(sizes)


def _forests(sizes: tuple[int, ...]) -> Iterator[tuple[_Tree, ...]]:
    """Yield every multiset of trees with the given descending sizes, once."""
    if not sizes:
        yield ()
        return
    equal = sizes.count(sizes[0])
    for rest in _forests(sizes[equal:]):
        for group in combinations_with_replacement(_trees(sizes[0]), equal):
            yield group + rest


def _partitions(total: int, largest: int) -> Iterator[tuple[int, ...]]:
    """Yield the descending tuples of positive integers with a given sum."""
    if total == 0:
        yield ()
    for first in range(min(total, largest), 0, -1):
        for rest in _partitions(total - first, first):
            yield (first, *rest)


def _size(tree: _Tree) -> int:
    return 1 + sum(_size(branch) for branch in tree)


def _density(tree: _Tree) -> int:
    """Return γ(τ) = |τ| Π_k γ(τ_k)."""
    return _size(tree) * math.prod(_density(branch) for branch in tree)


def highest_order(tableau: Tableau) -> int:
    """Return the order of the quadrature rule b, c, which that of the method does not exceed."""
    return _last(tableau, _quadrature)


def _by_assumptions(tableau: Tableau) -> int:
    q, r = _last(tableau, _row_sums), _last(tableau, _column_sums)
    return min(highest_order(tableau), q + r + 1, 2 * q + 2)


def _last(tableau: Tableau, assumption: Callable[[Tableau, int], bool]) -> int:
    """Return the largest k such that an assumption holds for 1 ... k; B(2s + 1) never does."""
    k = 0
    while k <= 2 * tableau.stages and assumption(tableau, k + 1):
        k += 1
    return k


def _quadrature(tableau: Tableau, k: int) -> bool:
    """Return whether k Σ_i b_i c_i^(k-1) = 1."""
    pairs = zip(tableau.b, tableau.c, strict=True)
    return vanishes([*(k * b * c ** (k - 1) for b, c in pairs), -1])


def _row_sums(tableau: Tableau, k: int) -> bool:
    """Return whether k Σ_j a_ij c_j^(k-1) = c_i^k for all i."""
    return all(
        vanishes([*(k * a * c ** (k - 1) for a, c in zip(row, tableau.c, strict=True)), -(node**k)])
        for row, node in zip(tableau.a, tableau.c, strict=True)
    )


def _column_sums(tableau: Tableau, k: int) -> bool:
    """Return whether k Σ_i b_i c_i^(k-1) a_ij = b_j (1 - c_j^k) for all j."""
    factors = [k * b * c ** (k - 1) for b, c in zip(tableau.b, tableau.c, strict=True)]
    return all(
        vanishes([*(f * a for f, a in zip(factors, column, strict=True)), -b, b * node**k])
        for column, b, node in zip(zip(*tableau.a, strict=True), tableau.b, tableau.c, strict=True)
    )
