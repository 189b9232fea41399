"""Learned equivariant quadratic maps."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from darboux.structure import Claims, Gap
from darboux.symmetry._feature import Feature
from darboux.symmetry._nonlinear.claims import equivariant_claim, exact, value
from darboux.symmetry._nonlinear.products import pairs_of, places_of, squares


@final
class TensorProductActivation(nn.Module):
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
        ValueError: if the groups differ, no product reaches a target field, or fields are so
            large that a basis is not affordable.

    Example:
        >>> from darboux.symmetry import SO2
        >>> source, target = (Feature(SO2(), fields) for fields in (["1", "1"], ["0", "2"]))
        >>> TensorProductActivation(source, target)(torch.ones(5, 4)).shape
        torch.Size([5, 3])
    """

    order: Tensor

    def __init__(self, source: Feature, target: Feature) -> None:
        super().__init__()
        source.sum(target)  # refuses two groups
        self.source, self.target = source, target
        self.pairs = pairs_of(source)
        self.weights = nn.ParameterList()
        self.blocks: list[tuple[int, ...]] = []  # for each target kind, the pairs that reach it
        channels = []
        for kind, places in places_of(target).items():
            bases = [pairs.basis(kind) for pairs in self.pairs]
            self._add(bases, count=len(places))
            channels += [c for place in places for c in range(place, place + kind.size)]
        self.order = nn.Buffer(torch.tensor(channels).argsort(), persistent=False)

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
            self.register_buffer(f"basis_{number}", exact(bases[k]), persistent=False)
        self.blocks.append(reached)
