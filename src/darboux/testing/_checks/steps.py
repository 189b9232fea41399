"""Checks of one step: its order, and its derivatives by everything it depends on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from darboux.integrators import Integrator
from darboux.integrators._integrator import Field, Time
from darboux.structure._arguments import Count, Positive, checked
from darboux.testing._checks._call import require

_EPS = torch.finfo(torch.float64).eps

_Flow = Callable[[float], Tensor]


@checked
def check_order(
    method: Integrator, *, tolerance: Positive = 0.2, counts: Sequence[Count] = (16, 24, 36, 54)
) -> None:
    """Assert that errors fall like h^p, p the method's `order`, on problems with known flows.

    A linear autonomous system, against the matrix exponential, and a nonlinear
    non-autonomous one. The slope of log error over log h is fitted by least squares.

    Args:
        method: any integrator that takes any field.
        tolerance: how far the slope may be from p, in units of the order.
        counts: how many steps to take over unit time; fewer where errors reach rounding.

    Raises:
        AssertionError: with the slope that was measured.

    Example:
        >>> from darboux.integrators import Kutta3
        >>> check_order(Kutta3())
    """
    for name, (field, flow) in {"linear": _linear(), "nonlinear": _nonlinear()}.items():
        slope = _error_slope(method, field, flow, counts)
        near = abs(slope - method.order) <= tolerance
        require(near, f"{name}: errors fall like h^{slope:.2f}; the order is {method.order}.")


@checked
def check_step_sizes(method: Integrator) -> None:
    """Assert that number and tensor steps agree, keep the dtype, and that tensors get gradients.

    Args:
        method: the method.

    Raises:
        AssertionError: if a step differs by more than rounding, or the derivative by h does.

    Example:
        >>> from darboux.integrators import Kutta4
        >>> check_step_sizes(Kutta4())
    """
    field, _ = _nonlinear()
    z = torch.linspace(0.1, 0.6, 3, dtype=torch.float64).reshape(1, 3)
    h = torch.tensor(0.25, dtype=torch.float64, requires_grad=True)
    plain, learned = method.step(field, 0.5, 0.25, z), method.step(field, 0.5, h, z)
    error = float((plain - learned).detach().abs().max())
    require(error <= 64 * _EPS, f"number and tensor step sizes differ by {error:.3g}.")
    for dtype in (torch.float32, torch.bfloat16):
        low = method.step(lambda t, z: -z, 0.0, h, z.to(dtype))
        require(low.dtype == dtype, f"z in {dtype}, z' in {low.dtype}.")
    (slope,) = torch.autograd.grad(learned.sum(), h)
    ahead, behind = (method.step(field, 0.5, 0.25 + d, z).sum() for d in (1e-5, -1e-5))
    error = abs(float(slope) - float(ahead - behind) / 2e-5)
    require(error <= 1e-8, f"the derivative by h differs from a central difference by {error:.3g}.")


@checked
def check_derivatives_of_step(method: Integrator) -> None:
    """Assert that a step's first derivatives by z, h, t and a parameter are finite differences.

    Args:
        method: the method.

    Raises:
        AssertionError: with the largest difference.

    Example:
        >>> from darboux.integrators import RadauIIA
        >>> check_derivatives_of_step(RadauIIA(2))
    """
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    z = torch.randn(2, 3, generator=generator, dtype=torch.float64)
    h, t = (torch.tensor(x, dtype=torch.float64) for x in (0.4, 0.2))
    inputs = (weight, z, h, t)

    def step(weight: Tensor, z: Tensor, h: Tensor, t: Tensor) -> Tensor:
        return method.step(lambda t, z: torch.tanh(z @ weight + t), t, h, z).sum()

    slopes = torch.func.grad(step, argnums=(0, 1, 2, 3))(*inputs)
    for k, (name, slope) in enumerate(zip(("weight", "z", "h", "t"), slopes, strict=True)):
        u = torch.randn(slope.shape, generator=generator, dtype=torch.float64)
        moved = [[*inputs[:k], inputs[k] + s * 1e-5 * u, *inputs[k + 1 :]] for s in (1, -1)]
        difference = float(step(*moved[0]) - step(*moved[1])) / 2e-5
        error = abs(float((slope * u).sum()) - difference)
        require(error <= 1e-8, f"{method}: the derivative by {name} is off by {error:.3g}.")


def _linear() -> tuple[Field, _Flow]:
    """Return ż = Az with eigenvalues off both axes, and its flow from t = 0."""
    matrix = [[-0.5, 2.0, 0.3], [-2.0, -0.5, 0.0], [0.0, 0.7, -1.5]]
    a = torch.tensor(matrix, dtype=torch.float64)
    start = torch.ones(1, 3, dtype=torch.float64)
    return lambda t, z: z @ a.T, lambda t: start @ torch.linalg.matrix_exp(t * a).T


def _nonlinear() -> tuple[Field, _Flow]:
    """Return ż = cos(t) Q (Qᵀz)², Q orthogonal, and its flow w -> w/(1 - w sin t), w = Qᵀz."""
    q = torch.tensor([[2.0, -2.0, 1.0], [1.0, 2.0, 2.0], [2.0, 1.0, -2.0]], dtype=torch.float64) / 3
    start = torch.tensor([[0.2, -0.5, 0.6]], dtype=torch.float64)

    def field(t: Time, z: Tensor) -> Tensor:
        speed = torch.as_tensor(
            t, dtype=torch.float64
        ).cos()  # keeps the gradient of a time that is a tensor
        return speed * (z @ q).square() @ q.T

    return field, lambda t: (start / (1 - start * math.sin(t))) @ q.T


def _error_slope(method: Integrator, field: Field, flow: _Flow, counts: Sequence[int]) -> float:
    steps = torch.tensor(counts, dtype=torch.float64)
    errors = torch.tensor([_error(method, field, flow, n) for n in counts], dtype=torch.float64)
    x, y = steps.log() - steps.log().mean(), errors.log() - errors.log().mean()
    return -float((x @ y) / (x @ x))


def _error(method: Integrator, field: Field, flow: _Flow, steps: int) -> float:
    h = 1 / steps
    state = method.init(field, 0.0, h, flow(0.0))
    for k in range(steps):
        state = method.step(field, k * h, h, state)
    return float((method.value(state) - flow(1.0)).norm())
