"""Sets of points, and maps that keep them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor

from darboux.structure._arguments import checked
from darboux.structure._claim import Structure
from darboux.structure._metric import Bound, Lipschitz


class PointSet(ABC):
    """A set of tensors, as far as claims need it: which tensors are points, and how far others are.

    A point is a tensor (*batch, *shape). Point sets are immutable data and equal where their
    classes and arguments are.

    Source: section 2.3, M = {y | g(y) = 0}.
    """

    @classmethod
    def from_argument(cls, value: object) -> NoReturn:
        """Say where manifolds are."""
        msg = "Use an object of darboux.manifolds, for instance Sphere(3) or SPD(3)."
        raise TypeError(msg)

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of one point."""

    @abstractmethod
    def defect(self, x: Tensor) -> Tensor:
        """Return how far tensors are from being points, (*batch), 0 for points; NaN for NaN."""

    @abstractmethod
    def nearest(self, x: Tensor) -> Tensor:
        """Return points near tensors of the surrounding space; points stay where they are."""

    def check(self, x: Tensor) -> tuple[bool, str]:
        """Return whether all tensors are points up to rounding, and if not, by how much.

        Example:
            >>> import torch, darboux as dx
            >>> dx.manifolds.Euclidean(3).check(torch.zeros(2))[0]
            False
        """
        size = self.shape
        if x.ndim < len(size) or x.shape[x.ndim - len(size) :] != size:
            return False, f"{self}: expected shape (*batch, {size}); got {tuple(x.shape)}"
        worst = float(self.defect(x.detach()).max()) if x.numel() else 0.0
        limit = self.rounding(x.dtype)
        if worst <= limit:
            return True, ""
        return False, f"{self}: expected points; got a defect of {worst:.3g} above {limit:.1g}"

    def rounding(self, dtype: torch.dtype) -> float:
        """Return the defect that rounding may leave in a point of a precision."""
        return 8 * (1 + math.prod(self.shape)) * torch.finfo(dtype).eps


@checked
@dataclass(frozen=True)
class OnManifold(Structure):
    """On a manifold: maps points of it to points of it, φ(M) ⊂ M.

    Nothing is said about what becomes of other tensors. Features may carry more axes in front:
    an image of SPD matrices, (batch, height, width, 3, 3), is on ``SPD(3)``.

    Source: section 2.3.

    Args:
        manifold: the manifold, or any other `PointSet`.

    Raises:
        TypeError: if it is none.

    Example:
        >>> import torch, darboux as dx
        >>> flat = dx.OnManifold(dx.manifolds.Euclidean(3))
        >>> flat.describe()
        'on the manifold: x in M gives φ(x) in M, M = Euclidean(n=3)'
    """

    manifold: PointSet

    def describe(self) -> str:
        """Return the promise in a formula."""
        return f"on the manifold: x in M gives φ(x) in M, M = {self.manifold!r}"

    def after(self, first: OnManifold) -> OnManifold | None:
        """Conclude where both keep the same manifold."""
        return self if self.manifold == first.manifold else None

    def why_not(self, first: OnManifold) -> str:
        """Return which manifolds they are."""
        return f"the manifolds are {first.manifold!r} before and {self.manifold!r} here"


@checked
@dataclass(frozen=True)
class EquivariantOn(Structure):
    """Equivariant under motions of a manifold, φ(exp(ξ)·x) = exp(ξ)·φ(x).

    exp(ξ) are the elements of the group that acts on the manifold and keeps its distances: turns
    of a sphere, congruences x -> a x aᵀ of SPD matrices with the affine-invariant metric. All
    values of an image are moved by the same ξ.

    Source: sections 2.3 and 5.1, equation (50).

    Args:
        manifold: a homogeneous space.

    Raises:
        TypeError: if it is no manifold.

    Example:
        >>> import torch, darboux as dx
        >>> sphere = dx.manifolds.Sphere(3)
        >>> layer = dx.compose.FrechetConv(sphere, kernel_size=3, dim=1)
        >>> layer.claims().find(dx.EquivariantOn).structure == dx.EquivariantOn(sphere)
        True
    """

    manifold: PointSet

    def describe(self) -> str:
        """Return the promise in a formula."""
        return f"equivariant: φ(exp(ξ)·x) = exp(ξ)·φ(x), exp(ξ) the motions of {self.manifold!r}"

    def after(self, first: EquivariantOn) -> EquivariantOn | None:
        """Conclude where both are equivariant under motions of the same manifold."""
        return self if self.manifold == first.manifold else None

    def why_not(self, first: EquivariantOn) -> str:
        """Return which manifolds they are."""
        return f"the manifolds are {first.manifold!r} before and {self.manifold!r} here"


@checked
@dataclass(frozen=True)
class LipschitzOn(Structure):
    """Lipschitz in the metric of a manifold: d(φ(x), φ(y)) <= c d(x, y) for points x, y.

    For features with more axes, such as an image of SPD matrices, d² is the sum of the squared
    distances of all values.

    Source: sections 2.2.1 and 2.3.

    Args:
        manifold: a manifold with its metric.
        constant: c >= 0; c = 1 is called nonexpansive.

    Raises:
        TypeError: if the manifold is none.
        ValueError: if the constant is negative or NaN.

    Example:
        >>> import darboux as dx
        >>> line = dx.manifolds.Euclidean(1)
        >>> dx.LipschitzOn(line, 2.0).after(dx.LipschitzOn(line, 0.5)).constant
        1.0
    """

    manifold: PointSet
    constant: Bound

    def describe(self) -> str:
        """Return the promise in a formula."""
        return (
            f"Lipschitz: d(φ(x), φ(y)) <= {self.constant:.6g} d(x, y), d the distance of "
            f"{self.manifold!r}"
        )

    def after(self, first: LipschitzOn) -> LipschitzOn | None:
        """Multiply the constants of one manifold."""
        if self.manifold != first.manifold:
            return None
        constants = Lipschitz(self.constant).after(Lipschitz(first.constant))
        return LipschitzOn(self.manifold, constants.constant)

    def why_not(self, first: LipschitzOn) -> str:
        """Return which manifolds they are."""
        return f"the manifolds are {first.manifold!r} before and {self.manifold!r} here"

    def at_least(self, other: Structure) -> bool:
        """Every smaller constant implies the larger ones."""
        return (
            isinstance(other, LipschitzOn)
            and self.manifold == other.manifold
            and self.constant <= other.constant
        )
