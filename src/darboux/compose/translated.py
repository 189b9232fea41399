"""A map seen from another origin."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from darboux.structure import (
    Averaged,
    Claim,
    Claims,
    Equivariant,
    Isometric,
    Kind,
    Lipschitz,
    claims_of,
)


@final
class Translated(nn.Module):
    """The map x -> φ(x - c) + c, with the metric claims of φ: translations are isometries.

    Useful where zero padding meets images in [0, 1]: c = 1/2 puts zero in the middle.

    Shapes: x is (batch, features, *space), kept by φ.

    Args:
        inner: φ.
        offset: c.

    Example:
        >>> import torch, darboux as dx
        >>> dx.compose.Translated(torch.nn.ReLU(), offset=1.0)(torch.tensor([[0.0, 3.0]]))
        tensor([[1., 3.]])
    """

    def __init__(self, inner: nn.Module, *, offset: float) -> None:
        super().__init__()
        self.inner = inner
        self.offset = float(offset)

    def forward(self, x: Tensor) -> Tensor:
        """Return φ(x - c) + c."""
        return self.inner(x - self.offset) + self.offset

    def chain(self) -> list[tuple[str, nn.Module]]:
        """Return the shift and φ; the shift back is an isometry."""
        return [("shift", _Shift(-self.offset)), ("inner", self.inner)]

    def claims(self) -> Claims:
        """Return the metric claims of φ, and what it commutes with."""
        inner = claims_of(self.inner)
        gaps = tuple(gap.under("inner") for gap in inner.gaps)
        kept = tuple(
            Claim(c.structure, c.kind, c.reason, c.premises)
            for c in inner
            if isinstance(c.structure, (Averaged, Isometric, Lipschitz))
        )
        return Claims((*kept, *self._symmetries(inner)), gaps)

    def _symmetries(self, inner: Claims) -> tuple[Claim, ...]:
        """Return what φ commutes with, if equal entries stay equal entries: for permutations."""
        claim = inner.find(Equivariant)
        if claim is None or not isinstance(claim.structure, Equivariant):
            return ()
        laws = (claim.structure.source, claim.structure.target)
        return (claim,) if all(law is None or law.permutes for law in laws) else ()


@final
class _Shift(nn.Module):
    """The translation x -> x + c."""

    def __init__(self, offset: float) -> None:
        super().__init__()
        self.offset = offset

    def forward(self, x: Tensor) -> Tensor:
        return x + self.offset

    def claims(self) -> Claims:
        return Claims((Claim(Isometric(), Kind.CONSTRUCTION, "a translation"),))
