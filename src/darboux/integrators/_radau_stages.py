"""The three stages of Radau IIA as algebra: Newton corrections, error, polynomial between steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from darboux.integrators._generated import radau_iia_tableau

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

    newton: Tensor  # of F and U, (batch, 3n, 6n)
    error: Tensor  # (γ I - h f')⁻¹, (batch, n, n)

    def replaced(self, rows: Tensor, other: Inverses) -> Inverses:
        """Return these, but others for some samples."""
        pairs = zip(self, other, strict=True)
        return Inverses(*(mine.index_copy(0, rows, theirs) for mine, theirs in pairs))


@dataclass(frozen=True)
class Stages:
    """Equations U = A F(z + h U) of the mean slopes U = Z/h, (batch, 3n), as coefficients."""

    values: Tensor  # λ I for both, (2, 1, n, n)
    joined: Tensor  # (18, 2)
    errors: Tensor  # (3, 1)
    nodes: Tensor  # (3, 1), float64

    @staticmethod
    def like(z: Tensor) -> Stages:
        """Return the coefficients in the dtype and on the device of z, (batch, n)."""

        def as_tensor(values: NDArray[np.generic], dtype: torch.dtype) -> Tensor:
            return torch.as_tensor(values, dtype=dtype, device=z.device)

        joined = np.einsum("ik,kj->ijk", _FROM, _JOINED).reshape(-1, 2)
        values = as_tensor(_VALUES[_TWO].reshape(2, 1, 1, 1), z.dtype.to_complex())
        return Stages(
            values * torch.eye(z.shape[1], dtype=z.dtype, device=z.device),
            as_tensor(joined, z.dtype.to_complex()),
            as_tensor(_ERROR, z.dtype),
            as_tensor(NODES[:, None], torch.float64),
        )

    def inverses(self, slopes: Tensor, h: Tensor) -> Inverses:
        """Return what slopes f', (batch, n, n), and steps, (batch, 1, 1), give."""
        batch, n = slopes.shape[:2]
        found = torch.linalg.inv_ex(self.values - h * slopes)[0]
        blocks = self.joined.mm(found.reshape(2, -1)).real.reshape(3, 6, batch, n, n)
        newton = blocks.permute(2, 0, 3, 1, 4).reshape(batch, 3 * n, 6 * n)
        return Inverses(newton, found[0].real)

    def error(self, inverses: Inverses, means: Tensor, slope: Tensor) -> Tensor:
        """Return ε/h for f(z) = `slope`, (batch, n)."""
        rest = slope + (means.reshape(len(means), 3, -1) * self.errors).sum(dim=1)
        return inverses.error.bmm(rest.unsqueeze(2)).squeeze(2)


def correction(inverses: Inverses, means: Tensor, slopes: list[Tensor]) -> Tensor:
    """Return what simplified Newton adds to U where the slopes are F."""
    return inverses.newton.bmm(torch.cat([*slopes, means], dim=1).unsqueeze(2)).squeeze(2)


def between(increments: Tensor, place: Tensor) -> Tensor:
    """Return z(t + θh) - z, (batch, n), at θ = `place`, (batch,), with Z of (batch, 3n)."""
    powers = torch.stack([place, place.square(), place.pow(3)], dim=1)
    weights = powers @ torch.as_tensor(_POWERS, dtype=place.dtype, device=place.device)
    rows = increments.reshape(len(increments), 3, -1)
    return (weights.to(rows.dtype).unsqueeze(2) * rows).sum(dim=1)


def ahead(means: Tensor, ratio: NDArray[np.float64]) -> Tensor:
    """Return the mean slopes of a next step of ratio · h along the same polynomial."""
    r = ratio[:, None, None]
    weights = _AHEAD[0] + r * (_AHEAD[1] + r * _AHEAD[2])
    rows = torch.as_tensor(weights, dtype=means.dtype, device=means.device)
    return rows.bmm(means.reshape(len(means), 3, -1)).reshape(means.shape)
