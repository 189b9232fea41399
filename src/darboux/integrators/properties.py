"""What a method may need of a field beyond f(t, z), as protocols, and how it is asked for.

Integrators know no fields: any object with these methods will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from darboux.integrators.integrator import StepSize, Time


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
