"""Learned equivariant quadratic maps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import final

import torch
from torch import Tensor, nn

from darboux.structure import Claims, Gap
from darboux.structure._arguments import checked
from darboux.structure._constants import HasConstants
from darboux.structure._module import Module
from darboux.symmetry._feature import Feature
from darboux.symmetry._groups.group import Group
from darboux.symmetry._nonlinear.common import equivariant_claim, exact, value
from darboux.symmetry._representations.decompose import intertwiners
from darboux.symmetry._representations.representation import Representation
from darboux.symmetry._representations.tensor import tensor_product

_MOST = 2**27  # what an orthonormal basis may cost


@lru_cache(maxsize=512)
def _product_basis(left: Representation, right: Representation, target: Representation) -> Tensor:
    """Return an orthonormal basis of the equivariant maps from x ⊗ y, (count, n, n_l, n_r)."""
    # Schur: they map each irreducible part of the product to the equal ones of the target, by
    # what commutes with it.
    product = tensor_product(left, right)
    pairs = [(a, b) for b in target.parts() for a in product.parts() if a[0] == b[0]]
    count = sum(target.group.commutant(name) for (name, _), _ in pairs)
    entries = target.size * product.size
    if count**2 * entries > _MOST:
        msg = (
            f"Expected fields with few products, count² · entries <= 2^27; got {count} maps with "
            f"{entries} entries from {left.name} ⊗ {right.name} to {target.name}. Use smaller ones."
        )
        raise ValueError(msg)
    found = [
        columns @ unit @ rows.T
        for (name, rows), (_, columns) in pairs
        for unit in _commuting(target.group, name)
    ]
    every = (
        torch.stack(found) if found else torch.zeros(0, entries, dtype=torch.float64, device="cpu")
    )
    return every.reshape(-1, target.size, left.size, right.size)


@lru_cache(maxsize=512)
def _commuting(group: Group, name: str) -> Tensor:
    """Return an orthonormal basis of what commutes with an irreducible representation."""
    if group.commutant(name) == 1:
        size = group.size(name)
        return torch.eye(size, dtype=torch.float64, device="cpu")[None] / size**0.5
    matrices = [group.irrep(name, g) for g in group.generators()]
    return intertwiners(matrices, matrices)


@lru_cache(maxsize=512)
def square_basis(kind: Representation, target: Representation) -> Tensor:
    """Return an orthonormal basis of the equivariant maps from x ⊗ x, (count, n, n_x, n_x)."""
    # Those that are antisymmetric in the two factors vanish on x ⊗ x, and are left out.
    every = _product_basis(kind, kind, target)
    if not len(every):
        return every
    symmetric = 0.5 * (every + every.mT)
    _, values, vectors = torch.linalg.svd(symmetric.flatten(1), full_matrices=False)
    return vectors[values > 1e-8].reshape(-1, *every.shape[1:])


@final
@dataclass(frozen=True)
class PairsOfKind:
    """All pairs of fields of two kinds: the first channels of each, on both sides."""

    kinds: tuple[Representation, Representation]
    left: tuple[int, ...]
    right: tuple[int, ...]

    def basis(self, target: Representation) -> Tensor:
        """Return a basis of the equivariant maps of one pair, (count, n, n_l, n_r)."""
        if self.left == self.right:
            return square_basis(self.kinds[0], target)
        return _product_basis(*self.kinds, target)


def _places_of(feature: Feature) -> dict[Representation, list[int]]:
    """Return where the fields of each kind begin."""
    found: dict[Representation, list[int]] = {}
    start = 0
    for field in feature.fields:
        found.setdefault(field, []).append(start)
        start += field.size
    return found


def _pairs_of(feature: Feature) -> tuple[PairsOfKind, ...]:
    """Return the pairs of every field with itself, and with its right neighbour."""
    selves = [PairsOfKind((k, k), tuple(at), tuple(at)) for k, at in _places_of(feature).items()]
    starts = list(accumulate(feature.sizes, initial=0))
    found: dict[tuple[Representation, Representation], list[tuple[int, int]]] = {}
    for k, kinds in enumerate(pairwise(feature.fields)):
        found.setdefault(kinds, []).append((starts[k], starts[k + 1]))
    neighbours = [PairsOfKind(kinds, *zip(*at, strict=True)) for kinds, at in found.items()]
    return (*selves, *neighbours)


def squares(x: Tensor, pairs: PairsOfKind) -> Tensor:
    """Return the entries of x_f ⊗ x_f' of all pairs, (batch, pairs · n_l · n_r, *space)."""
    sides = zip((pairs.left, pairs.right), pairs.kinds, strict=True)
    left, right = (
        torch.stack([x[:, s : s + kind.size] for s in starts], dim=1) for starts, kind in sides
    )
    return (left.unsqueeze(3) * right.unsqueeze(2)).flatten(1, 3)


@final
class TensorProductActivation(Module, HasConstants):
    """The quadratic map x -> W (x ⊗ x), W learned among the equivariant ones.

    Products are those of every field with itself and with its right neighbour, so that the cost
    grows linearly with the number of fields. Each pair f, f' is mapped to each target field by
    Σ_i w_i M_i (x_f ⊗ x_f'), with M_i a basis of the equivariant maps; weights start as normals,
    such that normal x give results of size about 1. There is no global Lipschitz constant.

    Shapes: (batch, source channels, *space) -> (batch, target channels, *space).

    Source: section 5.1.3; Kondor, Lin and Trivedi 2018, Clebsch-Gordan nets.

    Args:
        source: the type of x.
        target: the type of the result.

    Raises:
        TypeError: if something else than features is given.
        ValueError: if the groups differ, no product reaches a target field, or fields are so
            large that a basis is not affordable.

    Example:
        >>> from darboux.symmetry import SO2
        >>> source, target = (Feature(SO2(), fields) for fields in (["1", "1"], ["0", "2"]))
        >>> TensorProductActivation(source, target)(torch.ones(5, 4)).shape
        torch.Size([5, 3])
    """

    order: Tensor

    @checked
    def __init__(self, source: Feature, target: Feature) -> None:
        super().__init__()
        source.sum(target)  # refuses two groups
        self.source, self.target = source, target
        self.pairs = _pairs_of(source)
        self.weights = nn.ParameterList()
        self.blocks: list[tuple[int, ...]] = []  # for each target kind, the pairs that reach it
        channels = []
        for kind, places in _places_of(target).items():
            bases = [pairs.basis(kind) for pairs in self.pairs]
            self._add(bases, count=len(places))
            channels += [c for place in places for c in range(place, place + kind.size)]
        self.hold("order", torch.tensor(channels, device="cpu").argsort())

    def forward(self, x: Tensor) -> Tensor:
        """Return W (x ⊗ x)."""
        self.source.check(x)
        products, matrices = [squares(x, pairs) for pairs in self.pairs], self.matrices()
        results, k = [], 0
        for block in self.blocks:
            parts = []
            for which in block:
                matrix = matrices[k].to(x.dtype)
                parts.append(torch.einsum("oi,bi...->bo...", matrix, products[which]))
                k += 1
            results.append(torch.stack(parts).sum(0))
        return torch.cat(results, dim=1).index_select(1, self.order)

    def matrices(self) -> list[Tensor]:
        """Return the blocks of W: from the products of one kind to the targets of one kind."""
        found = []
        for k, weight in enumerate(self.weights):
            basis = value(getattr(self, f"basis_{k}"), weight.dtype)
            block = torch.einsum("tpc,cnlr->tnplr", weight, basis)
            found.append(block.flatten(2).flatten(0, 1))
        return found

    def claims(self) -> Claims:
        """Return `Equivariant`, and that there is no Lipschitz constant."""
        reason = "every M_i commutes: M ρ(g) ⊗ ρ(g) = ρ'(g) M"
        gap = Gap("", "a quadratic map has no global Lipschitz constant; use NormActivation")
        return Claims((equivariant_claim(self.source, self.target, reason),), (gap,))

    def extra_repr(self) -> str:
        """Return both features."""
        return f"{self.source!r} -> {self.target!r}"

    def _add(self, bases: list[Tensor], *, count: int) -> None:
        """Add weights of all pairs for `count` target fields of one kind."""
        counted = zip(self.pairs, bases, strict=True)
        terms = sum(len(pairs.left) * len(basis) for pairs, basis in counted)
        reached = tuple(k for k, basis in enumerate(bases) if len(basis))
        if not reached:
            msg = (
                f"TensorProductActivation: expected products of {self.source.describe()} that "
                f"reach every field of {self.target.describe()}; none reaches field kind "
                f"{len(self.blocks)}. Leave it out, or add fields to the source."
            )
            raise ValueError(msg)
        for k in reached:
            shape = (count, len(self.pairs[k].left), len(bases[k]))
            # a row of M_i has the mean square 1/n, and terms add up
            scale = (bases[k].shape[1] / terms) ** 0.5
            number = len(self.weights)
            self.weights.append(nn.Parameter(torch.randn(shape) * scale))
            self.hold(f"basis_{number}", exact(bases[k]))
        self.blocks.append(reached)
