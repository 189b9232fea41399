"""Gradient descent with momentum: the heavy ball, and Nesterov's method."""

from __future__ import annotations

from abc import ABC
from typing import final

from darboux.optim._base import Group, Parameters
from darboux.optim._conformal import ConformalOptimizer, Share, share_of
from darboux.optim._kinetic import Kinetic, QuadraticKinetic
from darboux.optim._scheme import Scheme
from darboux.structure._arguments import NonNegative, checked


class MomentumOptimizer(ConformalOptimizer, ABC):
    """Momentum with T = ‖p‖²/2."""

    @checked
    def __init__(
        self,
        params: Parameters,
        lr: NonNegative = 1e-3,
        momentum: Share = 0.9,
        weight_decay: NonNegative = 0.0,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
    ) -> None:
        defaults: Group = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(params, {**defaults, "maximize": maximize, "foreach": foreach})

    def _kinetic(self, group: Group) -> Kinetic:
        del group
        return QuadraticKinetic()


@final
class HeavyBall(MomentumOptimizer):
    """Gradient descent with momentum, the conformal symplectic Euler method for a heavy ball.

    p' = μ p - ∇E(θ), θ' = θ + ε p'. Each step multiplies the form dθ ∧ dp by μ, which is exactly
    the friction of (55) in the paper: `certify` measures it on `step_map`.

    For θ' = p/m, p' = -∇E - γp, a step of length h is μ = e^(-γh) and ε = h²/m, the momentum
    being counted in units of h. Steps and state are those of `torch.optim.SGD`, stepped faster.
    On a manifold the friction is exact too, and θ moves by RATTLE.

    Shapes: parameters of any shape; on a manifold (*batch, *shape).

    Source: section 6.1, equation (55); Polyak 1964; França, Sulam, Robinson and Vidal 2020.

    Args:
        params: parameters, or groups of them: {"params": ..., "manifold": ..., "lr": ...}.
        lr: ε.
        momentum: μ, from 0 to 1; 1 is a ball without friction.
        weight_decay: the factor of ½‖θ‖² in the loss, for groups without a manifold.
        maximize: whether the loss is maximised.
        foreach: whether all parameters are stepped by one operation; if None, in the fastest way,
            in one pass where torch has it.

    Raises:
        TypeError: if an argument is of another type, or a manifold has no equations.
        ValueError: if one is out of range, as a momentum above 1: friction is not negative.
        FloatingPointError: by `step`, if a gradient is NaN or infinite: nothing has been changed.
        RuntimeError: by `step`, if a gradient is sparse.

    Example:
        >>> import torch, darboux as dx
        >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> ball = dx.optim.HeavyBall([w], lr=0.1, momentum=0.9)
        >>> for _ in range(300):
        ...     ball.zero_grad()
        ...     w.square().sum().backward()
        ...     ball.step()
        >>> bool(w.norm() < 1e-5)
        True
        >>> energy = lambda w: w.square().sum() + w.prod() ** 2
        >>> print(dx.certify(ball.step_map(energy), torch.randn(4, 4)).verdict)
        holds
    """

    def _scheme(self, group: Group) -> Scheme:
        return Scheme(share_of(group, "momentum"), 1.0, ((group["lr"], 1.0),))


@final
class Nesterov(MomentumOptimizer):
    """Nesterov's accelerated gradient: v' = μ v - ε ∇E(x + μv), x' = x + v'.

    The parameters hold θ = x + μv, where gradients are taken, as they do in `torch.optim.SGD` with
    nesterov=True, whose steps these are: p' = μ p - ∇E(θ), θ' = θ + ε ((1 + μ) p' - μ p). It is
    no conformal symplectic method: beside friction, each step shrinks the form dθ ∧ dp where E
    bends. Therefore `step_map` claims nothing.

    Shapes: parameters of any shape, on no manifold.

    Source: section 6.1; Nesterov 1983; França, Sulam, Robinson and Vidal 2020.

    Args:
        params: parameters, or groups of them.
        lr: ε.
        momentum: μ, from 0 to 1.
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
        >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> nesterov = dx.optim.Nesterov([w], lr=0.1)
        >>> for _ in range(300):
        ...     nesterov.zero_grad()
        ...     w.square().sum().backward()
        ...     nesterov.step()
        >>> bool(w.norm() < 1e-5)
        True
    """

    def _scheme(self, group: Group) -> Scheme:
        h, friction = group["lr"], share_of(group, "momentum")
        return Scheme(friction, 1.0, ((h, 1.0), (h, friction)), taken_back=1.0)
