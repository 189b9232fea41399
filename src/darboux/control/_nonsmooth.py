"""Regularisers in time with kinks, and their proximal maps."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

from darboux.control._regularizer import ProximalRegularizer
from darboux.control._time import horizon_of, parameters_in_time, stacked
from darboux.control._total_variation import denoised
from darboux.flow import Flow, LearnedSteps
from darboux.flow._learned_steps import onto_simplex


@final
class L1(ProximalRegularizer):
    """The sum of absolute values in time, ∫ ‖θ(t)‖₁ dt = (T/K) Σ_k ‖θ_k‖₁: entries become 0.

    It is coercive. Time is that of K equal steps, also where steps are learned.

    Source: section 3.2.

    Raises:
        ValueError: when called, if θ is no function of time: the steps share a field, fields differ
            in what is chosen, or the horizon is not given.

    Example:
        >>> import torch, darboux as dx
        >>> dx.control.L1().prox(torch.tensor([[3.0], [-0.5]]), step=2.0, horizon=1.0)
        tensor([[2.],
                [-0.]])
    """

    def __call__(self, flow: Flow) -> Tensor:
        """Return R, ()."""
        total = torch.stack([values.abs().sum() for values in stacked(flow)]).sum()
        return horizon_of(flow) / len(flow.fields) * total

    def parts(self, flow: Flow) -> list[list[nn.Parameter]]:
        """Return the parameters in time."""
        return parameters_in_time(flow)

    def prox(self, x: Tensor, step: float, horizon: float) -> Tensor:
        """Return x, moved towards 0 by step · T/K at most."""
        return nn.functional.softshrink(x, step * horizon / len(x))


@final
class TotalVariation(ProximalRegularizer):
    """The total variation in time, Σ_{k=0}^{K-2} ‖θ_{k+1} - θ_k‖₁: θ becomes piecewise constant.

    Each entry of θ has jumps of its own. It is not coercive, for constants cost nothing: add a
    multiple of `L1` or `L2` where a minimiser has to exist. Its proximal map is exact: the
    minimum over all signals, entry by entry, by dynamic programming.

    Source: section 3.4.3; Johnson 2013 for the proximal map.

    Raises:
        ValueError: when called, if θ is no function of time: the steps share a field, or fields
            differ in what is chosen.

    Example:
        >>> import torch, darboux as dx
        >>> noisy = torch.tensor([[0.1], [-0.1], [1.0], [1.2]])
        >>> dx.control.TotalVariation().prox(noisy, step=0.1, horizon=1.0).flatten()
        tensor([0.0500, 0.0500, 1.0000, 1.1000])
    """

    def __call__(self, flow: Flow) -> Tensor:
        """Return R, ()."""
        return torch.stack([v.diff(dim=0).abs().sum() for v in stacked(flow)]).sum()

    def parts(self, flow: Flow) -> list[list[nn.Parameter]]:
        """Return the parameters in time."""
        return parameters_in_time(flow)

    def prox(self, x: Tensor, step: float, horizon: float) -> Tensor:
        """Return x with its variation reduced."""
        del horizon
        return denoised(x.flatten(1).double(), step).to(x.dtype).reshape(x.shape)


@final
class Simplex(ProximalRegularizer):
    """0 where learned step sizes are nonnegative and sum to T, ∞ elsewhere.

    Its proximal map is the projection, by sorting. With it, steps become 0, and may return.

    Source: section 3.2, equation (39); Duchi et al. 2008 for the projection.

    Raises:
        TypeError: when called, if the steps of the flow are no `LearnedSteps`.

    Example:
        >>> import torch, darboux as dx
        >>> dx.control.Simplex().prox(torch.tensor([[0.9, 0.5, -3.0]]), step=1.0, horizon=1.0)
        tensor([[0.7000, 0.3000, 0.0000]])
    """

    def __call__(self, flow: Flow) -> Tensor:
        """Return R, ()."""
        values, horizon = _steps(flow).values, horizon_of(flow)
        slack = len(values) * torch.finfo(values.dtype).eps * horizon
        with torch.no_grad():
            inside = (values >= 0).all() & ((values.double().sum() - horizon).abs() <= slack)
            return torch.where(inside, 0.0, math.inf).to(values.dtype)

    def parts(self, flow: Flow) -> list[list[nn.Parameter]]:
        """Return the step sizes."""
        values = _steps(flow).values
        return [[values]] if values.requires_grad else []

    def prox(self, x: Tensor, step: float, horizon: float) -> Tensor:
        """Return the projection."""
        del step
        return onto_simplex(x[0].double(), horizon).to(x.dtype)[None]


def _steps(flow: Flow) -> LearnedSteps:
    if isinstance(flow.rule, LearnedSteps):
        return flow.rule
    msg = (
        f"Simplex: expected a flow with LearnedSteps; got {flow.rule!r}. Give "
        "steps=LearnedSteps(K)."
    )
    raise TypeError(msg)
