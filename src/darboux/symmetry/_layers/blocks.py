"""The pairs of field kinds between two features, and their bases of kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.symmetry._feature import Feature
from darboux.symmetry._kernels.basis import kernel_basis
from darboux.symmetry._representations.representation import Representation


@final
@dataclass(frozen=True)
class Block:
    """All kernels from fields of one kind to fields of one kind."""

    targets: int
    sources: int
    basis: Tensor

    @property
    def count(self) -> int:
        """The number of weights."""
        return self.targets * self.sources * len(self.basis)

    def expand(self, weight: Tensor, basis: Tensor) -> Tensor:
        """Return Σ_b w_b k_b for all pairs of fields, (targets·n₂, sources·n₁, taps)."""
        n2, n1 = self.basis.shape[1:3]
        kernels = weight.reshape(self.targets * self.sources, -1) @ basis
        kernels = kernels.reshape(self.targets, self.sources, n2, n1, -1)
        return kernels.transpose(1, 2).reshape(self.targets * n2, self.sources * n1, -1)


def kinds(feature: Feature) -> dict[Representation, list[int]]:
    """Return the fields of each kind by their number, in the order of appearance."""
    found: dict[Representation, list[int]] = {}
    for number, field in enumerate(feature.fields):
        found.setdefault(field, []).append(number)
    return found


def order(feature: Feature) -> list[int] | None:
    """Return where each channel stands when fields are sorted by kind, None where they are."""
    starts = [0, *torch.tensor(feature.sizes, device="cpu").cumsum(0).tolist()]
    numbers = [number for group in kinds(feature).values() for number in group]
    if numbers == sorted(numbers):
        return None
    channels = [c for n in numbers for c in range(starts[n], starts[n + 1])]
    return torch.tensor(channels, device="cpu").argsort().tolist()


def blocks(
    source: Feature, target: Feature, *, kernel_size: int, dim: int
) -> tuple[tuple[Block, ...], ...]:
    """Return the blocks, a row for each kind of the target."""
    rows = []
    for kind, targets in kinds(target).items():
        row = tuple(
            Block(
                len(targets),
                len(sources),
                kernel_basis(first, kind, kernel_size=kernel_size, dim=dim),
            )
            for first, sources in kinds(source).items()
        )
        if not any(block.count for block in row):
            raise ValueError(_empty(source, kind, kernel_size))
        rows.append(row)
    return tuple(rows)


def _empty(source: Feature, kind: Representation, kernel_size: int) -> str:
    return (
        f"Expected a kernel of size {kernel_size} from {source.describe()} to {kind.name} of "
        f"{source.group.describe()}; the only one that commutes with the group is zero, so the "
        "field would always be zero. Use a larger kernel_size, or leave the field out."
    )


def sizes(rows: Sequence[Sequence[Block]]) -> list[int]:
    """Return the number of weights of every block, row by row."""
    return [block.count for row in rows for block in row]
