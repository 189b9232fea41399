"""The control problem: a flow, its data and what is to be made small."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from darboux.control._regularizer import ProximalRegularizer, Regularizer
from darboux.flow import Flow
from darboux.integrators import StiffnessError
from darboux.solvers import ConvergenceError
from darboux.structure._arguments import checked, shown

NO_VALUE = (ConvergenceError, StiffnessError, FloatingPointError)  # of E, a solver says


@final
@checked
@dataclass(frozen=True, eq=False)
class ControlProblem:
    """The minimum over θ of E(θ) = L(z_K) + R(θ) with z_{k+1} = Φ_{h_k}(θ_k, z_k), z_0 = z.

    Source: sections 1.2 and 3, equations (10) and (11).

    Args:
        flow: z_0 -> z_K, with one field a step.
        z: the data z_0, (batch, features, *space).
        loss: z_K -> L, (); a function, or a module whose parameters are minimised over as well.
        regularizer: R, 0 if None.

    Raises:
        ValueError: if nothing can be changed, or the loss is no single number.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh())
        >>> flow = dx.Flow([field], dx.integrators.Euler())
        >>> ControlProblem(flow, torch.zeros(3, 2), lambda z: z.square().mean()).objective().shape
        torch.Size([])
    """

    flow: Flow
    z: Tensor
    loss: Callable[[Tensor], Tensor]
    regularizer: Regularizer | None = None

    def __post_init__(self) -> None:
        if not self.parameters():
            msg = (
                "ControlProblem: expected a flow with parameters to choose; got one that has none "
                "with requires_grad. Use fields with parameters, or call requires_grad_()."
            )
            raise ValueError(msg)

    def objective(self) -> Tensor:
        """Return E at the present parameters, ()."""
        if self.regularizer is None or not self.regularizer.needs_states:
            return self.cost(self.flow(self.z))
        states = self.flow.trajectory(self.z)
        return self.cost(states[-1], states)

    def cost(self, z: Tensor, states: Tensor | None = None) -> Tensor:
        """Return L(z) + R, (), of a z_K: E where it is the flow's.

        `states` are z_0, ..., z_K, (K+1, batch, ...), for an R that looks at them.

        Raises:
            TypeError: if the loss is no tensor of a real type.
            ValueError: if it is no single number.
        """
        value = self.loss(z)
        if not (isinstance(value, Tensor) and value.is_floating_point()):
            msg = (
                f"ControlProblem: expected a loss that is a real number in a tensor; got "
                f"{shown(value)}. Compute it by torch, without item(), so that it has a gradient."
            )
            raise TypeError(msg)
        if value.ndim > 0:
            msg = (
                f"ControlProblem: expected a loss that is one number; got shape "
                f"{tuple(value.shape)}. Take its mean() or sum()."
            )
            raise ValueError(msg)
        if self.regularizer is None:
            return value
        if states is None:
            return value + self.regularizer(self.flow)
        return value + self.regularizer.along(self.flow, states)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return what is minimised over, by name: that of the flow, and of the loss."""
        parts = nn.ModuleDict({"flow": self.flow})
        if isinstance(self.loss, nn.Module):
            parts["loss"] = self.loss
        # a parameter of both counts once, as in any module
        return {name: p for name, p in parts.named_parameters() if p.requires_grad}


def require_smooth(problem: ControlProblem, name: str) -> None:
    """Refuse a regulariser with kinks, for a method that follows gradients alone."""
    terms = () if problem.regularizer is None else problem.regularizer.terms()
    kinks = [term for _, term in terms if isinstance(term, ProximalRegularizer)]
    if kinks:
        msg = (
            f"{name}: expected a regularizer with a gradient; got {kinks[0]!r}, which has "
            "kinks. Use ForwardBackward."
        )
        raise ValueError(msg)


def value_or_infinity(problem: ControlProblem) -> float:
    """Return E at trial parameters, ∞ where a solver of the flow gives up."""
    try:
        with torch.no_grad():
            return float(problem.objective())
    except NO_VALUE:
        return math.inf
