"""Spectral steepest descent along orthonormal columns."""

from __future__ import annotations

from typing import final

from torch import Tensor

from darboux.manifolds._orthonormal import msign
from darboux.optim._motions import Framed, motion_of
from darboux.optim._optimizer import Group, Parameters, StackwiseOptimizer, Step, manifold_of
from darboux.optim._stacks import Stack
from darboux.structure._arguments import NonNegative, checked


@final
class RiemannianMuon(StackwiseOptimizer):
    """Steepest descent in the spectral norm, along orthonormal columns: Muon on frames.

    m_k = μ P(m_{k-1}) + grad f(x_k) with the projection P onto the tangent space at x_k, and
    x_{k+1} is the polar factor of x_k - h P(msign(m_k)), where msign(U Σ Vᴴ) = U Vᴴ: all
    directions turn by about the same angle h, whatever the size of the gradient. Long steps are
    cut short as in `RiemannianSGD`. Only for parameters on `Stiefel`,
    `Grassmann`, `SO` and `U`; leave others to another optimiser.

    Shapes: parameters (*batch, n, p) with orthonormal columns.

    Source: section 6.2.1; Yang and Lai, manifold constrained steepest descent, 2026; Jordan et al.,
    Muon, 2024.

    Args:
        params: groups {"params": ..., "manifold": ..., "lr": ...}.
        lr: the angle h, in radians.
        momentum: μ.
        maximize: whether the loss is maximised.
        foreach: whether equal parameters are stepped together.
        shared_storage: whether those become views of one buffer.

    Raises:
        TypeError: if an argument is of another type, or a manifold is none.
        ValueError: if a parameter has no orthonormal columns, or a number is out of range.
        FloatingPointError: by `step`, if a gradient is not finite; no parameter has been
            changed then.

    Example:
        >>> import torch, darboux as dx
        >>> rotations, target = dx.manifolds.SO(3), torch.eye(3).roll(1, 0)
        >>> w = torch.nn.Parameter(torch.eye(3))
        >>> muon = dx.optim.RiemannianMuon([{"params": [w], "manifold": rotations}], lr=0.1)
        >>> for _ in range(200):
        ...     muon.zero_grad()
        ...     (w - target).square().sum().backward()
        ...     muon.step()
        ...     muon.param_groups[0]["lr"] *= 0.97
        >>> bool(torch.allclose(w, target, atol=1e-2))
        True
    """

    @checked
    def __init__(
        self,
        params: Parameters,
        lr: NonNegative = 0.02,
        momentum: NonNegative = 0.95,
        *,
        maximize: bool = False,
        foreach: bool = True,
        shared_storage: bool = False,
    ) -> None:
        defaults: Group = {
            **{"lr": lr, "momentum": momentum, "maximize": maximize},
            **{"foreach": foreach, "shared_storage": shared_storage},
        }
        super().__init__(params, defaults)

    def _check(self, group: Group, parameter: Tensor) -> None:
        manifold = manifold_of(group, parameter)
        if manifold is None or not isinstance(motion_of(manifold), Framed):
            msg = (
                f"RiemannianMuon: expected orthonormal columns (Stiefel, Grassmann, SO, U); got a "
                f"parameter of shape {tuple(parameter.shape)} on {manifold or 'no manifold'}. Give "
                "it to RiemannianAdam, or name its manifold in the group."
            )
            raise ValueError(msg)
        self._check_point(manifold, parameter)

    def _stepped(self, group: Group, stack: Stack, g: Tensor) -> Step:
        motion, x = stack.motion, stack.points()
        kept = stack.kept(self.state, "momentum_buffer", x)
        v = motion.accumulated(x, kept, -g if group["maximize"] else g, group["momentum"])
        y = motion.moved(x, motion.brought(x, msign(v)), group["lr"])
        return y, {"momentum_buffer": motion.carried(x, y, v)}

    def _step_flat(self, group: Group, parameters: list[Tensor]) -> None:
        """Nothing: `_check` lets no such parameter in."""
