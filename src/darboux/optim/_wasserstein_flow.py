"""Gradient flows of measures: neurons as particles, which move and may change their masses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, final

import torch
from torch import Tensor

from darboux.optim._base import (
    NOT_FINITE,
    BaseOptimizer,
    Closure,
    Group,
    Parameters,
    evaluated,
    gradients_of,
    is_left_out,
    require_numbers,
)
from darboux.optim._hyperbolic import boosted
from darboux.structure._arguments import NonNegative, checked, shown

Role = Literal["incoming", "outgoing", "mass"]

_NAME = "WassersteinFlow"


@final
class WassersteinFlow(BaseOptimizer):
    """Gradient descent of a loss of measures of particles, which are the neurons of a layer.

    A group of parameters is a measure μ = Σ_j w_j δ_{θ_j} of J particles, and the loss a
    function of that, E(μ). With V = δE/δμ its flow in the metric of Wasserstein, Fisher and
    Rao is

        θ̇_j = -a ∇V(θ_j) = -(a/w_j) ∂E/∂θ_j,  ẇ_j = -b w_j (V(θ_j) - Σ_i w_i V(θ_i) / Σ_i w_i).

    Without a parameter for them the masses are w_j = 1/J, and the particles move by J times the
    gradient: equation (62), whose rate is m = J. Masses change by a mirror step, w_j
    exp(-h b V(θ_j)), so that they stay positive and their sum stays what it is to rounding.
    a = 0 leaves the metric of Fisher and Rao alone.

    With `balanced` particles are pairs (u, c), and a loss that does not change where u is
    multiplied and c divided by a number t > 0, as with ReLU, keeps ‖u_j‖² - ‖c_j‖²: of order h
    by Euler steps, to rounding by the steps taken then, θ_j' = exp(h A_j) θ_j with A_j in
    so(p, q) and A_j θ_j the velocity. What the velocity of other losses lacks for that is
    added by an Euler step.

    Shapes: "incoming" parameters are (J, *any), "outgoing" ones (*any, J), as in
    `torch.nn.Linear` before and after J neurons; "mass" is (J,).

    Source: sections 6.3 and 6.4.3, equations (61) to (63); Chizat and Bach 2018; Chizat 2022,
    Sparse optimization on measures with over-parametrized gradient descent.

    Args:
        params: parameters, or groups of them, one for each layer of neurons:
            {"params": ..., "roles": ..., "balanced": ...}.
        lr: the step size h, of a step that does not shrink as J grows.
        roles: which axis of each parameter counts the particles, or that it holds their masses;
            None if all are "incoming".
        balanced: whether the imbalance of each particle is kept to rounding.
        transport: a, how fast particles move.
        reaction: b, how fast masses change where there are any.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if a number is out of range, parameters do not have equally many particles,
            masses are negative, or a balance lacks one of its sides.
        RuntimeError: by `step`, if a gradient is sparse.
        FloatingPointError: by `step`, if a parameter would not be finite; none has been changed
            then.

    Example:
        >>> import torch, darboux as dx
        >>> first, last = torch.nn.Linear(2, 64), torch.nn.Linear(64, 1, bias=False)
        >>> x = torch.randn(256, 2)
        >>> measure = {
        ...     "params": [first.weight, first.bias, last.weight],
        ...     "roles": ("incoming", "incoming", "outgoing"),
        ... }
        >>> flow = dx.optim.WassersteinFlow([measure], lr=0.1, balanced=True)
        >>> def loss():
        ...     return (last(first(x).relu()) / 64 - x[:, :1].abs()).square().mean()
        >>> before = loss().item()
        >>> for _ in range(100):
        ...     flow.zero_grad()
        ...     loss().backward()
        ...     flow.step()
        >>> loss().item() < 0.5 * before
        True
    """

    _step_supports_amp_scaling = True

    @checked
    def __init__(
        self,
        params: Parameters,
        lr: NonNegative,
        *,
        roles: Sequence[Role] | None = None,
        balanced: bool = False,
        transport: NonNegative = 1.0,
        reaction: NonNegative = 1.0,
    ) -> None:
        rates = {"lr": lr, "transport": transport, "reaction": reaction}
        super().__init__(params, {**rates, "roles": roles, "balanced": balanced})

    def add_param_group(self, param_group: Group) -> None:
        """Add a group, as torch's optimisers do.

        Raises:
            TypeError: if an option of it is of another type.
            ValueError: if one is out of range, or its parameters no particles of one measure.
        """
        BaseOptimizer.add_param_group(self, param_group)
        try:
            _require_measure(self.param_groups[-1])
        except ValueError:
            self.param_groups.pop()
            raise

    def step(self, closure: Closure | None = None) -> Any:
        """Make one step, after a call of the closure if there is one.

        Raises:
            RuntimeError: if a gradient is sparse, or a gradient scaler comes with a closure.
            ValueError: if a number of a group is negative, NaN or infinite.
            FloatingPointError: if a parameter would not be finite; none has been changed then.
        """
        if is_left_out(self, closure):
            return None
        loss = evaluated(closure)
        with torch.no_grad():
            gradients_of(self, [p for group in self.param_groups for p in group["params"]])
            moved = [pair for group in self.param_groups for pair in _moved(group)]
            if not all(new.is_meta or bool(new.isfinite().all()) for _, new in moved):
                raise FloatingPointError(NOT_FINITE)
            for parameter, new in moved:
                parameter.copy_(new)
        return loss


def _moved(group: Group) -> list[tuple[Tensor, Tensor]]:
    """Return the parameters of a measure that have gradients, each with its new value."""
    require_numbers(group, "lr", "transport", "reaction")
    roles = _roles(group)
    pairs = list(zip(group["params"], roles, strict=True))
    masses = next((p for p, role in pairs if role == "mass"), None)
    found = [] if masses is None or masses.grad is None else [(masses, _reacted(masses, group))]
    moving = [(p, role) for p, role in pairs if p.grad is not None and role != "mass"]
    if not moving or group["transport"] == 0:
        return found
    points = [_rows(p, role) for p, role in moving]
    # a particle without mass has no velocity
    rate = len(points[0]) if masses is None else torch.where(masses > 0, 1 / masses, 0)[:, None]
    velocities = [-rate * _rows(p.grad, role) for p, role in moving]
    step = group["lr"] * group["transport"]
    if group["balanced"]:
        sides = [role for _, role in moving]
        points = boosted(points, velocities, [side == "incoming" for side in sides], step)
    else:
        points = [x + step * v for x, v in zip(points, velocities, strict=True)]
    return found + [
        (p, _unrolled(new, p, role)) for (p, role), new in zip(moving, points, strict=True)
    ]


def _reacted(masses: Tensor, group: Group) -> Tensor:
    """Return w exp(-h b V), of the same sum."""
    first_variation = masses.grad
    assert first_variation is not None
    above = first_variation - first_variation.min()
    grown = masses * torch.exp(-group["lr"] * group["reaction"] * above)
    return grown * (masses.sum() / grown.sum())


def _rows(x: Tensor, role: Role) -> Tensor:
    """Return the entries of each particle, (J, entries)."""
    front = x.movedim(-1, 0) if role == "outgoing" else x
    return front.reshape(len(front), -1)


def _unrolled(rows: Tensor, like: Tensor, role: Role) -> Tensor:
    if role != "outgoing":
        return rows.reshape(like.shape)
    return rows.reshape(like.shape[-1:] + like.shape[:-1]).movedim(0, -1)


def _roles(group: Group) -> tuple[Role, ...]:
    given: Sequence[Role] | None = group["roles"]
    usual: tuple[Role, ...] = ("incoming",)
    return usual * len(group["params"]) if given is None else tuple(given)


def _require_measure(group: Group) -> None:
    """Refuse parameters that are no particles of one measure."""
    parameters, roles = group["params"], _roles(group)
    if len(roles) != len(parameters) or not set(roles) <= {"incoming", "outgoing", "mass"}:
        msg = (
            f'{_NAME}: expected roles to be one of "incoming", "outgoing" and "mass" for each of '
            f"{len(parameters)} parameters; got {shown(group['roles'])}."
        )
        raise ValueError(msg)
    if not all(p.is_floating_point() for p in parameters):
        dtypes = [p.dtype for p in parameters]
        raise ValueError(f"{_NAME}: expected real parameters; got {dtypes}.")
    shapes = [tuple(p.shape) for p in parameters]
    counts = {
        (shape[-1] if role == "outgoing" else shape[0]) if shape else 0
        for shape, role in zip(shapes, roles, strict=True)
    }
    flat = all(len(s) == 1 for s, role in zip(shapes, roles, strict=True) if role == "mass")
    if len(counts) != 1 or 0 in counts or not flat or roles.count("mass") > 1:
        msg = (
            f"{_NAME}: expected equally many particles on the first axis of incoming parameters "
            "and the last axis of outgoing ones, and at most one parameter of masses, (J,); got "
            f"shapes {shapes} for {roles}. Make one group of each layer."
        )
        raise ValueError(msg)
    masses = [p for p, role in zip(parameters, roles, strict=True) if role == "mass"]
    if any(not p.is_meta and bool((p < 0).any()) for p in masses):
        msg = f"{_NAME}: expected masses of 0 or more; got {float(masses[0].detach().min()):.3g}."
        raise ValueError(msg)
    if group["balanced"] and not {"incoming", "outgoing"} <= set(roles):
        msg = (
            f"{_NAME}: expected incoming and outgoing parameters in a balance; got {roles}. Put "
            'both layers of the neurons in one group, with "roles", or use balanced=False.'
        )
        raise ValueError(msg)
