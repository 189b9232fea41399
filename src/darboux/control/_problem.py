"""The control problem: a flow, its data and what is to be made small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from darboux.control._regularizer import Regularizer
from darboux.flow import Flow
from darboux.structure._arguments import checked


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
            ValueError: if the loss is no single number.
        """
        value = self.loss(z)
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
        found = dict(self.flow.named_parameters(prefix="flow"))
        if isinstance(self.loss, nn.Module):
            found |= dict(self.loss.named_parameters(prefix="loss"))
        return {name: parameter for name, parameter in found.items() if parameter.requires_grad}
