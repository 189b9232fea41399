"""The three stages of Radau IIA as algebra: Newton corrections, error, polynomial between steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darboux.integrators._generated import radau_iia_tableau
from darboux.solvers._convergence import Numbers, like, numbers

Array = Any  # a tensor, or an array of NumPy, which takes a fraction of the time for small systems

_SMALL = 256  # entries of all samples

_TABLEAU = radau_iia_tableau(3)

COEFFICIENTS = tuple(tuple(float(x) for x in row) for row in _TABLEAU.a)

NODES = np.array([float(c) for c in _TABLEAU.c])

# A⁻¹ ⊗ I - I ⊗ h f' falls apart along the eigenvectors of A⁻¹, into matrices λ I - h f'. One λ is
# real and two are conjugate, of which one is enough: Z = Re(v_0 w_0 + 2 v_1 w_1).
# Hairer and Wanner, Solving Ordinary Differential Equations II, IV.8.
_VALUES, _VECTORS = np.linalg.eig(np.linalg.inv(np.array(COEFFICIENTS)))
_TWO = np.argsort(np.abs(_VALUES.imag))[:2]
_FROM = _VECTORS[:, _TWO] * np.array([1, 2])
_TO = np.linalg.inv(_VECTORS)[_TWO]
_JOINED = np.concatenate([_TO, -_VALUES[_TWO, None] * _TO], axis=1)  # of F and of U

# (γ I - h f') ε = h (f(z) + Σ_i e_i U_i), γ the real λ, is an error of order 3
_ERROR = np.array([[-13 - 7 * 6**0.5], [-13 + 7 * 6**0.5], [-1]]) / 3

# z(t + θh) = z + Σ_ij θ^(i+1) P_ij Z_j, the polynomial through z and the stages
_POWERS = np.linalg.inv(np.stack([NODES, NODES**2, NODES**3], axis=1))

# (p(1 + c_i r) - p(1))/r as a polynomial in r, of the polynomial p above
_AHEAD = [
    np.stack([k * NODES**j for k in row], axis=1) @ _POWERS
    for j, row in enumerate([(1, 2, 3), (0, 1, 3), (0, 0, 1)], start=1)
]


class Inverses(NamedTuple):
    """What one f' and one h of each sample give."""

    newton: Array  # of F and U, (batch, 3n, 6n)
    error: Array  # (γ I - h f')⁻¹, (batch, n, n)

    def replaced(self, rows: NDArray[np.intp], other: Inverses) -> Inverses:
        """Return these, but others for some samples."""
        pairs = zip(self, other, strict=True)
        return Inverses(*(_replaced(mine, rows, theirs) for mine, theirs in pairs))


@dataclass(frozen=True)
class Stages:
    """Equations U = A F(z + h U) of the mean slopes U = Z/h, (batch, 3n), as coefficients."""

    values: Array  # λ I for both, (2, 1, n, n)
    joined: Array  # (18, 2)
    errors: Array  # (3, 1)
    nodes: Tensor  # (3, 1), float64
    dtype: torch.dtype  # of U

    @staticmethod
    def like(z: Tensor) -> Stages:
        """Return the coefficients for z, (batch, ...): in its dtype, at least float32."""
        dtype = torch.promote_types(z.dtype, torch.float32)
        small = z.device.type == "cpu" and z.numel() <= _SMALL

        def as_array(values: NDArray[np.generic], dtype: torch.dtype) -> Array:
            return values if small else torch.as_tensor(values, dtype=dtype, device=z.device)

        joined = np.einsum("ik,kj->ijk", _FROM, _JOINED).reshape(-1, 2)
        values = _VALUES[_TWO].reshape(2, 1, 1, 1) * np.eye(z[0].numel())
        return Stages(
            as_array(values, dtype.to_complex()),
            as_array(joined, dtype.to_complex()),
            as_array(_ERROR, dtype),
            torch.as_tensor(NODES[:, None], device=z.device),
            dtype,
        )

    def array(self, values: Tensor | Numbers) -> Array:
        """Return values as what is computed with."""
        if isinstance(self.errors, np.ndarray):
            return values if isinstance(values, np.ndarray) else numbers(values)
        return torch.as_tensor(values, dtype=self.dtype, device=self.errors.device)

    def inverses(self, slopes: Array, h: Array) -> Inverses:
        """Return what slopes f', (batch, n, n), and steps, (batch,), give."""
        batch, n = slopes.shape[:2]
        found = _inverse(self.values - h.reshape(-1, 1, 1) * slopes)
        blocks = (self.joined @ found.reshape(2, -1)).real.reshape(3, 6, batch, n, n)
        newton = _library(blocks).einsum("rkbij->brikj", blocks).reshape(batch, 3 * n, 6 * n)
        return Inverses(newton, found[0].real)

    def error(self, inverses: Inverses, means: Array, slope: Array) -> Array:
        """Return ε/h for f(z) = `slope`, (batch, n)."""
        rest = slope + (means.reshape(len(means), 3, -1) * self.errors).sum(1)
        return _product(inverses.error, rest)


def correction(inverses: Inverses, means: Array, slopes: list[Array]) -> Array:
    """Return what simplified Newton adds to U where the slopes are F."""
    return _product(inverses.newton, beside([*slopes, means]))


def beside(parts: list[Array]) -> Array:
    """Return (batch, ...) of several entries of each sample."""
    return _library(parts[0]).concatenate(parts, 1)


def larger(x: Array, y: Array) -> Array:
    """Return the larger one of the sizes of entries."""
    return _library(x).maximum(abs(x), abs(y))


def _library(x: Array) -> Any:
    return torch if isinstance(x, Tensor) else np


def _product(matrices: Array, rows: Array) -> Array:
    return (matrices @ rows[..., None])[..., 0]


def _inverse(matrices: Array) -> Array:
    if isinstance(matrices, Tensor):
        return torch.linalg.inv_ex(matrices)[0]
    try:
        return np.linalg.inv(matrices)
    except np.linalg.LinAlgError:  # one of them is singular, which is no reason to lose others
        return torch.linalg.inv_ex(torch.from_numpy(matrices))[0].numpy()


def _replaced(mine: Array, rows: NDArray[np.intp], theirs: Array) -> Array:
    if isinstance(mine, Tensor):
        return mine.index_copy(0, like(rows, mine), theirs)
    mine = mine.copy()
    mine[rows] = theirs
    return mine


def between(increments: Tensor, place: Tensor) -> Tensor:
    """Return z(t + θh) - z, (batch, n), at θ = `place`, (batch,), with Z of (batch, 3n)."""
    powers = torch.stack([place, place.square(), place.pow(3)], dim=1)
    weights = powers @ torch.as_tensor(_POWERS, dtype=place.dtype, device=place.device)
    rows = increments.reshape(len(increments), 3, -1)
    return (weights.to(rows.dtype).unsqueeze(2) * rows).sum(dim=1)


def ahead(means: Array, ratio: Numbers) -> Array:
    """Return the mean slopes of a next step of ratio · h along the same polynomial."""
    r = ratio[:, None, None]
    weights = _AHEAD[0] + r * (_AHEAD[1] + r * _AHEAD[2])
    if isinstance(means, Tensor):
        weights = torch.as_tensor(weights, dtype=means.dtype, device=means.device)
    return (weights @ means.reshape(len(means), 3, -1)).reshape(means.shape)
