"""The abstract vector field f(t, z) and its constants."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

from torch import Tensor

from darboux.structure import Equivariant, Kind, PointSet, Premise
from darboux.structure._module import Module

Time = float | Tensor  # a tensor where it depends on a step size that is one

Prepared = Callable[[Time, Tensor], Tensor]

Constant = Tensor | float

Energy = Callable[[Time, Tensor], Tensor]


class VectorField(Module, ABC):
    """A vector field ż = f(t, z) on features z of shape (batch, channels, *space).

    The constants are bounds for all z and t, or None where no theorem gives one:
    floats where they depend on no parameter, else zero-dimensional float64 tensors,
    differentiable in the parameters.

    The class attributes declare properties. None is taken on trust: each becomes a premise
    of the claims that use it, and `certify` attacks it.

    A field with an energy H has a method ``energy(t, z)``, (batch,). Where it is of the form
    f = S∇H + supply, as discrete gradients need it, it has ``gradient(t, z)``, which is ∇H, and
    ``steer(t, z, g)``, which is S g, too.

    Source: section 2.1.
    """

    tensor_at = 1
    autonomous: bool = False  # f does not look at t
    separable: bool = False  # phase space: drift does not look at z, nor kick at p
    canonical: bool = False  # f = J∇H on phase space, H = energy (section 2.1.2)
    divergence_free: bool = False  # and every one of its parts() is
    exact_parts: bool = False  # flows of its parts() are closed formulas, undone by -h
    reversible: bool = False  # f(ρz) = -ρf(z) with the momentum flip ρ(z, p) = (z, -p)
    passive: bool = False  # ⟨g, S g⟩ <= 0 and nothing is supplied: H does not rise
    conservative: bool = False  # S is skew and nothing is supplied: H is kept
    manifold: PointSet | None = None  # of the points z; f(t, z) are tangent vectors (section 2.3)
    context_features: int | None = None  # of c, where f is called as f(t, z, c)

    @classmethod
    def from_argument(cls, value: object) -> Self:
        """Say how a network becomes a field."""
        write = "Write a darboux.fields.VectorField whose forward(t, z) calls it."
        raise TypeError(write if callable(value) and not isinstance(value, VectorField) else "")

    def supply(self, t: Time, z: Tensor) -> Tensor | None:
        """Return what flows in from outside, None for nothing."""
        del t, z
        return None

    @abstractmethod
    def forward(self, t: Time, z: Tensor) -> Tensor:
        """Return f(t, z), of the shape of z."""

    def lipschitz(self) -> Constant | None:
        """Return L with ‖f(t, y) - f(t, x)‖ <= L ‖y - x‖."""
        return None

    def one_sided_lipschitz(self) -> Constant | None:
        """Return an upper bound of ν in (14): ⟨f(y) - f(x), y - x⟩ <= ν ‖y - x‖²."""
        return None

    def cocoercivity(self) -> Constant | None:
        """Return ν̄ < 0 with ⟨f(y) - f(x), y - x⟩ <= ν̄ ‖f(y) - f(x)‖² (section 2.2.1)."""
        return None

    def is_cocoercive(self) -> bool:
        """Return whether there is a ν̄; fields that know without computing it do."""
        return self.cocoercivity() is not None

    def cocoercivity_kind(self) -> Kind:
        """Return how ν̄ is known: CONSTRUCTION if the same ν̄ serves all parameters."""
        return Kind.BOUND

    def growth(self) -> tuple[Tensor, Kind] | None:
        """Return (c, kind) if z >= 0 gives ‖max(z + h f, 0)‖ <= ‖z‖ + h c √P, and how c is known.

        P is the number of points of the image, 1 for dense features.
        """
        return None

    def equivariant(self) -> Equivariant | None:
        """Return with what f(t, ·) commutes for every t: features of one type to the same type."""
        return None

    def premises(self) -> tuple[Premise, ...]:
        """Return the conditions that the constants rest on."""
        return ()

    def why(self) -> str:
        """Return the theorem behind the constants, in words, "" where there is none."""
        return ""

    def prepare(self) -> Prepared:
        """Return (t, z) -> f(t, z) with whatever depends on parameters alone computed once.

        A flow prepares a field at the beginning of its step, so that the stages of a
        Runge-Kutta method share, for instance, one norm bound.
        """
        return self
