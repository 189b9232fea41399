"""Gradient descent with momentum on manifolds."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor
from torch.optim.sgd import sgd

from darboux.optim._optimizer import Group, Parameters, StackwiseOptimizer, Step
from darboux.optim._stacks import Stack
from darboux.structure._arguments import NonNegative, checked


@final
class RiemannianSGD(StackwiseOptimizer):
    """Gradient descent with momentum, along a manifold where a group names one.

    With M a manifold, grad f the Riemannian gradient, R a retraction and τ its transport:
    m_k = μ τ(m_{k-1}) + grad f(x_k), x_{k+1} = R_{x_k}(-h m_k). Groups without a manifold are
    stepped as by `torch.optim.SGD`.

    On frames (`Stiefel`, `Grassmann`, `SO`, ...) a step is X - h V with the tangent V = m_k,
    followed by its polar factor, a series in E = h² V*V: four products of the size of X, and
    orthonormal up to rounding whatever the step size, because longer ones are cut short: at a turn
    by 24 degrees for few columns, 12 for hundreds. Transport is projection.

    Parameters of equal shape, type and manifold are stepped as one stack (`foreach`), in which
    layer they may be.

    Shapes: parameters (*batch, *shape) hold points of a manifold of that shape.

    Source: section 6.2.1; Absil, Mahony and Sepulchre, Optimization algorithms on matrix
    manifolds, 2008; Javaloy and Vergari, 2026 (one polar correction a step).

    Args:
        params: parameters, or groups of them: {"params": ..., "manifold": ..., "lr": ...}.
        lr: the step size h.
        momentum: μ.
        weight_decay: the factor of ½‖x‖² in the loss, for groups without a manifold.
        nesterov: whether the gradient is added to μ m_k once more.
        maximize: whether the loss is maximised.
        foreach: whether equal parameters are stepped together.
        shared_storage: whether those become views of one buffer, which is faster for many small
            ones. Each step compares their addresses, and the version counters know of it;
            saving one of them alone saves the whole buffer.

    Raises:
        TypeError: if an argument is of another type, or a manifold is none.
        ValueError: if one is out of range, or a parameter is no point of its manifold.
        FloatingPointError: by `step`, if a gradient on a manifold is not finite; no parameter
            has been changed then.

    Example:
        >>> import torch, darboux as dx
        >>> stiefel = dx.manifolds.Stiefel(5, 2)
        >>> w = torch.nn.Parameter(stiefel.random_point())
        >>> sgd = dx.optim.RiemannianSGD([{"params": [w], "manifold": stiefel}], lr=0.1)
        >>> for _ in range(500):  # the two largest eigenvalues are 5 and 4
        ...     sgd.zero_grad()
        ...     loss = -(w.T @ torch.diag(torch.arange(1.0, 6.0)) @ w).trace()
        ...     loss.backward()
        ...     sgd.step()
        >>> round(loss.item(), 3)
        -9.0
        >>> stiefel.check(w.detach())[0]
        True
    """

    @checked
    def __init__(
        self,
        params: Parameters,
        lr: NonNegative = 1e-3,
        momentum: NonNegative = 0.0,
        weight_decay: NonNegative = 0.0,
        *,
        nesterov: bool = False,
        maximize: bool = False,
        foreach: bool = True,
        shared_storage: bool = False,
    ) -> None:
        if nesterov and momentum == 0:
            msg = "RiemannianSGD: expected a positive momentum with nesterov=True; got 0."
            raise ValueError(msg)
        defaults: Group = {
            **{"lr": lr, "momentum": momentum, "weight_decay": weight_decay},
            **{"nesterov": nesterov, "maximize": maximize},
            **{"foreach": foreach, "shared_storage": shared_storage},
        }
        super().__init__(params, defaults)

    def _stepped(self, group: Group, stack: Stack, g: Tensor) -> Step:
        motion, x, momentum = stack.motion, stack.points(), group["momentum"]
        if group["maximize"]:
            g = -g
        if momentum == 0:
            return motion.moved(x, motion.gradient(x, g), group["lr"]), {}
        v = motion.accumulated(x, stack.kept(self.state, "momentum_buffer", x), g, momentum)
        ahead = motion.accumulated(x, v, g, momentum) if group["nesterov"] else v
        y = motion.moved(x, ahead, group["lr"])
        return y, {"momentum_buffer": motion.carried(x, y, v)}

    def _step_flat(self, group: Group, parameters: list[Tensor]) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        buffers = [self.state[p].get("momentum_buffer") for p in parameters]
        names = ("lr", "momentum", "weight_decay", "nesterov", "maximize")
        options: dict[str, Any] = {name: group[name] for name in names}
        sgd(
            *(parameters, gradients, buffers),
            has_sparse_grad=any(g.is_sparse for g in gradients),
            foreach=group["foreach"],
            dampening=0.0,
            **options,
        )
        if group["momentum"] != 0:
            for parameter, buffer in zip(parameters, buffers, strict=True):
                self.state[parameter]["momentum_buffer"] = buffer
