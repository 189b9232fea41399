"""Relativistic gradient descent."""

from __future__ import annotations

import math
from typing import Literal, final

from darboux.optim._base import Group, Parameters, positive
from darboux.optim._conformal import ConformalOptimizer, Share, share_of
from darboux.optim._kinetic import Kinetic, QuadraticKinetic, RelativisticKinetic
from darboux.optim._scheme import Scheme
from darboux.structure._arguments import NonNegative, checked


@final
class RelativisticGradientDescent(ConformalOptimizer):
    """Gradient descent with a momentum whose velocity is bounded, and so its steps, by (3 - α)/√δ.

    With p' = μ p - ∇E(θ) and d(p) = ε p/√(1 + δ‖εp‖²), the norm over all parameters of a group,
    order 1 is θ' = θ + d(p'), the conformal symplectic Euler method for (57) in the paper; order 2
    is its leapfrog method, θ' = θ + d(p') + d(μp') - (1 - α) d(μp). There θ is the
    point between the half steps of the usual description, where gradients are taken.
    Order 1, and order 2 with α = 1, multiply the form dθ ∧ dp by μ exactly, `certify` measures it
    on `step_map`. δ = 0 is `HeavyBall` (order 1) and `Nesterov` (order 2, α = 0).

    For mass m, speed c and steps of length h, μ = e^(-γh); ε = h²/m and δ = 1/(ch)² in order 1,
    ε = h²/2m and δ = (2/ch)² in order 2. The ε of (57) is m²c² for c = 1.

    Shapes: parameters of any shape, on no manifold.

    Source: section 6.1, equation (57); França, Sulam, Robinson and Vidal, Conformal symplectic
    and relativistic optimization, 2020.

    Args:
        params: parameters, or groups of them.
        lr: ε.
        momentum: μ, from 0 to 1.
        delta: δ, which bounds the steps; 0 is the classical limit.
        alpha: α, from 0 to 1, for order 2.
        order: 1 or 2.
        weight_decay: the factor of ½‖θ‖² in the loss.
        maximize: whether the loss is maximised.
        foreach: as in `HeavyBall`.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if one is out of range, or a parameter lies on a manifold.
        FloatingPointError: by `step`, if a gradient is NaN or infinite: nothing has been changed.
        RuntimeError: by `step`, if a gradient is sparse.

    Example:
        >>> import torch, darboux as dx
        >>> w = torch.nn.Parameter(torch.tensor([30.0, -40.0]))
        >>> descent = dx.optim.RelativisticGradientDescent([w], lr=0.01, delta=1.0)
        >>> (w**4).sum().backward()  # a gradient of length 3e5
        >>> descent.step()
        >>> round((w.detach() - torch.tensor([30.0, -40.0])).norm().item(), 3)
        2.0
    """

    @checked
    def __init__(
        self,
        params: Parameters,
        lr: NonNegative = 1e-3,
        momentum: Share = 0.9,
        delta: NonNegative = 1.0,
        alpha: Share = 1.0,
        *,
        order: Literal[1, 2] = 2,
        weight_decay: NonNegative = 0.0,
        maximize: bool = False,
        foreach: bool | None = None,
    ) -> None:
        defaults: Group = {
            **{"lr": lr, "momentum": momentum, "delta": delta, "alpha": alpha, "order": order},
            **{"weight_decay": weight_decay, "maximize": maximize, "foreach": foreach},
        }
        super().__init__(params, defaults)

    def _scheme(self, group: Group) -> Scheme:
        h, friction, kept = group["lr"], share_of(group, "momentum"), share_of(group, "alpha")
        if group["order"] == 1:
            return Scheme(friction, 1.0, ((h, 1.0),))
        return Scheme(friction, 1.0, ((h, 1.0), (h, friction)), taken_back=1 - kept)

    def _kinetic(self, group: Group) -> Kinetic:
        bound = float(group["lr"]) * math.sqrt(positive(group, "delta"))
        return RelativisticKinetic(speed=1 / bound) if bound > 0 else QuadraticKinetic()
