"""Checks of the constants that a vector field reports."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.fields import VectorField
from darboux.fields._field import Constant
from darboux.flow import as_float, field_energy
from darboux.structure._arguments import Count, checked


@checked
def check_shape(field: VectorField, z: Tensor) -> None:
    """Check that f(t, z) has the shape and dtype of z.

    Args:
        field: the field.
        z: states, (batch, features, *space).

    Raises:
        AssertionError: if it has not.

    Example:
        >>> import torch, darboux as dx
        >>> check_shape(
        ...     dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU()),
        ...     torch.ones(2, 4),
        ... )
    """
    value = field(0.0, z)
    if value.shape != z.shape or value.dtype != z.dtype:
        msg = f"expected {tuple(z.shape)} {z.dtype}; got {tuple(value.shape)} {value.dtype}"
        raise AssertionError(msg)


@checked
def check_constants(field: VectorField, z: Tensor, *, pairs: Count = 200) -> None:
    """Check L, ν and ν̄ on random pairs at scales from 1e-3 to 1e2 around z.

    Args:
        field: the field, in float64.
        z: states, (batch, features, *space), float64.
        pairs: how many pairs are tried.

    Raises:
        AssertionError: if an inequality fails.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> check_constants(field.double(), torch.ones(2, 4, dtype=torch.float64), pairs=5)
    """
    generator = torch.Generator().manual_seed(0)
    scales = torch.logspace(-3, 2, pairs, dtype=torch.float64)
    bounds = field.lipschitz(), field.one_sided_lipschitz(), field.cocoercivity()
    for scale in scales:
        x = z + scale * torch.randn(z.shape, generator=generator, dtype=z.dtype)
        y = x + scale * torch.randn(z.shape, generator=generator, dtype=z.dtype)
        _check_pair(field, x, y, bounds)


def _check_pair(
    field: VectorField, x: Tensor, y: Tensor, bounds: tuple[Constant | None, ...]
) -> None:
    numbers = [None if bound is None else as_float(bound) for bound in bounds]
    lipschitz, one_sided, cocoercivity = numbers
    dz, df = (y - x).flatten(1), (field(0.0, y) - field(0.0, x)).flatten(1)
    inner, z2, f2 = (dz * df).sum(1), dz.square().sum(1), df.square().sum(1)
    slack = 1e-10 * (z2 + f2)
    if lipschitz is not None:
        _require("‖Δf‖ <= L‖Δz‖", f2.sqrt(), lipschitz * z2.sqrt(), slack.sqrt() * 1e-4)
    if one_sided is not None:
        _require("⟨Δf, Δz⟩ <= ν‖Δz‖²", inner, one_sided * z2, slack)
    if cocoercivity is not None:
        _require("⟨Δf, Δz⟩ <= ν̄‖Δf‖²", inner, cocoercivity * f2, slack)


def _require(statement: str, left: Tensor, right: Tensor, slack: Tensor) -> None:
    worst = as_float((left - right - slack).max())
    if not worst <= 0:  # NaN fails
        msg = f"{statement} fails by {worst:.3e}"
        raise AssertionError(msg)


@checked
def check_energy(field: VectorField, z: Tensor) -> None:
    """Check f(0, z) = -∇energy(0, z) against autograd.

    Args:
        field: a field with ``energy(t, z)``, in float64.
        z: states, (batch, features, *space), float64, away from kinks.

    Raises:
        AssertionError: if they differ by more than rounding.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.Tanh())
        >>> check_energy(field.double(), torch.ones(2, 4, dtype=torch.float64))
    """
    z = z.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(field_energy(field, 0.0, z).sum(), z)
    torch.testing.assert_close(field(0.0, z), -gradient, rtol=1e-9, atol=1e-9)


@checked
def check_prepare(field: VectorField, z: Tensor) -> None:
    """Check that a prepared field is the field.

    Args:
        field: the field.
        z: states, (batch, features, *space).

    Raises:
        AssertionError: if they differ.

    Example:
        >>> import torch, darboux as dx
        >>> check_prepare(
        ...     dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU()),
        ...     torch.ones(2, 4),
        ... )
    """
    torch.testing.assert_close(field.prepare()(0.0, z), field(0.0, z), rtol=0, atol=0)
