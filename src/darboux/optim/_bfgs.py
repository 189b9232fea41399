"""The quasi-Newton metric of Broyden, Fletcher, Goldfarb and Shanno."""

from __future__ import annotations

from math import nan
from typing import Any, final

import torch
from torch import Tensor

from darboux.control._curvature import flat, split
from darboux.optim._base import (
    NOT_FINITE,
    BaseOptimizer,
    Closure,
    Parameters,
    evaluated,
    gradients_of,
    is_left_out,
    require_numbers,
)
from darboux.structure._arguments import NonNegative, checked

_MOST = 4096

_CURVED = 0.2  # of sᵀG s, which sᵀy does not fall below


@final
class BFGS(BaseOptimizer):
    """Descent θ <- θ - h G⁻¹∇E(θ) whose metric G learns the Hessian from differences of gradients.

    With s = θ_{k+1} - θ_k and y = ∇E(θ_{k+1}) - ∇E(θ_k), G_{k+1} is the matrix next to G_k with
    G s = y. Where sᵀy < 0.2 sᵀG s, y is moved towards G s, so that G stays positive definite
    without a line search. The first G is the identity, scaled by yᵀy/sᵀy after the first step. At
    h = 1 and near a minimiser with a positive Hessian, convergence is superlinear. Gradients of
    batches differ for another reason than curvature: use all data.

    The groups are one vector θ with one matrix, and each has its h.

    Source: equation (60) and section 6.4.2; Nocedal and Wright 2006, chapters 6 and 18 (damping).

    Args:
        params: at most 4096 parameters, or groups of them.
        lr: the step size h.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if one is out of range, or there are more parameters.
        FloatingPointError: by `step`, if a gradient is not finite; nothing has been changed.

    Example:
        >>> import torch, darboux as dx
        >>> x = torch.nn.Parameter(torch.tensor([1.2, 1.2]))
        >>> bfgs = dx.optim.BFGS([x])
        >>> for _ in range(60):  # Rosenbrock's valley
        ...     bfgs.zero_grad()
        ...     ((1 - x[0]) ** 2 + 10 * (x[1] - x[0] ** 2) ** 2).backward()
        ...     bfgs.step()
        >>> x.detach()
        tensor([1., 1.])
    """

    _step_supports_amp_scaling = True

    @checked
    def __init__(self, params: Parameters, lr: NonNegative = 1.0) -> None:
        super().__init__(params, {"lr": lr})
        if any(p.is_complex() for p in self._parameters()):
            raise ValueError("BFGS: expected real parameters; got complex ones. Use view_as_real.")
        count = sum(p.numel() for p in self._parameters())
        if count > _MOST:
            msg = (
                f"BFGS: expected at most {_MOST} parameters, whose matrix is stored; got {count}. "
                "Use torch.optim.LBFGS, NaturalGradient or KFAC."
            )
            raise ValueError(msg)

    def step(self, closure: Closure | None = None) -> Any:
        """Make one step, after a call of the closure if there is one.

        Raises:
            ValueError: if a step size is negative, NaN or infinite.
            RuntimeError: if a gradient is sparse, or a gradient scaler comes with a closure.
            FloatingPointError: if one is NaN or infinite; nothing has been changed.
        """
        if is_left_out(self, closure):
            return None
        loss = evaluated(closure)
        with torch.no_grad():
            for group in self.param_groups:
                require_numbers(group, "lr")
            parameters = self._parameters()
            gradients_of(self, parameters)
            g = flat([torch.full_like(p, nan) if p.grad is None else p.grad for p in parameters])
            x, state = flat(parameters), self.state[parameters[0]]
            matrix, inverse = _learnt(state, x, g)
            step = _direction(matrix, inverse, g)
            if not bool(step.isfinite().all()):
                raise FloatingPointError(NOT_FINITE)
            state.update(point=x, gradient=g, matrix=matrix, inverse=inverse)
            sizes = [group["lr"] for group in self.param_groups for _ in group["params"]]
            for p, d, h in zip(parameters, split(step, parameters), sizes, strict=True):
                p.sub_(d, alpha=h)
        return loss

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]


def _direction(matrix: Tensor, inverse: Tensor, g: Tensor) -> Tensor:
    """Return G⁻¹g for the block of G of those that have gradients, and 0 for others, NaN in g."""
    known = ~g.isnan()
    if bool(known.all()):
        return inverse @ g
    step = torch.zeros_like(g)
    step[known] = torch.linalg.solve(matrix[known][:, known], g[known])
    return step


def _learnt(state: dict[str, Any], x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Return G and its inverse after what the last step has shown."""
    if "matrix" not in state:
        eye = torch.eye(len(x), dtype=x.dtype, device=x.device)
        return eye, eye
    matrix, inverse = state["matrix"], state["inverse"]
    s, y = x - state["point"], g - state["gradient"]
    if not bool(s.any()):
        return matrix, inverse
    y = torch.where(y.isnan(), matrix @ s, y)  # G where a gradient is missing
    if not state.get("scaled", False) and s.dot(y) > 0:
        scale = y.dot(y) / s.dot(y)
        matrix, inverse = matrix * scale, inverse / scale
    state["scaled"] = True
    along = matrix @ s
    bend = s.dot(along)
    if s.dot(y) < _CURVED * bend:
        mix = (1 - _CURVED) * bend / (bend - s.dot(y))
        y = mix * y + (1 - mix) * along
    seen, turned = s.dot(y), inverse @ y
    crossed = torch.outer(turned, s)
    return (
        matrix - torch.outer(along, along) / bend + torch.outer(y, y) / seen,
        inverse
        + torch.outer(s, s) * (1 + y.dot(turned) / seen) / seen
        - (crossed + crossed.T) / seen,
    )
