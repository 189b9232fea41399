"""Checks of contractivity: radius, Lipschitz factor, and contraction at any step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from darboux.integrators import Integrator, RungeKutta, contractivity_radius
from darboux.integrators._integrator import Field
from darboux.structure._arguments import Positive, checked
from darboux.testing._checks._call import require
from darboux.testing._checks._random_fields import (
    expanding_field,
    gradient_field,
    lipschitz_field,
    monotone_field,
    stiff_fields,
)

_STEPS = (1e-2, 1.0, 1e2, 1e4)


@checked
def check_radius(
    method: RungeKutta, *, radius: Positive | None = None, generator: torch.Generator | None = None
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
        for build in (gradient_field, monotone_field):
            field, cocoercivity = build(generator)
            growth = _growth(method, field, -2 * cocoercivity * limit, generator)
            require(growth <= 1 + 1e-10, f"{build.__name__}: pairs grow by {growth - 1:.3g}.")
    growth = largest_linear_growth(method, limit, generator=generator)
    require(growth <= 1 + 1e-10, f"a linear field makes pairs grow by {growth - 1:.3g}.")


@checked
def check_radius_is_sharp(
    method: RungeKutta, *, factor: Positive = 1.05, generator: torch.Generator | None = None
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


@checked
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
        for field in (expanding_field(2.0), lipschitz_field(2.0, generator)):
            growth = _growth(method, field, h, generator)
            require(growth <= factor * (1 + 1e-10), f"growth {growth:.6g}; factor {factor:.6g}.")
        exact = _growth(method, expanding_field(2.0), h, generator)
        coefficients = (*method.tableau.b, *(x for row in method.tableau.a for x in row))
        attained = min(coefficients) < 0 or abs(exact - factor) <= 1e-10 * factor
        require(attained, f"f = L z grows by {exact:.6g}; the factor {factor:.6g} is not sharp.")


@checked
def check_contraction_at_any_step(
    method: Integrator,
    *,
    steps: Sequence[Positive] = _STEPS,
    generator: torch.Generator | None = None,
) -> None:
    """Assert that no step, however large, brings pairs further apart on stiff fields with ν <= 0.

    The fields: gradient fields with large weights, kinked and saturated; a linear one with
    rates from 1e-3 to 1e4; a monotone one that is no gradient and depends on time.

    Source: section 2.2.1, equation (21).

    Args:
        method: a method that claims to be B-stable.
        steps: the step sizes.
        generator: of the fields and pairs; seeded with 0 if None.

    Raises:
        AssertionError: with the field, the step and the growth.

    Example:
        >>> from darboux.integrators import ImplicitEuler
        >>> check_contraction_at_any_step(ImplicitEuler(), steps=(1.0, 1e4))
    """
    generator = _generator(generator)
    for name, field in stiff_fields(generator).items():
        for h in steps:
            growth = _stiff_growth(method, field, h, generator)
            message = f"{method}: pairs grow by {growth - 1:.3g} on {name} with h = {h:g}."
            require(growth <= 1 + 1e-9, message)


@checked
def largest_linear_growth(
    method: RungeKutta, radius: Positive, *, generator: torch.Generator | None = None
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


def _stiff_growth(method: Integrator, field: Field, h: float, generator: torch.Generator) -> float:
    """Return the largest ‖Δz'‖/‖Δz‖ over pairs from close to far apart."""
    noise = torch.randn(2, 24, 4, generator=generator, dtype=torch.float64)
    z = 2 * noise[0]
    other = z + noise[1] * torch.logspace(1, -3, 24, dtype=torch.float64).unsqueeze(1)
    with torch.no_grad():
        first, second = method.step(field, 0.3, h, torch.cat([z, other])).chunk(2)
    return float(((second - first).norm(dim=1) / (other - z).norm(dim=1)).max())


def _generator(generator: torch.Generator | None) -> torch.Generator:
    return torch.Generator().manual_seed(0) if generator is None else generator
