"""Manifolds on which a matrix Lie group acts transitively."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from darboux.manifolds._manifold import Manifold


class HomogeneousSpace(Manifold):
    """A manifold with a transitive action of a Lie group from the left.

    Elements ξ of the Lie algebra are tensors (*batch, *algebra); ``exp(ξ)·x`` moves points, and a
    vector field is ẋ = ξ(t, x)·x. On a matrix group the action is multiplication from the left,
    so that the generator of a tangent vector v at x is v x⁻¹.

    Source: sections 2.3 and 6.2.1, equations (58)-(59).
    """

    @property
    @abstractmethod
    def algebra(self) -> tuple[int, ...]:
        """The shape of one element of the Lie algebra."""

    @abstractmethod
    def move(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return exp(ξ)·x."""

    @abstractmethod
    def infinitesimal(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return the tangent vector ξ·x, the derivative of exp(tξ)·x at t = 0."""

    @abstractmethod
    def generator(self, x: Tensor, v: Tensor) -> Tensor:
        """Return an element ξ of the algebra with ξ·x = v, linear in v."""

    def project_algebra(self, xi: Tensor) -> Tensor:
        """Return an element of the algebra for any tensor of its shape; elements stay."""
        return xi

    def killing(self, xi: Tensor) -> Tensor:
        """Return the part of ξ whose motion keeps distances: all of it, but for some metrics."""
        return xi

    def along(self, x: Tensor, v: Tensor) -> Tensor:
        """Return exp(ξ)·x with the generator ξ of a tangent vector v at x."""
        return self.move(self.generator(x, v), x)

    def polish(self, x: Tensor) -> Tensor:
        """Return the point that x is up to rounding: `nearest`, or what is cheaper."""
        return self.nearest(x)

    def bracket(self, xi: Tensor, eta: Tensor) -> Tensor:
        """Return [ξ, η], the commutator of matrices."""
        return xi @ eta - eta @ xi
