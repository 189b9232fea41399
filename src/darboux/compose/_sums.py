"""Sums of maps: residual, affine, average; and a map with another origin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from darboux.linear import LinearMap
from darboux.structure import (
    Averaged,
    Claim,
    Claims,
    Equivariant,
    Isometric,
    Kind,
    Lipschitz,
    average,
    claims_of,
    residual,
)
from darboux.structure._arguments import NonNegative, checked
from darboux.structure._module import Module


@final
class Residual(Module):
    """The map x -> x + s φ(x), Lipschitz with 1 + |s| c.

    Shapes: x is (batch, features, *space), kept by φ.

    Source: section 1.2, equation (5).

    Args:
        inner: φ.
        scale: s.

    Raises:
        ValueError: when called, if φ(x) has another shape than x.

    Example:
        >>> import torch, darboux as dx
        >>> block = dx.Residual(torch.nn.Tanh(), scale=0.5)
        >>> dx.structure.claims_of(block).claims[0].structure
        Lipschitz(constant=1.5)
    """

    @checked
    def __init__(self, inner: nn.Module, *, scale: float = 1.0) -> None:
        super().__init__()
        self.inner = inner
        self.scale = float(scale)

    def forward(self, x: Tensor) -> Tensor:
        """Return x + s φ(x)."""
        return x + self.scale * _of_shape(x.shape, self.inner(x), "Residual: expected φ to keep")

    def branches(self) -> list[tuple[str, nn.Module]]:
        """Return φ, which gets what the sum gets."""
        return [("inner", self.inner)]

    def claims(self) -> Claims:
        """Return what the triangle inequality gives."""
        return residual(claims_of(self.inner), scale=self.scale)


@final
class Affine(Module):
    """The map x -> A x + b, with everything that A claims: a shift changes no distance.

    The bias is what A allows: for an equivariant map one number for each invariant vector of
    its target, so that the sum stays equivariant.

    Shapes: those of A.

    Source: sections 2.1.1 and 5.1.

    Args:
        map: A.

    Example:
        >>> import torch, darboux as dx
        >>> feature = dx.symmetry.Feature(dx.symmetry.Cyclic(4), ["regular"])
        >>> affine = Affine(dx.symmetry.EquivariantDense(feature, feature))
        >>> affine.bias.shape, affine(torch.ones(2, 4)).shape
        (torch.Size([1]), torch.Size([2, 4]))
    """

    @checked
    def __init__(self, map: LinearMap) -> None:
        super().__init__()
        self.map = map
        self.bias = map.bias()

    def forward(self, x: Tensor) -> Tensor:
        """Return A x + b."""
        return self.map.affine(x, self.bias)

    def claims(self) -> Claims:
        """Return what A claims, about differences and symmetry."""
        known = claims_of(self.map)
        kept = tuple(
            Claim(c.structure, c.kind, f"a shift by an allowed b: {c.reason}", c.premises)
            for c in known
        )
        return Claims(kept, known.gaps)


@final
class Translated(Module):
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

    @checked
    def __init__(self, inner: nn.Module, *, offset: float) -> None:
        super().__init__()
        self.inner = inner
        self.offset = float(offset)

    def forward(self, x: Tensor) -> Tensor:
        """Return φ(x - c) + c."""
        return self.inner(x - self.offset) + self.offset

    def maps(self) -> list[tuple[str, nn.Module]]:
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


@final
class Average(Module):
    """The map x -> Σ w_i φ_i(x) with weights w_i >= 0, Σ w_i = 1.

    Averages of nonexpansive maps are nonexpansive; averages of α_i-averaged maps are
    (Σ w_i α_i)-averaged.

    Shapes: all φ_i map (batch, features, *space) to the same shape.

    Source: section 2.2.1; Combettes and Yamada 2015.

    Args:
        parts: the maps φ_i, at least one.
        weights: w_i; equal weights unless given.

    Raises:
        ValueError: if there is no map, or the weights are no convex combination; when called,
            if the φ_i(x) differ in shape.

    Example:
        >>> import torch, darboux as dx
        >>> both = dx.Average([torch.nn.ReLU(), torch.nn.Identity()])
        >>> both(torch.tensor([[-2.0, 2.0]]))
        tensor([[-1.,  2.]])
    """

    @checked
    def __init__(
        self, parts: Sequence[nn.Module], *, weights: Sequence[NonNegative] | None = None
    ) -> None:
        super().__init__()
        if not parts:
            msg = "Average: expected at least one map; got none."
            raise ValueError(msg)
        self.parts = nn.ModuleList(parts)
        self.weights = _convex(len(parts), weights)

    def forward(self, x: Tensor) -> Tensor:
        """Return Σ w_i φ_i(x)."""
        first, *rest = zip(self.weights, self.parts, strict=True)
        total = first[0] * first[1](x)
        for weight, part in rest:
            value = _of_shape(total.shape, part(x), "Average: expected all parts to return")
            total = total + weight * value
        return total

    def branches(self) -> list[tuple[str, nn.Module]]:
        """Return the maps φ_i."""
        return [(f"parts.{i}", part) for i, part in enumerate(self.parts)]

    def claims(self) -> Claims:
        """Return the means of the constants."""
        named = [(name, claims_of(part)) for name, part in self.branches()]
        return average(named, weights=self.weights)


def _of_shape(shape: torch.Size, value: Tensor, expected: str) -> Tensor:
    """Return a summand, or refuse one of another shape: broadcasting it has other constants."""
    if value.shape != shape:
        msg = f"{expected} the shape {tuple(shape)}; got {tuple(value.shape)}. Map it there first."
        raise ValueError(msg)
    return value


def _convex(count: int, weights: Sequence[float] | None) -> tuple[float, ...]:
    if weights is None:
        return (1.0 / count,) * count
    values = tuple(float(weight) for weight in weights)
    if len(values) != count or abs(sum(values) - 1) > 1e-12 * count:
        msg = (
            f"Average: expected {count} weights >= 0 that sum to 1; got {values}. "
            "Divide them by their sum."
        )
        raise ValueError(msg)
    return values
