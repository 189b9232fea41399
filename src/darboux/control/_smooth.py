"""Regularisers in time with a gradient."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from darboux.control._regularizer import Regularizer
from darboux.control._time import horizon_of, stacked
from darboux.flow import Flow


@final
class L2(Regularizer):
    """The squared norm of the parameters in time, ∫ ‖θ(t)‖² dt = (T/K) Σ_k ‖θ_k‖².

    It is coercive. Time is that of K equal steps, also where steps are learned.

    Source: section 3.2.

    Raises:
        ValueError: when called, if θ is no function of time: the steps share a field, fields differ
            in what is chosen, or the horizon is not given.

    Example:
        >>> import torch, darboux as dx
        >>> fields = [dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh())]
        >>> flow = dx.Flow(fields, dx.integrators.Euler(), horizon=3.0)
        >>> _ = [torch.nn.init.ones_(p) for p in flow.parameters()]
        >>> (0.5 * dx.control.L2())(flow)
        tensor(9., grad_fn=<MulBackward0>)
    """

    def __call__(self, flow: Flow) -> Tensor:
        """Return R, ()."""
        values = stacked(flow)
        return horizon_of(flow) / len(flow.fields) * _total([v.square().sum() for v in values])


@final
class H1(Regularizer):
    """The squared H¹ norm in time, ‖θ(0)‖² + ∫ ‖∂_t θ‖² dt, of the values θ_k at kT/K.

    R = ‖θ_0‖² + (K/T) Σ_{k=0}^{K-2} ‖θ_{k+1} - θ_k‖²: as K grows, minimisers converge to a function
    θ in H¹(0, T). It is coercive. Time is that of K equal steps, also where steps are learned.

    Source: section 3.2, equation (37); section 3.3, equation (40), whose sum has to stop one
    term earlier, with the factor K/T.

    Raises:
        ValueError: when called, if θ is no function of time: the steps share a field, fields differ
            in what is chosen, or the horizon is not given.

    Example:
        >>> import torch, darboux as dx
        >>> layers = [dx.linear.Dense(2, 2) for _ in range(4)]
        >>> fields = [dx.fields.ResidualField(layer, dx.activations.Tanh()) for layer in layers]
        >>> flow = dx.Flow(fields, dx.integrators.Euler())
        >>> with torch.no_grad():
        ...     for k, field in enumerate(fields):
        ...         _ = field.bias.fill_(k / 4), field.map.weight.zero_()
        >>> dx.control.H1()(flow)  # the slope 1 of two biases, on three of four steps
        tensor(1.5000, grad_fn=<AddBackward0>)
    """

    def __call__(self, flow: Flow) -> Tensor:
        """Return R, ()."""
        values, rate = stacked(flow), len(flow.fields) / horizon_of(flow)
        slopes = _total([v.diff(dim=0).square().sum() for v in values])
        return _total([v[0].square().sum() for v in values]) + rate * slopes


@final
class KineticEnergy(Regularizer):
    """The kinetic energy of features, Σ_k |h_k| ‖f_k(z_k)‖², the mean over samples.

    With it, features move along short and straight paths: among all flows that do the same, it is
    smallest where each sample moves on a line at constant speed, Σ = ‖z_K - z_0‖²/T (Benamou
    and Brenier). It looks at states, so that f is evaluated once more at each.

    Source: section 3.2; Karkar et al. 2020.

    Raises:
        TypeError: when called without states.

    Example:
        >>> import torch, darboux as dx
        >>> fields = [dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh())]
        >>> flow, z = dx.Flow(fields, dx.integrators.Euler()), torch.randn(5, 2)
        >>> states = flow.trajectory(z)
        >>> energy = dx.control.KineticEnergy().along(flow, states)
        >>> torch.testing.assert_close(energy, (states[1] - z).square().sum(dim=1).mean())
    """

    needs_states = True

    def __call__(self, flow: Flow) -> Tensor:
        """Refuse to go without states."""
        msg = (
            "KineticEnergy: expected the states of the flow; got none. Use it where they are at "
            "hand: problem.objective(), ForwardBackward or AllAtOnce, or along(flow, states)."
        )
        raise TypeError(msg)

    def along(self, flow: Flow, states: Tensor) -> Tensor:
        """Return R, ()."""
        speeds = [  # |h| with the slope 1 at 0: to take a step at all has its price
            h * (1 - 2 * (h < 0)) * field(t, z).square().flatten(1).sum(dim=1)
            for (field, t, h), z in zip(flow.grid(), states[:-1], strict=True)
        ]
        return torch.stack(speeds).sum(dim=0).mean()


def _total(values: list[Tensor]) -> Tensor:
    return torch.stack(values).sum()
