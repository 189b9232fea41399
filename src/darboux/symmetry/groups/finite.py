"""The abstract finite group."""

from __future__ import annotations

from abc import abstractmethod
from functools import lru_cache

import torch
from torch import Tensor

from darboux.symmetry.groups.group import Group
from darboux.symmetry.groups.numerical_irreps import irrep_tables
from darboux.symmetry.groups.planar import unknown_irrep

_SAME = 1e-9  # matrices of different elements differ by far more


class FiniteGroup(Group):
    """A finite group; its elements are 0, ..., order - 1, and 0 is the identity.

    A class of one's own lists faithful orthogonal matrices and generators; products, inverses
    and irreducible representations follow. Those with names of their own override the latter.

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
        return self.faithful()[a] if self.dim else torch.zeros(0, 0, dtype=torch.float64)

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
    # tr((g⁻¹ (a b)) = n only where g = a b, since matrices are orthogonal.
    pairs = torch.einsum("aij,bjk->abik", matrices, matrices).flatten(2)
    closeness = pairs @ matrices.flatten(1).T
    best = closeness.max(dim=2)
    if float((best.values - matrices.shape[1]).abs().max()) > _SAME * matrices.shape[1]:
        msg = f"Expected matrices that are closed under products; those of {group!r} are not."
        raise ValueError(msg)
    return best.indices
