"""The abstract integrator, what it asks of fields, and how a state moves along a slope."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from darboux.integrators._shears import Shears
from darboux.integrators._tableau import Tableau
from darboux.manifolds import Euclidean

StepSize = float | Tensor
"""h: a number, or a 0-dimensional tensor that gradients reach."""

Time = float | Tensor
"""t: a number; a tensor where it depends on a step size that is one."""

Field = Callable[[Time, Tensor], Tensor]
"""f: (t, z) -> f(t, z), of the shape of z."""


class Integrator(ABC):
    """One step z_k -> z_{k+1} of a numerical method for ż = f(t, z).

    State in, state out: the object itself holds coefficients and nothing that
    changes. For one-step methods the state is z. The class attributes say what the
    method promises; `darboux.flow` turns them, together with what a field promises, into
    claims. A method that can be undone is `invertible` and overrides `step_back`.

    Source: section 2.2.
    """

    order: int
    radius: float | None = None  # contractivity radius r of section 2.2.1, None if unknown
    b_stable: bool = False  # nonexpansive with any step where ν <= 0
    symplectic: bool = False  # canonical fields f = J∇H give symplectic maps
    symmetric: bool = False  # a step by -h from t + h undoes the step by h from t
    by_parts: bool = False  # composed of the flows of a field's parts, or of its two shears
    energy_exact: bool = False  # a discrete gradient: H changes exactly by what S and supply say
    equivariant: bool = False  # Φ_h commutes with every orthogonal map that the field commutes with
    doubled: bool = False  # a two-step method: the state is a pair (z, auxiliary)
    invertible: bool = False  # `step_back` undoes a step
    on_manifolds: bool = False  # steps of fields on a manifold stay there
    by_sample: bool = False  # solves for each sample, or steps it, alone: they must be independent
    tableau: Tableau | None = None  # the coefficients of a Runge-Kutta method

    @classmethod
    def from_argument(cls, value: object) -> Self:
        """Say where integrators are."""
        msg = "Use an object of darboux.integrators, for instance Euler() or Kutta4()."
        raise TypeError(msg)

    @property
    def shears(self) -> Shears | None:
        """The shears that make up a step on phase space, None for other methods."""
        return None

    def require(self, field: Any) -> None:
        """Refuse a field without the property that the method needs.

        Raises:
            TypeError: naming the property, and the methods that do work.
        """
        manifold = getattr(field, "manifold", None)  # most methods take any other field
        if manifold is None or self.on_manifolds or isinstance(manifold, Euclidean):
            return
        msg = (
            f"{self!r}: expected a field on all of space; got {type(field).__name__} on "
            f"{manifold!r}, which sums of points leave. Use LieEuler(), MuntheKaas(), "
            f"CrouchGrossman() or CommutatorFree(), or Projected({self!r}, field.manifold)."
        )
        raise TypeError(msg)

    def init(self, field: Field, t: Time, h: StepSize, z: Tensor) -> Any:
        """Return the state that stands for z at time t."""
        del field, t, h
        return z

    @abstractmethod
    def step(self, field: Field, t: Time, h: StepSize, state: Any) -> Any:
        """Return the state at time t + h."""

    def step_back(self, field: Field, t: Time, h: StepSize, state: Any) -> Any:
        """Return the state at time t from that at t + h, if the method is `invertible`.

        Raises:
            TypeError: if it is not.
        """
        del field, t, h, state
        msg = (
            f"step_back: expected a method that can be undone; got {self!r}. Use StormerVerlet(), "
            "SymplecticEuler(), Composition(4) or Splitting() with a field on phase space, or "
            "LeapfrogMidpoint() or ReversibleHeun() with any field. A method of your own that "
            "steps back says so by invertible = True."
        )
        raise TypeError(msg)

    def lipschitz_factor(self, h: StepSize, lipschitz: StepSize) -> Tensor | None:
        """Return a Lipschitz constant of one step along a field of constant L, None if unknown.

        For a method `by_parts`, L is a constant of both shears of a separable field.
        """
        del h, lipschitz
        return None

    def value(self, state: Any) -> Tensor:
        """Return the features z of a state."""
        features: Tensor = state
        return features


class Partitioned(Protocol):
    """A field on phase space (z, p): ż = drift(t, z, p), ṗ = kick(t, z, p).

    z and p are the two halves of the channel axis. `separable` says that drift does not look
    at z and kick does not look at p, so that each moves the state by an exact shear;
    `autonomous` that neither looks at t.

    Source: section 2.1.2, equations (18) and (19).
    """

    separable: bool
    autonomous: bool

    def drift(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return ż, of the shape of z."""

    def kick(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return ṗ, of the shape of p."""


class Part(Protocol):
    """One summand of a field, with a flow that is known.

    Source: section 2.2.3.
    """

    def flow(self, t: Time, h: StepSize, z: Tensor) -> Tensor:
        """Return where z is after a duration h, with the field frozen at time t.

        Flowing by -h undoes it.
        """


class Splittable(Protocol):
    """A field that is the sum of parts with known flows. Source: section 2.2.3."""

    def parts(self) -> Sequence[Part]:
        """Return the summands, in the order in which a splitting method applies them."""


class GradientForm(Protocol):
    """A field f(t, z) = S(t, z) ∇H(t, z) + supply(t, z), as discrete gradients need it.

    `conservative` says that S is skew and nothing is supplied, so that H is kept;
    `passive` that ⟨g, S g⟩ <= 0 and nothing is supplied, so that H does not rise.

    Source: section 2.2.2.
    """

    conservative: bool
    passive: bool

    def energy(self, t: Time, z: Tensor) -> Tensor:
        """Return H, (batch,)."""

    def gradient(self, t: Time, z: Tensor) -> Tensor:
        """Return ∇H, of the shape of z."""

    def steer(self, t: Time, z: Tensor, g: Tensor) -> Tensor:
        """Return S(t, z) g."""

    def supply(self, t: Time, z: Tensor) -> Tensor | None:
        """Return what flows in from outside, B u(t), or None."""


def lacks(field: Any, *names: str) -> str:
    """Return the first of the methods that a field does not have, "" if it has all.

    Example:
        >>> lacks("a string", "upper", "kick")
        'kick'
    """
    return next((name for name in names if not hasattr(field, name)), "")


def require(field: Any, *names: str, method: object, what: str, instead: str) -> None:
    """Refuse a field without the methods that an integrator needs.

    Args:
        field: what is to be stepped.
        names: the methods.
        method: the integrator, for the message.
        what: the property, in words.
        instead: what works, in words.

    Raises:
        TypeError: naming the property and the methods that do work.

    Example:
        >>> require(len, "kick", method="Verlet", what="a phase space", instead="Use Kutta4().")
        Traceback (most recent call last):
            ...
        TypeError: Verlet: expected a field with a phase space (kick); got len, which has no
        kick(). Use Kutta4().
    """
    if not lacks(field, *names):
        return
    found = getattr(field, "__name__", type(field).__name__)
    msg = (
        f"{method!s}: expected a field with {what} ({', '.join(names)}); got {found}, which has "
        f"no {lacks(field, *names)}(). {instead}"
    )
    raise TypeError(msg)


def step_size(h: StepSize, z: Tensor) -> StepSize:
    """Return h as a step for z: a number, or a 0-dimensional tensor of its dtype and device."""
    if not isinstance(h, Tensor):
        return h
    if h.dim() != 0:
        msg = (
            f"Expected a step size that is a number or a 0-dimensional tensor; got shape "
            f"{tuple(h.shape)}. Use h.squeeze(), or one step for each size."
        )
        raise ValueError(msg)
    return h.to(dtype=z.dtype, device=z.device)


def shifted(z: Tensor, slope: Tensor, h: StepSize, *, weight: float = 1.0) -> Tensor:
    """Return z + w h k in one fused operation."""
    slope = fitting(slope, z)
    if isinstance(h, Tensor):
        return torch.addcmul(z, slope, h, value=weight)
    return add_scaled(z, slope, weight * h)


def add_scaled(z: Tensor, slope: Tensor, weight: float) -> Tensor:
    """Return z + w k, in one fused operation where that is right."""
    # Inductor of torch 2.13 takes alpha for 1 where the slope is a matrix product (issue 167313).
    if torch.compiler.is_compiling():
        return z + weight * slope
    return torch.add(z, slope, alpha=weight)


def fitting(slope: Tensor, z: Tensor) -> Tensor:
    """Return f(t, z) in the dtype of z; refuse another shape, and numbers of another kind."""
    if slope.shape != z.shape:
        msg = (
            f"Expected field(t, z) of the shape of z, {tuple(z.shape)}; got {tuple(slope.shape)}. "
            "Return one slope for each entry of z."
        )
        raise ValueError(msg)
    if slope.dtype == z.dtype:
        return slope
    if slope.is_floating_point() or (slope.is_complex() and z.is_complex()):
        return slope.to(z.dtype)
    hint = "Begin with a complex z" if slope.is_complex() else "Convert it by to(z.dtype)"
    msg = f"Expected field(t, z) of the dtype of z, {z.dtype}; got {slope.dtype}. {hint}."
    raise TypeError(msg)
