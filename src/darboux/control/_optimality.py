"""The conditions of a minimum of a control problem, layer by layer: Pontryagin's principle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from darboux.control._problem import ControlProblem
from darboux.flow import Flow, advance
from darboux.structure._arguments import checked


class Optimality(NamedTuple):
    """How far states, costates and parameters are from solving (10) and (11), by layer, (K,) each.

    Example:
        >>> import torch
        >>> rows = torch.tensor([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]])
        >>> Optimality(*rows, others=torch.tensor(1.0)).largest()
        4.0
    """

    state: Tensor  # ‖Φ_k(z_k) - z_{k+1}‖, ż = ∂_p H
    costate: Tensor  # ‖∂_z (H_k + R)ᵀ - p_k‖ at k = 1, ..., K, with p_K = L'(z_K): ṗ = -∂_z H
    stationarity: Tensor  # ‖∂_θ (H_k + R)‖ in the parameters of field k: 0 = ∂_θ H
    others: Tensor  # ‖∂E‖ in the parameters of no layer: of the loss, and learned steps, ()

    def largest(self) -> float:
        """Return the largest of all."""
        return float(torch.cat([each.flatten() for each in self]).max())


@checked
def optimality(
    problem: ControlProblem, states: Tensor | None = None, costates: Tensor | None = None
) -> Optimality:
    """Return how far a control problem is from the necessary conditions of a minimum.

    With H_k(z, p, θ) = ⟨p, Φ_k(z, θ)⟩ for the step Φ_k, they are that all derivatives vanish of

        L(z_K) + R + Σ_k ⟨p_{k+1}, Φ_k(z_k, θ_k) - z_{k+1}⟩.

    Without states and costates, those of the flow are taken, for which the first two hold exactly
    and the third says how large the gradient of E is in each layer.

    Source: section 1.2, equations (9) to (11); section 3.1.2, equation (34).

    Args:
        problem: its flow has one field a step and a one-step method.
        states: z_0, ..., z_K, (K+1, batch, ...).
        costates: p_1, ..., p_K, (K, batch, ...).

    Raises:
        TypeError: if the integrator is a two-step method.
        ValueError: if states or costates have another shape, or the steps share a field.

    Example:
        >>> import torch, darboux as dx
        >>> def field():
        ...     return dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh())
        >>> flow = dx.Flow([field() for _ in range(3)], dx.integrators.Euler())
        >>> problem = dx.control.ControlProblem(flow, torch.ones(1, 2), lambda z: z.square().sum())
        >>> found = dx.control.optimality(problem)
        >>> found.state.shape, found.largest() > 0
        (torch.Size([3]), True)
    """
    count = len(problem.flow.fields)
    if problem.flow.shared:
        msg = "optimality: expected one field a step; got a single field. Give a list of fields."
        raise ValueError(msg)
    z = problem.flow.trajectory(problem.z).detach() if states is None else states.detach()
    _check("K + 1 states", z, (count + 1, *problem.z.shape))
    p = _costates(problem, z) if costates is None else costates.detach()
    _check("K costates", p, (count, *problem.z.shape))
    return residuals(problem, z, p)


def _check(name: str, values: Tensor, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        msg = (
            f"optimality: expected {name}, {shape}; got shape {tuple(values.shape)}. Give the "
            "trajectory of the flow along the data of the problem, or leave them out."
        )
        raise ValueError(msg)


def residuals(problem: ControlProblem, states: Tensor, costates: Tensor) -> Optimality:
    """Return the norms of the derivatives of the Lagrangian, layer by layer."""
    later = states[1:].detach().requires_grad_()
    along = torch.cat([states[:1].detach(), later])
    gaps = defects(problem, along)
    value = problem.cost(along[-1], along) + (costates * gaps).sum()
    layers = [[p for p in field.parameters() if p.requires_grad] for field in problem.flow.fields]
    own = {id(p) for layer in layers for p in layer}
    layers.append([p for p in problem.parameters().values() if id(p) not in own])
    slope, *slopes = torch.autograd.grad(
        value,
        [later, *(p for layer in layers for p in layer)],
        allow_unused=True,
        materialize_grads=True,
    )
    rest = iter(slopes)
    *found, others = [_norm([next(rest) for _ in layer], states) for layer in layers]
    return Optimality(_rows(gaps.detach()), _rows(slope), torch.stack(found), others)


def defects(problem: ControlProblem, states: Tensor) -> Tensor:
    """Return Φ_k(z_k) - z_{k+1}, (K, batch, ...)."""
    flow = problem.flow
    require_one_step(flow)
    gaps = [
        advance(field, flow.integrator, h, t, z) - after
        for (field, t, h), z, after in zip(flow.grid(), states[:-1], states[1:], strict=True)
    ]
    return torch.stack(gaps)


def require_one_step(flow: Flow) -> None:
    """Refuse a method whose states are no features."""
    if flow.integrator.doubled:
        msg = (
            f"Expected a one-step method, whose states are features; got {flow.integrator!r}. Use "
            "a Runge-Kutta or a splitting method."
        )
        raise TypeError(msg)


def _costates(problem: ControlProblem, states: Tensor) -> Tensor:
    """Return the p_1, ..., p_K that solve the adjoint equation along the states of the flow."""
    # The derivatives of E in additions ε_k = 0 to the states: z_{k+1} = Φ_k(z_k) + ε_{k+1}.
    moves = torch.zeros_like(states[1:]).requires_grad_()
    flow, z = problem.flow, states[0]
    along = [z]
    for (field, t, h), move in zip(flow.grid(), moves, strict=True):
        z = advance(field, flow.integrator, h, t, z) + move
        along.append(z)
    (found,) = torch.autograd.grad(problem.cost(z, torch.stack(along)), moves)
    return found


def _rows(values: Tensor) -> Tensor:
    return values.flatten(1).norm(dim=1)


def _norm(slopes: Sequence[Tensor], like: Tensor) -> Tensor:
    norms = [slope.norm() for slope in slopes]
    return torch.stack(norms).norm() if norms else like.new_zeros(())
