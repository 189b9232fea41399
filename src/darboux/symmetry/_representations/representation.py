"""Orthogonal representations as data."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from darboux.structure._arguments import checked, shown
from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.group import Element, Group

_EXACT = 1e-6

_DIGITS = 1e9  # to which matrices are compared


@final
@checked
@dataclass(frozen=True, eq=False, repr=False)
class Representation:
    """An orthogonal representation ρ(g) = Q (ψ₁(g) ⊕ ... ⊕ ψ_m(g)) Qᵀ by its irreducible parts.

    Two representations are equal where their matrices are. `trivial`, `irreducible`, `regular`,
    `from_matrices` and the others of this room make them; the constructor trusts a table.

    Shapes: Q is (size, size), float64; the columns of part i span what ψ_i acts on.

    Source: section 5.1.2.

    Args:
        group: the group.
        name: what tables call it.
        content: the names of ψ₁, ..., ψ_m.
        basis: Q.
        table: the matrices of a finite group, (order, size, size), where they are known more
            exactly than by the formula, for instance as permutations.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if a name is unknown, the sizes do not fit, or Q is not orthogonal.

    Example:
        >>> from darboux.symmetry import Cyclic, regular
        >>> regular(Cyclic(4)).content
        ('0', '1', '2')
    """

    group: Group
    name: str
    content: tuple[str, ...]
    basis: Tensor
    table: Tensor | None = field(default=None)

    def __post_init__(self) -> None:
        size = sum(self.group.size(name) for name in self.content)
        eye = torch.eye(size, dtype=torch.float64, device="cpu")
        fits = size and self.basis.dtype == eye.dtype and self.basis.shape == eye.shape
        if not fits or not float((self.basis.T @ self.basis - eye).norm()) <= _EXACT:
            msg = (
                f"Representation: expected a basis Q, an orthogonal matrix ({size}, {size}) in "
                f"float64; got {shown(self.basis)}. Use from_matrices."
            )
            raise ValueError(msg)
        if self.table is not None and self.table.shape != (self.group.order, size, size):
            msg = (
                f"Representation: expected a table (order, {size}, {size}) of a finite group; got "
                f"{shown(self.table)} for {self.group.describe()}. Use from_matrices."
            )
            raise ValueError(msg)

    @property
    def size(self) -> int:
        """The dimension."""
        return len(self.basis)

    def matrix(self, g: Element) -> Tensor:
        """Return ρ(g), (size, size), float64."""
        if self.table is not None:
            return self.table[g]
        parts = [self.group.irrep(name, g) for name in self.content]
        return self.basis @ torch.block_diag(*parts) @ self.basis.T

    def matrices(self) -> Tensor:
        """Return the matrices of all elements of a finite group, (order, size, size).

        Raises:
            TypeError: if the group is not finite.
        """
        if not isinstance(self.group, FiniteGroup):
            msg = f"Expected a finite group; got {self.group.describe()}. Use matrix(g)."
            raise TypeError(msg)
        if self.table is not None:
            return self.table
        return torch.stack([self.matrix(g) for g in self.group.elements()])

    def parts(self) -> list[tuple[str, Tensor]]:
        """Return the irreducible parts: their names, and the columns of Q, (size, d)."""
        columns = self.basis.split([self.group.size(name) for name in self.content], dim=1)
        return list(zip(self.content, columns, strict=True))

    def invariants(self) -> Tensor:
        """Return an orthonormal basis of the vectors that no element moves, (size, count)."""
        trivial = self.group.irreps(0)[0]
        columns = [part for name, part in self.parts() if name == trivial]
        return torch.cat(columns, dim=1) if columns else self.basis[:, :0]

    @cached_property
    def permutes(self) -> bool:
        """Whether every matrix is a permutation, so that pointwise activations commute."""
        return self.signs and all(bool((m > -0.5).all()) for m in self._generating())

    @cached_property
    def signs(self) -> bool:
        """Whether every matrix is a permutation up to signs, so that odd activations commute."""
        return all(bool(((m - m.round()).abs() < 1e-12).all()) for m in self._generating())

    @cached_property
    def irreducible(self) -> bool:
        """Whether there is only one part."""
        return len(self.content) == 1

    def key(self) -> Hashable:
        """Return what makes two representations equal: the matrices of the generators."""
        return self._key

    @cached_property
    def _key(self) -> Hashable:
        rounded = [(m * _DIGITS).round().to(torch.int64).flatten() for m in self._generating()]
        return (self.group, self.size, tuple(torch.cat(rounded).tolist()))

    def _generating(self) -> list[Tensor]:
        return [self.matrix(g) for g in self.group.generators()]

    def __eq__(self, other: object) -> bool:
        """Return whether both have the same matrices."""
        return isinstance(other, Representation) and self.key() == other.key()

    def __hash__(self) -> int:
        """Return a hash of the matrices."""
        return hash(self.key())

    def __repr__(self) -> str:
        """Return name, group and size."""
        return f"Representation({self.name!r} of {self.group.describe()}, size {self.size})"
