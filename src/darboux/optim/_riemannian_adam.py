"""Adam on manifolds, with one second moment for each point."""

from __future__ import annotations

from typing import Annotated, Any, final

import torch
from torch import Tensor
from torch.optim.adam import adam

from darboux.optim._optimizer import Group, Parameters, StackwiseOptimizer, Step
from darboux.optim._stacks import Stack
from darboux.structure._arguments import NonNegative, Within, checked

Decay = Annotated[float, Within("a number in [0, 1)", least=0, below=1)]


@final
class RiemannianAdam(StackwiseOptimizer):
    """Adam, along a manifold where a group names one.

    m_k = β₁ τ(m_{k-1}) + (1 - β₁) g_k and s_k = β₂ s_{k-1} + (1 - β₂)⟨g_k, g_k⟩ with the
    Riemannian gradient g_k at x_k and a transport τ; x_{k+1} = R(-h m̂_k / (√ŝ_k + ε)), m̂ and ŝ
    being m and s divided by 1 - β₁ᵏ and 1 - β₂ᵏ. The second moment is one number for each point,
    as single coordinates mean nothing on a manifold: steps do not depend on the choice of
    coordinates, and their lengths are about h. Groups without a manifold are stepped as by
    `torch.optim.Adam`; frames as `RiemannianSGD` says.

    Shapes: parameters (*batch, *shape) hold points of a manifold of that shape.

    Source: section 6.2.1; Bécigneul and Ganea, Riemannian adaptive optimization methods, 2019.

    Args:
        params: parameters, or groups of them: {"params": ..., "manifold": ..., "lr": ...}.
        lr: the step size h.
        betas: β₁ and β₂.
        eps: ε.
        weight_decay: the factor of ½‖x‖² in the loss, for groups without a manifold.
        maximize: whether the loss is maximised.
        foreach: whether equal parameters are stepped together.
        shared_storage: whether those become views of one buffer.

    Raises:
        TypeError: if an argument is of another type, or a manifold is none.
        ValueError: if one is out of range, or a parameter is no point of its manifold.
        FloatingPointError: by `step`, if a gradient on a manifold is not finite; no parameter
            has been changed then.

    Example:
        >>> import torch, darboux as dx
        >>> rotations, target = dx.manifolds.SO(3), torch.eye(3).roll(1, 0)
        >>> w = torch.nn.Parameter(torch.eye(3))
        >>> adam = dx.optim.RiemannianAdam([{"params": [w], "manifold": rotations}], lr=0.1)
        >>> for _ in range(300):
        ...     adam.zero_grad()
        ...     (w - target).square().sum().backward()
        ...     adam.step()
        >>> bool(torch.allclose(w, target, atol=1e-3))
        True
    """

    @checked
    def __init__(
        self,
        params: Parameters,
        lr: NonNegative = 1e-3,
        betas: tuple[Decay, Decay] = (0.9, 0.999),
        eps: NonNegative = 1e-8,
        weight_decay: NonNegative = 0.0,
        *,
        maximize: bool = False,
        foreach: bool = True,
        shared_storage: bool = False,
    ) -> None:
        defaults: Group = {
            **{"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay},
            **{"maximize": maximize, "foreach": foreach, "shared_storage": shared_storage},
        }
        super().__init__(params, defaults)

    def _stepped(self, group: Group, stack: Stack, g: Tensor) -> Step:
        motion, x, (first, second) = stack.motion, stack.points(), group["betas"]
        gradient = motion.gradient(x, -g if group["maximize"] else g)
        square = motion.manifold.inner(x, gradient, gradient)
        count = stack.kept(self.state, "step", torch.zeros(stack.lead, device=x.device)) + 1
        mean = stack.kept(self.state, "exp_avg", x)
        mean = motion.brought(x, torch.lerp(mean, gradient, 1 - first))
        square = torch.lerp(stack.kept(self.state, "exp_avg_sq", square), square, 1 - second)
        size = (square / _once_each(1 - second**count, square)).sqrt().add_(group["eps"])
        scale = _once_each(1 - first**count, square) * size
        v = mean / scale.reshape(scale.shape + (1,) * len(motion.manifold.shape))
        y = motion.moved(x, v, group["lr"])
        kept = {"step": count, "exp_avg": motion.carried(x, y, mean), "exp_avg_sq": square}
        return y, kept

    def _step_flat(self, group: Group, parameters: list[Tensor]) -> None:
        states = [self.state[p] for p in parameters]
        for parameter, state in zip(parameters, states, strict=True):
            if not state:
                state["step"] = torch.tensor(0.0)
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
        names = ("lr", "eps", "weight_decay", "maximize")
        options: dict[str, Any] = {name: group[name] for name in names}
        adam(
            parameters,
            [p.grad for p in parameters if p.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            foreach=group["foreach"],
            has_complex=any(p.is_complex() for p in parameters),
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            **options,
        )


def _once_each(count: Tensor, like: Tensor) -> Tensor:
    """Return one number a parameter, (*lead), for each of its points, (*lead, *batch)."""
    return count.reshape(count.shape + (1,) * (like.ndim - count.ndim))
