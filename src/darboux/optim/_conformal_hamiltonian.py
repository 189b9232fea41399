"""Conformal Hamiltonian systems with any kinetic energy, stepped with exact friction."""

from __future__ import annotations

import math
from typing import Literal, final

from darboux.optim._base import Group, Parameters, positive
from darboux.optim._conformal import ConformalOptimizer, kinetic_of
from darboux.optim._kinetic import Kinetic, QuadraticKinetic
from darboux.optim._scheme import Scheme
from darboux.structure._arguments import NonNegative, checked


@final
class ConformalHamiltonian(ConformalOptimizer):
    """Steps of length h of θ' = ∇T(p), p' = -∇E(θ) - γp, with exact friction.

    Order 1 is the conformal symplectic Euler method, p ← e^(-γh) p - h ∇E(θ), θ ← θ + h ∇T(p);
    order 2 is leapfrog: of its kick, half drift, friction, half drift. Both multiply the form
    dθ ∧ dp by e^(-γh), as the system itself does. H = T + E falls along the system at the rate
    γ⟨p, ∇T(p)⟩; along steps it may rise now and then, by less the shorter they are.

    On a manifold, with a quadratic T, θ moves by RATTLE and p stays cotangent, both up to rounding;
    the form on the cotangent bundle is multiplied by e^(-γh) as well.

    Shapes: parameters of any shape; on a manifold (*batch, *shape).

    Source: section 6.1, equations (55) to (57); França, Sulam, Robinson and Vidal 2020;
    Ghirardelli 2023 for manifolds.

    Args:
        params: parameters, or groups of them: {"params": ..., "kinetic": ..., "manifold": ...}.
        lr: h.
        friction: γ.
        kinetic: T, `QuadraticKinetic(1.0)` if None; the norm of p is that of a whole group.
        order: 1 or 2.
        weight_decay: the factor of ½‖θ‖² in E, for groups without a manifold.
        maximize: whether E is maximised.
        foreach: as in `HeavyBall`.

    Raises:
        TypeError: if an argument is of another type, or a manifold has no equations.
        ValueError: if one is out of range, as a negative friction, or a manifold comes with
            another kinetic energy.
        FloatingPointError: by `step`, if a gradient is NaN or infinite: nothing has been changed.
        RuntimeError: by `step`, if a gradient is sparse.

    Example:
        >>> import torch, darboux as dx
        >>> sphere = dx.manifolds.Sphere(3)
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 0.0, 0.0]))
        >>> groups = [{"params": [w], "manifold": sphere}]
        >>> descent = dx.optim.ConformalHamiltonian(groups, lr=0.1, friction=1.0)
        >>> for _ in range(400):  # to the lowest point
        ...     descent.zero_grad()
        ...     (w[0] + w[2]).backward()
        ...     descent.step()
        >>> torch.testing.assert_close(w.detach(), torch.tensor([-1.0, 0.0, -1.0]) / 2**0.5)
    """

    @checked
    def __init__(
        self,
        params: Parameters,
        lr: NonNegative = 1e-2,
        friction: NonNegative = 1.0,
        kinetic: Kinetic | None = None,
        *,
        order: Literal[1, 2] = 2,
        weight_decay: NonNegative = 0.0,
        maximize: bool = False,
        foreach: bool | None = None,
    ) -> None:
        defaults: Group = {
            **{"lr": lr, "friction": friction, "order": order, "weight_decay": weight_decay},
            **{"kinetic": QuadraticKinetic() if kinetic is None else kinetic},
            **{"maximize": maximize, "foreach": foreach},
        }
        super().__init__(params, defaults)

    def _scheme(self, group: Group) -> Scheme:
        h = group["lr"]
        damping = math.exp(-positive(group, "friction") * h)
        if group["order"] == 1:
            return Scheme(damping, h, ((h, 1.0),))
        return Scheme(damping, h, ((h / 2, 1.0), (h / 2, damping)))

    def _kinetic(self, group: Group) -> Kinetic:
        return kinetic_of(group)
