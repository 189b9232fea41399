"""Checks of Runge-Kutta methods: order, contractivity radius, Lipschitz factor."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from darboux.integrators import Integrator, RungeKutta, contractivity_radius
from darboux.integrators._integrator import Field, Time
from darboux.testing._checks._call import require

EPS = torch.finfo(torch.float64).eps

Flow = Callable[[float], Tensor]


def check_order(
    method: Integrator, *, tolerance: float = 0.2, counts: Sequence[int] = (16, 24, 36, 54)
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


def check_radius(
    method: RungeKutta, *, radius: float | None = None, generator: torch.Generator | None = None
) -> None:
    """Assert that no cocoercive field is expanded by a step h = -2 ν̄ r.

    Attacks with gradients of convex functions, with monotone fields that are no gradients,
    both nonlinear and dependent on time, and with the worst linear fields on the boundary of
    the disk {|z + r| <= r}, found by gradient ascent.

    Args:
        method: a method with a contractivity radius.
        radius: r; `contractivity_radius` of the method if None.
        generator: of the random fields; seeded with 0 if None.

    Raises:
        AssertionError: with the growth of the pair that was expanded.

    Example:
        >>> from darboux.integrators import Euler
        >>> check_radius(Euler())
    """
    generator = _generator(generator)
    limit = contractivity_radius(method.tableau) if radius is None else radius
    for _ in range(10):
        for build in (_gradient_field, _monotone_field):
            field, cocoercivity = build(generator)
            growth = _growth(method, field, -2 * cocoercivity * limit, generator)
            require(growth <= 1 + 1e-10, f"{build.__name__}: pairs grow by {growth - 1:.3g}.")
    growth = largest_linear_growth(method, limit, generator=generator)
    require(growth <= 1 + 1e-10, f"a linear field makes pairs grow by {growth - 1:.3g}.")


def check_radius_is_sharp(
    method: RungeKutta, *, factor: float = 1.05, generator: torch.Generator | None = None
) -> None:
    """Assert that slightly beyond its radius some linear field z -> λ_i z at stage i expands.

    Where the nodes differ that is one field λ(t) z.

    Args:
        method: a method with a finite contractivity radius.
        factor: how far beyond the radius, > 1.
        generator: of the starting points; seeded with 0 if None.

    Raises:
        AssertionError: if gradient ascent finds none.

    Example:
        >>> from darboux.integrators import Euler
        >>> check_radius_is_sharp(Euler())
    """
    radius = factor * contractivity_radius(method.tableau)
    growth = largest_linear_growth(method, radius, generator=_generator(generator))
    require(growth > 1 + 1e-6, f"no field expands at {factor:g} times the radius of {method}.")


def check_lipschitz_factor(method: RungeKutta, *, generator: torch.Generator | None = None) -> None:
    """Assert that one step never stretches pairs by more than `lipschitz_factor`.

    Attacks with linear and nonlinear fields of known L; where all coefficients are
    nonnegative, f = L z must attain the factor.

    Args:
        method: the method.
        generator: of the random fields; seeded with 0 if None.

    Raises:
        AssertionError: with the growth and the factor.

    Example:
        >>> from darboux.integrators import Kutta4
        >>> check_lipschitz_factor(Kutta4())
    """
    generator = _generator(generator)
    for h in (0.01, 0.3, 1.0, 4.0):
        factor = float(method.lipschitz_factor(h, 2.0))
        for field in (_expanding_field(2.0), _lipschitz_field(2.0, generator)):
            growth = _growth(method, field, h, generator)
            require(growth <= factor * (1 + 1e-10), f"growth {growth:.6g}; factor {factor:.6g}.")
        exact = _growth(method, _expanding_field(2.0), h, generator)
        coefficients = (*method.tableau.b, *(x for row in method.tableau.a for x in row))
        attained = min(coefficients) < 0 or abs(exact - factor) <= 1e-10 * factor
        require(attained, f"f = L z grows by {exact:.6g}; the factor {factor:.6g} is not sharp.")


def check_step_sizes(method: RungeKutta) -> None:
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
    require(error <= 64 * EPS, f"number and tensor step sizes differ by {error:.3g}.")
    for dtype in (torch.float32, torch.bfloat16):
        low = method.step(lambda t, z: -z, 0.0, h, z.to(dtype))
        require(low.dtype == dtype, f"z in {dtype}, z' in {low.dtype}.")
    (slope,) = torch.autograd.grad(learned.sum(), h)
    ahead, behind = (method.step(field, 0.5, 0.25 + d, z).sum() for d in (1e-5, -1e-5))
    error = abs(float(slope) - float(ahead - behind) / 2e-5)
    require(error <= 1e-8, f"the derivative by h differs from a central difference by {error:.3g}.")


def largest_linear_growth(
    method: RungeKutta, radius: float, *, generator: torch.Generator | None = None
) -> float:
    """Return the largest |z'|/|z| of one step on f = λ_i z at stage i, hλ_i in a disk.

    The disk is {|z + r| <= r}. The growth is a polynomial in each λ_i, so its largest
    modulus is attained on the boundary, hλ_i = r (e^(iφ_i) - 1); the φ_i are found by
    gradient ascent from many starts, small ones among them. A lower bound, sharp in practice.

    Source: Dahlquist and Jeltsch 1979, generalised disks of contractivity.

    Args:
        method: the method.
        radius: r.
        generator: of the starting points; seeded with 0 if None.

    Example:
        >>> from darboux.integrators import Euler
        >>> round(largest_linear_growth(Euler(), 1.5), 6)
        2.0
    """
    generator = _generator(generator)
    noise = torch.randn(method.stages, 256, generator=generator, dtype=torch.float64)
    angles = (noise * torch.logspace(-2, 0.5, 256, dtype=torch.float64)).requires_grad_()
    ascent = torch.optim.Adam([angles], lr=0.02, maximize=True)
    best = 0.0
    for _ in range(150):
        growth = _linear_growth(method, radius, angles)
        best = max(best, float(growth.detach().max()))
        (angles.grad,) = torch.autograd.grad(growth.sum(), angles)
        ascent.step()
    return best


def _linear_growth(method: RungeKutta, radius: float, angles: Tensor) -> Tensor:
    multipliers = iter(torch.polar(torch.full_like(angles, radius), angles) - radius)
    start = torch.ones(angles.shape[1], dtype=torch.complex128)
    return method.step(lambda t, z: next(multipliers) * z, 0.0, 1.0, start).abs()


def _growth(method: RungeKutta, field: Field, h: float, generator: torch.Generator) -> float:
    """Return the largest ‖Δz'‖/‖Δz‖ over pairs from close to far apart."""
    noise = torch.randn(2, 400, 4, generator=generator, dtype=torch.float64)
    z = noise[0] * torch.logspace(-1, 1, 400, dtype=torch.float64).unsqueeze(1)
    other = z + noise[1] * torch.logspace(1, -3, 400, dtype=torch.float64).unsqueeze(1)
    after = method.step(field, 0.3, h, other) - method.step(field, 0.3, h, z)
    return float((after.norm(dim=1) / (other - z).norm(dim=1)).max())


def _gradient_field(generator: torch.Generator) -> tuple[Field, float]:
    """Return -Aᵀ σ(Az + b(t)), slopes of σ in [0, 1], with its ν̄ = -1/‖A‖²."""
    a = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    a /= torch.linalg.matrix_norm(a, 2)
    a *= float(torch.rand((), generator=generator)) + 0.5
    b = torch.randn(6, generator=generator, dtype=torch.float64)

    def field(t: Time, z: Tensor) -> Tensor:
        y = z @ a.T + b * math.cos(5 * t)
        sigma = torch.cat([y[:, :2].relu(), y[:, 2:4].clamp(-0.3, 0.3), y[:, 4:].tanh()], dim=1)
        return -sigma @ a

    return field, -1 / float(torch.linalg.matrix_norm(a, 2)) ** 2


def _monotone_field(generator: torch.Generator) -> tuple[Field, float]:
    """Return -(z + N(t, z))/2, N nonexpansive: firmly nonexpansive, ν̄ = -1, no gradient."""
    frames = [torch.randn(4, 4, generator=generator, dtype=torch.float64) for _ in range(2)]
    first, second = (torch.linalg.qr(frame).Q for frame in frames)

    def field(t: Time, z: Tensor) -> Tensor:
        return -0.5 * (z + (z @ first + math.sin(7 * t)).abs() @ second)

    return field, -1.0


def _expanding_field(lipschitz: float) -> Field:
    return lambda t, z: lipschitz * z


def _lipschitz_field(lipschitz: float, generator: torch.Generator) -> Field:
    frame = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    orthogonal = torch.linalg.qr(frame).Q
    return lambda t, z: lipschitz * torch.relu(z @ orthogonal + math.sin(5 * t))


def _linear() -> tuple[Field, Flow]:
    """Return ż = Az with eigenvalues off both axes, and its flow from t = 0."""
    matrix = [[-0.5, 2.0, 0.3], [-2.0, -0.5, 0.0], [0.0, 0.7, -1.5]]
    a = torch.tensor(matrix, dtype=torch.float64)
    start = torch.ones(1, 3, dtype=torch.float64)
    return lambda t, z: z @ a.T, lambda t: start @ torch.linalg.matrix_exp(t * a).T


def _nonlinear() -> tuple[Field, Flow]:
    """Return ż = cos(t) Q (Qᵀz)², Q orthogonal, and its flow w -> w/(1 - w sin t), w = Qᵀz."""
    q = torch.tensor([[2.0, -2.0, 1.0], [1.0, 2.0, 2.0], [2.0, 1.0, -2.0]], dtype=torch.float64) / 3
    start = torch.tensor([[0.2, -0.5, 0.6]], dtype=torch.float64)

    def field(t: Time, z: Tensor) -> Tensor:
        speed = torch.as_tensor(
            t, dtype=torch.float64
        ).cos()  # keeps the gradient of a time that is a tensor
        return speed * (z @ q).square() @ q.T

    return field, lambda t: (start / (1 - start * math.sin(t))) @ q.T


def _error_slope(method: Integrator, field: Field, flow: Flow, counts: Sequence[int]) -> float:
    steps = torch.tensor(counts, dtype=torch.float64)
    errors = torch.tensor([_error(method, field, flow, n) for n in counts], dtype=torch.float64)
    x, y = steps.log() - steps.log().mean(), errors.log() - errors.log().mean()
    return -float((x @ y) / (x @ x))


def _error(method: Integrator, field: Field, flow: Flow, steps: int) -> float:
    h = 1 / steps
    state = method.init(field, 0.0, h, flow(0.0))
    for k in range(steps):
        state = method.step(field, k * h, h, state)
    return float((method.value(state) - flow(1.0)).norm())


def _generator(generator: torch.Generator | None) -> torch.Generator:
    return torch.Generator().manual_seed(0) if generator is None else generator
