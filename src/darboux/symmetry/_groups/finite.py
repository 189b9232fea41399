"""The abstract finite group."""

from __future__ import annotations

from abc import abstractmethod
from functools import lru_cache
from numbers import Integral

import torch
from torch import Tensor

from darboux.symmetry._groups.group import Element, Group, unknown_irrep

_SAME = 1e-9  # matrices of different elements differ by far more

_ATTEMPTS = 8

_APART = 1e-6  # eigenvalues of one representation differ by rounding, those of two by far more

_EQUAL_CHARACTERS = 1e-3  # characters are rounded sums of roots of unity


class FiniteGroup(Group):
    """A finite group; its elements are 0, ..., order - 1, and 0 is the identity.

    A class of one's own lists faithful orthogonal matrices and generators; products, inverses
    and irreducible representations follow. Groups with named irreps override `irreps` and
    `irrep_table`.

    Source: section 5.1.
    """

    @property
    @abstractmethod
    def order(self) -> int:
        """The number of elements."""

    @abstractmethod
    def faithful(self) -> Tensor:
        """Return one orthogonal matrix per element, (order, n, n), all different."""

    def irreps(self, degree: int | None = None) -> tuple[str, ...]:
        """Return all names, or the trivial one for degree 0; found numerically by default."""
        return ("1",) if degree == 0 else tuple(irrep_tables(self))

    def irrep_table(self, name: str) -> Tensor:
        """Return the matrices of an irreducible representation, (order, d, d).

        Raises:
            ValueError: if there is none of that name.
        """
        tables = irrep_tables(self)
        if name not in tables:
            raise unknown_irrep(self, name)
        return tables[name]

    def products(self) -> Tensor:
        """Return the table of products, (order, order): entry (a, b) is a b."""
        return _products(self)

    def contains(self, a: Element) -> bool:
        """Return whether it is a number from 0 to order - 1."""
        return not isinstance(a, bool) and isinstance(a, Integral) and a in range(self.order)

    def elements(self) -> tuple[int, ...]:
        """Return all elements."""
        return tuple(range(self.order))

    def compose(self, a: int, b: int) -> int:
        """Return a b."""
        return int(self.products()[a, b])

    def inverse(self, a: int) -> int:
        """Return a⁻¹."""
        return int((self.products()[a] == 0).nonzero()[0, 0])

    def action(self, a: int) -> Tensor:
        """Return the matrix of a on points, (dim, dim); empty where it moves none."""
        return (
            self.faithful()[a] if self.dim else torch.zeros(0, 0, dtype=torch.float64, device="cpu")
        )

    def locate(self, matrix: Tensor) -> int:
        """Return the element with a given faithful matrix."""
        found = ((self.faithful() - matrix).abs().amax(dim=(1, 2)) < _SAME).nonzero()
        if len(found) != 1:
            msg = f"Expected the matrix of an element of {self.describe()}; got {matrix.tolist()}."
            raise ValueError(msg)
        return int(found[0, 0])

    def sample(self, count: int, *, seed: int) -> tuple[int, ...]:
        """Return all elements, or `count` different random ones where there are more."""
        if self.order <= count:
            return self.elements()
        generator = torch.Generator().manual_seed(seed)
        return tuple(torch.randperm(self.order, generator=generator)[:count].tolist())

    def grid_elements(self) -> tuple[int, ...]:
        """Return the elements that map the lattice to itself."""
        if not self.dim:
            return self.elements()
        matrices = self.faithful()
        whole = (matrices - matrices.round()).abs().amax(dim=(1, 2)) < _SAME
        return tuple(whole.nonzero().flatten().tolist())

    def irrep(self, name: str, a: int) -> Tensor:
        """Return ψ(a)."""
        return self.irrep_table(name)[a]

    def commutant(self, name: str) -> int:
        """Return ‖χ‖² = Σ_g χ(g)²/|G|: 1, 2 or 4."""
        table = self.irrep_table(name)
        return round(float(table.diagonal(dim1=1, dim2=2).sum(dim=1).square().mean()))


@lru_cache(maxsize=64)
def _products(group: FiniteGroup) -> Tensor:
    matrices = group.faithful()
    flat, n = matrices.flatten(1).T, matrices.shape[1]
    # tr((g⁻¹ (a b)) = n only where g = a b, since matrices are orthogonal.
    best = [((a @ matrices).flatten(1) @ flat).max(dim=1) for a in matrices]
    if not all(bool(((row.values - n).abs() <= _SAME * n).all()) for row in best):
        msg = f"Expected matrices that are closed under products; got those of {group!r}."
        raise ValueError(msg)
    return torch.stack([row.indices for row in best])


@lru_cache(maxsize=32)
def irrep_tables(group: FiniteGroup) -> dict[str, Tensor]:
    """Return all real irreducible representations of a finite group, by name."""
    # The regular representation commutes with every A[g, h] = a(g⁻¹h). Where a(g) = a(g⁻¹) is
    # random A is symmetric, and each of its eigenspaces is irreducible with probability one. The
    # projection onto it is of the same form, P[g, h] = p(g⁻¹h), and the iteration
    # p <- 3 p∗p - 2 p∗p∗p makes it one to rounding. A real character χ is irreducible exactly if
    # the means of χ(g)² and χ(g²) add to 2: (1, 1), (2, 0) and (4, -2) for the three types. Those
    # that are distinct are kept, and are all of them when Σ d²/e = |G|, e the mean of χ(g)².
    # Names are the dimensions, with letters from the second one on: "1" (the trivial one), "1b",
    # "2", ... Equal dimensions are sorted by character.
    # Dixon 1970, Computing irreducible representations of groups; Serre 1977, Linear
    # Representations of Finite Groups, section 13.2 (the three types).
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
    random = torch.randn(order, generator=generator, dtype=torch.float64, device="cpu")
    values, vectors = torch.linalg.eigh((random + random[inverse])[quotients])
    starts = (values.diff() > _APART * order**0.5).nonzero().flatten() + 1
    classes, sizes = _classes(products, quotients)
    found: dict[tuple[int, ...], Tensor] = {}
    total = 0
    for space in vectors.tensor_split(starts.tolist(), dim=1):
        p = space @ space[0]
        # χ(g) = Σ_h p(h⁻¹gh), the mean over the class of g times the order
        sums = torch.zeros(order, dtype=torch.float64, device="cpu").index_add(0, classes, p)
        character = (sums[classes] / sizes) * order
        commutant = round(float(character.square().mean()))
        if commutant + round(float(character[products.diagonal()].mean())) != 2:
            return None  # two eigenvalues were too close together
        key = tuple((character / _EQUAL_CHARACTERS).round().long().tolist())
        if key not in found:
            found[key] = _polished((p + p[inverse]) / 2, quotients)
            total += space.shape[1] ** 2 // commutant
    return list(found.values()) if total == order else None


def _classes(products: Tensor, quotients: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first conjugate of each element, and how many conjugates it has."""
    order = len(products)
    conjugates = products[
        quotients, torch.arange(order, device="cpu")[:, None]
    ]  # entry (h, g) is h⁻¹gh
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
    """Return columns of P that span its image, and C of their products: a pivoted Cholesky."""
    # The first column of which a good part is new comes next: so the choice depends on P alone,
    # not on how eigenvectors were chosen.
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
    return torch.tensor(pivots, device="cpu"), factor[pivots].tril()


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
