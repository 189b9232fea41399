"""The slope of a field at a state, of the shape that a method needs."""

from __future__ import annotations

from torch import Tensor

from darboux.integrators.integrator import Field, Time


def slope_of(field: Field, t: Time, z: Tensor) -> Tensor:
    """Return f(t, z).

    Args:
        field: (t, z) -> f(t, z).
        t: the time.
        z: the state.

    Raises:
        ValueError: if it has another shape than z.

    Example:
        >>> import torch
        >>> slope_of(lambda t, z: -z, 0.0, torch.ones(2))
        tensor([-1., -1.])
    """
    slope = field(t, z)
    if slope.shape != z.shape:
        msg = (
            f"Expected field(t, z) of the shape of z, {tuple(z.shape)}; got "
            f"{tuple(slope.shape)}. Return one slope for each entry of z."
        )
        raise ValueError(msg)
    return slope
