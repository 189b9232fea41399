"""Shared by the checks of manifolds: random vectors, derivatives along curves, equality."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from darboux.manifolds import Manifold
from darboux.testing._checks._call import probe, require

_LIMITS = {torch.float64: 1e-9, torch.float32: 1e-3}


def along(path: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Return value and derivative at t = 0."""
    t = torch.zeros((), dtype=real(x), device=x.device)
    value, slope = torch.func.jvp(path, (t,), (torch.ones_like(t),))[:2]
    return value, slope


def tangent(manifold: Manifold, x: Tensor, seed: int) -> Tensor:
    """Return random tangent vectors, the same every time."""
    return manifold.project(x, noise(x, seed))


def unit(manifold: Manifold, x: Tensor, v: Tensor) -> Tensor:
    """Return v at length 1 or less, far inside of where geodesics are unique."""
    length = manifold.norm(x, v).reshape(len(x), *[1] * len(manifold.shape))
    return v / (1 + length)


def noise(x: Tensor, seed: int) -> Tensor:
    """Return normal noise like x, in its imaginary part, too."""
    if x.is_complex():
        return torch.complex(probe(x.real, seed=seed), probe(x.real, seed=seed + 10))
    return probe(x, seed=seed)


def dot(manifold: Manifold, u: Tensor, v: Tensor) -> Tensor:
    """Return Re <u, v>."""
    product = (u.conj() * v).real if u.is_complex() else u * v
    return product.reshape(*u.shape[: u.ndim - len(manifold.shape)], -1).sum(-1)


def real(x: Tensor) -> torch.dtype:
    """Return the dtype of real and imaginary parts."""
    return x.real.dtype if x.is_complex() else x.dtype


def limit(x: Tensor) -> float:
    """Return the relative error that is allowed."""
    return _LIMITS[real(x)]


def require_equal(
    found: Tensor, wanted: Tensor, what: str, scale: Tensor | float | None = None
) -> None:
    """Assert equality up to `limit` of the scale, or of the values and 1."""
    require(
        found.shape == wanted.shape and found.dtype == wanted.dtype,
        f"{what}: expected {wanted.dtype} of shape {tuple(wanted.shape)}; got {found.dtype} of "
        f"shape {tuple(found.shape)}.",
    )
    unit = 1 + wanted.abs().max() if scale is None else torch.as_tensor(scale).max()
    error, allowed = float((found - wanted).abs().max()), limit(wanted) * float(unit)
    require(error <= allowed, f"{what}: {error:.3g} off; at most {allowed:.3g}.")
