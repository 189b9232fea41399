"""Stepping back, where a method can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from darboux.integrators import Integrator

Back = Callable[..., Any]


def step_back(integrator: Integrator) -> Back:
    """Return the method's ``step_back``, for one-step methods.

    Raises:
        TypeError: if the method has none, or steps pairs of states.

    Example:
        >>> import darboux as dx
        >>> try:
        ...     step_back(dx.integrators.Euler())
        ... except TypeError as error:
        ...     str(error)[:62]
        'inverse: expected a method that steps back in closed form; got'
    """
    back: Back | None = getattr(integrator, "step_back", None)
    if integrator.doubled:
        msg = (
            f"inverse: expected a one-step method; got {integrator!r}, whose state is a pair: z "
            "alone does not determine where it came from. Use flow.doubled()."
        )
        raise TypeError(msg)
    if back is None:
        msg = (
            f"inverse: expected a method that steps back in closed form; got {integrator!r}. Use "
            "StormerVerlet(), SymplecticEuler(), Composition(4) or Splitting() with a field on "
            "phase space, or LeapfrogMidpoint() and flow.doubled() with any field."
        )
        raise TypeError(msg)
    return back
