"""The extended phase space, in which every Hamiltonian field is autonomous."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from darboux.fields._differentiate import slope, time_of
from darboux.fields._field import Time
from darboux.fields._phase_space import CanonicalPhaseField, halves, join
from darboux.structure._arguments import checked


@final
class ExtendedPhaseSpace(CanonicalPhaseField):
    """A Hamiltonian field with time t and its momentum p_t as two more variables (20).

    ż = ∂H/∂p,  ṗ = -∂H/∂z,  ṫ = 1,  ṗ_t = -∂H/∂t.

    This is the field of the autonomous K = H(t, z, p) + p_t, which is constant along
    solutions: p_t keeps track of how H varies. `extend` starts it at K = 0, `project`
    returns to (z, p). Each sample carries its own time; the t that the field is called
    with is not looked at.

    The part of (z, p) is the plain field, and a symplectic method of the extended space
    moves it as the plain one does.

    Shapes: states ((z, t), (p, p_t)) are (batch, 2 features + 2), dense only: a time for
    every pixel would make as many different solutions.

    Source: section 2.1.2, equation (20).

    Args:
        field: the Hamiltonian field, whose energy may depend on t. It is called with t as
            a tensor (batch, 1), one time for each sample.

    Raises:
        TypeError: if the field is not Hamiltonian.
        ValueError: when called with a state of another shape.

    Example:
        >>> import torch, darboux as dx
        >>> def driven(t, z, p):
        ...     return (p.square() / 2 + torch.cos(t) * z).sum(dim=1)
        >>> field = dx.fields.ExtendedPhaseSpace(dx.fields.LearnedHamiltonianField(driven))
        >>> x = field.extend(torch.tensor([[1.0, 2.0]]), t=0.0)
        >>> x, field(0.0, x), field.energy(0.0, x)
        (tensor([[ 1.,  0.,  2., -3.]]), tensor([[ 2.,  1., -1.,  0.]]), tensor([0.]))
    """

    autonomous = True

    @checked
    def __init__(self, field: CanonicalPhaseField) -> None:
        super().__init__()
        self.field = field

    def drift(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return (∂H/∂p, 1)."""
        del t  # the time of a sample is in its state
        inner = _split(z, p)
        return _append(self.field.drift(*inner), torch.ones_like(inner[0]))

    def kick(self, t: Time, z: Tensor, p: Tensor) -> Tensor:
        """Return (-∂H/∂z, -∂H/∂t)."""
        del t
        inner = _split(z, p)
        return _append(self.field.kick(*inner), -self._time_slope(*inner))

    def slopes(self, t: Time, z: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """Return both."""
        del t
        inner = _split(z, p)
        drift, kick = self.field.slopes(*inner)
        return _append(drift, torch.ones_like(inner[0])), _append(kick, -self._time_slope(*inner))

    def energy(self, t: Time, x: Tensor) -> Tensor:
        """Return K = H(t, z, p) + p_t, (batch,)."""
        del t
        position, momentum = halves(x)
        time, z, p = _split(position, momentum)
        return self.field.energy(time, join(z, p)) + momentum[:, -1]

    def extend(self, x: Tensor, *, t: Time) -> Tensor:
        """Return the extended state of (z, p) at time t, with p_t = -H(t, z, p), so that K = 0.

        Args:
            x: (z, p), (batch, 2 features).
            t: a number, or one time for each sample, (batch, 1).

        Raises:
            ValueError: if the state has spatial axes or an odd number of channels, or t has
                another shape.
        """
        _require_dense(x)
        z, p = halves(x)
        time = time_of(t, x)
        energy = self.field.energy(time, x).unsqueeze(1).to(x.dtype)
        return join(_append(z, time), _append(p, -energy))

    def project(self, x: Tensor) -> Tensor:
        """Return (z, p), (batch, 2 features), of an extended state."""
        _, z, p = _split(*halves(x))
        return join(z, p)

    def _time_slope(self, time: Tensor, z: Tensor, p: Tensor) -> Tensor:
        """Return ∂H/∂t, (batch, 1)."""
        x = join(z, p)
        return slope(lambda t: self.field.energy(t, x), time)


def _split(position: Tensor, momentum: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return (t, z, p) of an extended state."""
    _require_dense(position)
    if position.shape[1] < 2:
        msg = (
            "ExtendedPhaseSpace: expected states ((z, t), (p, p_t)) with at least 4 channels; got "
            f"{2 * position.shape[1]}. Use extend(x, t=...), which appends t and p_t."
        )
        raise ValueError(msg)
    return position[:, -1:], position[:, :-1], momentum[:, :-1]


def _append(half: Tensor, last: Tensor) -> Tensor:
    return torch.cat([half, last], dim=1)


def _require_dense(x: Tensor) -> None:
    if x.ndim != 2:
        msg = (
            "ExtendedPhaseSpace: expected dense states (batch, channels), since a sample has one "
            f"time and not one for every pixel; got shape {tuple(x.shape)}. Flatten the space "
            "axes, or step the field itself, which takes t as an argument."
        )
        raise ValueError(msg)
