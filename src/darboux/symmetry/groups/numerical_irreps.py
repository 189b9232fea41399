"""The irreducible representations of any finite group, from its table of products."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from darboux.symmetry.groups.finite import FiniteGroup

_ATTEMPTS = 8
_APART = 1e-6  # eigenvalues of one representation differ by rounding, those of two by far more
_SAME = 1e-3  # characters are rounded sums of roots of unity


@lru_cache(maxsize=32)
def irrep_tables(group: FiniteGroup) -> dict[str, Tensor]:
    """Return all real irreducible representations of a finite group, by name.

    The regular representation commutes with every A[g, h] = a(g⁻¹h). Where a(g) = a(g⁻¹) is
    random A is symmetric, and each of its eigenspaces is irreducible with probability one. The
    projection onto it is of the same form, P[g, h] = p(g⁻¹h), and the iteration
    p <- 3 p∗p - 2 p∗p∗p makes it one to rounding. A real character χ is irreducible exactly if
    the means of χ(g)² and χ(g²) add to 2: (1, 1), (2, 0) and (4, -2) for the three types. Those
    that are distinct are kept, and are all of them when Σ d²/e = |G|, e the mean of χ(g)².

    Names are the dimensions, with letters from the second one on: "1" (the trivial one), "1b",
    "2", ... Equal dimensions are sorted by character.

    Shapes: each table is (order, d, d), float64.

    Source: Dixon 1970, Computing irreducible representations of groups; Serre 1977, Linear
    Representations of Finite Groups, section 13.2 (the three types).

    Args:
        group: the group; its elements are enumerated with the identity first.

    Raises:
        ArithmeticError: if the eigenvalues are not clear, which rounding makes very unlikely.

    Example:
        >>> from darboux.symmetry import Dihedral
        >>> {name: len(table[0]) for name, table in irrep_tables(Dihedral(3)).items()}
        {'1': 1, '1b': 1, '2': 2}
    """
    products = group.products()
    inverse = (products == 0).nonzero()[:, 1]
    quotients = products[inverse]  # entry (g, h) is g⁻¹h
    for seed in range(_ATTEMPTS):
        found = _split(products, quotients, inverse, seed=seed)
        if found is not None:
            return _named([_table(p, products, quotients) for p in found])
    msg = f"Expected clear eigenvalues of a random matrix that commutes with {group.describe()}."
    raise ArithmeticError(msg)


def _split(
    products: Tensor, quotients: Tensor, inverse: Tensor, *, seed: int
) -> list[Tensor] | None:
    """Return one projection p, (order,), per irreducible representation, or None."""
    order = len(products)
    generator = torch.Generator().manual_seed(seed)
    random = torch.randn(order, generator=generator, dtype=torch.float64)
    values, vectors = torch.linalg.eigh((random + random[inverse])[quotients])
    starts = (values.diff() > _APART * order**0.5).nonzero().flatten() + 1
    classes, sizes = _classes(products, quotients)
    found: dict[tuple[int, ...], Tensor] = {}
    total = 0
    for space in vectors.tensor_split(starts.tolist(), dim=1):
        p = space @ space[0]
        # χ(g) = Σ_h p(h⁻¹gh), the mean over the class of g times the order
        sums = torch.zeros(order, dtype=torch.float64).index_add(0, classes, p)
        character = (sums[classes] / sizes) * order
        commutant = round(float(character.square().mean()))
        if commutant + round(float(character[products.diagonal()].mean())) != 2:
            return None  # two eigenvalues were too close together
        key = tuple((character / _SAME).round().long().tolist())
        if key not in found:
            found[key] = _polished((p + p[inverse]) / 2, quotients)
            total += space.shape[1] ** 2 // commutant
    return list(found.values()) if total == order else None


def _classes(products: Tensor, quotients: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first conjugate of each element, and how many conjugates it has."""
    order = len(products)
    conjugates = products[quotients, torch.arange(order)[:, None]]  # entry (h, g) is h⁻¹gh
    classes = conjugates.amin(dim=0)
    return classes, torch.bincount(classes, minlength=order)[classes]


def _polished(p: Tensor, quotients: Tensor) -> Tensor:
    """Return an orthogonal projection to rounding from a symmetric p that is nearly one."""
    matrix = p[quotients]
    squared = p @ matrix  # Σ_h p(h) p(h⁻¹x)
    return 3 * squared - 2 * squared @ matrix


def _table(p: Tensor, products: Tensor, quotients: Tensor) -> Tensor:
    """Return BᵀL(g)B, where B = P S C⁻ᵀ: S picks columns, and SᵀPS = CCᵀ."""
    pivots, lower = _columns(p, quotients)
    left = quotients[pivots]  # h⁻¹g for the columns h that are picked
    moved = p[products[left[:, :, None], pivots]]  # Sᵀ L(g) P S, as (d, order, d)
    half = torch.linalg.solve_triangular(lower, moved.flatten(1), upper=False)
    half = half.reshape(moved.shape).permute(1, 2, 0)  # transposed
    table = torch.linalg.solve_triangular(lower, half, upper=False).mT.contiguous()
    whole = table.round()
    return whole + 0.0 if float((table - whole).abs().max()) < 1e-12 else table


def _columns(p: Tensor, quotients: Tensor) -> tuple[Tensor, Tensor]:
    """Return columns of P that span its image, and C of their products: a pivoted Cholesky.

    The first column of which a good part is new comes next: so the choice depends on P alone,
    not on how eigenvectors were chosen.
    """
    order = len(p)
    rank = round(float(p[0]) * order)
    rest, factor = p[:1].expand(order), p.new_zeros(order, 0)
    pivots: list[int] = []
    for _ in range(rank):
        h = int((rest > 0.95 * rest.max()).nonzero()[0, 0])
        column = p[quotients[:, h]] - factor @ factor[h]
        column = column / column[h].sqrt()
        factor = torch.cat([factor, column[:, None]], dim=1)
        rest = rest - column.square()
        pivots.append(h)
    return torch.tensor(pivots), factor[pivots].tril()


def _named(tables: list[Tensor]) -> dict[str, Tensor]:
    """Return the tables by name: sorted by dimension, then character, the trivial one first."""

    def rank(table: Tensor) -> tuple[int, list[float]]:
        character = table.diagonal(dim1=1, dim2=2).sum(dim=1)
        return (table.shape[1], (-character).round(decimals=6).tolist())

    named: dict[str, Tensor] = {}
    sizes: dict[int, int] = {}
    for table in sorted(tables, key=rank):
        size = table.shape[1]
        sizes[size] = sizes.get(size, 0) + 1
        named[f"{size}{_letters(sizes[size])}"] = table
    return named


def _letters(count: int) -> str:
    """Return "", "b", ..., "z", "aa", "ab", ...: numbers from 1, without "a"."""
    letters = ""
    number = count
    while number > 0:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return "" if count == 1 else letters
