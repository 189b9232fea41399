"""Energies of images: a smooth part with its gradient, and a part of which the prox is known."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, final

import torch
from torch import Tensor

from darboux.linear import LinearMap

_SLOW = 1e-3  # μ / L


class Energy(ABC):
    """F = f + h, a sum for each sample of a batch: f is smooth, h has a proximal map.

    f - μ ‖·‖² / 2 is convex, and so is L ‖·‖² / 2 - f. Values are float64.
    """

    smoothness: float
    """L: the largest curvature of f, > 0."""

    convexity: float
    """μ: the smallest curvature of f; negative where f is only weakly convex."""

    scale: Tensor
    """The size of a gradient, (batch,), to which tolerances are relative."""

    magnitude: Tensor
    """The value, (batch,), of the largest part of f that may cancel: rounding is relative to it."""

    is_smooth = True
    """Whether h = 0."""

    @property
    def is_slow(self) -> bool:
        """Whether F is convex with so little curvature that steps of MFISTA pay."""
        return 0 <= self.convexity < _SLOW * self.smoothness

    @abstractmethod
    def smooth(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return f(x), (batch,), and ∇f(x)."""

    def rough(self, x: Tensor) -> Tensor:
        """Return h(x), (batch,), at points that `prox` returned."""
        return x.new_zeros(len(x), dtype=torch.float64)

    def free(self, x: Tensor, grad: Tensor) -> Tensor | float | None:
        """Return which entries of x may move along -∇f, where h is 0 or keeps x in a box."""
        del x, grad
        return 1.0

    def prox(self, x: Tensor, step: Tensor) -> Tensor:
        """Return argmin_u ‖u - x‖² / (2 step) + h(u), with a step for each sample, (batch,)."""
        del step
        return x


Box = tuple[float, float]

_ROUNDING = 1e-12  # of a curvature, beside ‖A‖²

_LITTLE = 1e-4  # curvature beside ‖A‖² that is no help: 1 / μ is too large to say anything


@final
class LeastSquares(Energy):
    """‖A x - y‖² / 2 + weight · g(x, σ), on a box of values if there is one.

    A prior whose gradient has no Lipschitz constant enters by its proximal map, others by their
    gradient.

    Args:
        physics: the map A, None for the identity.
        prior: what has `g`, `grad` and `prox`, and their constants.
        y: the data, (batch, ...).
        weight: of the prior.
        sigma: what the prior takes for σ.
        box: the smallest and the largest value of an image.
        norm: ‖A‖ at most, where that is known already.
    """

    def __init__(
        self,
        physics: LinearMap | None,
        prior: Any,
        y: Tensor,
        *,
        weight: float = 1.0,
        sigma: float | Tensor | None = None,
        box: Box | None = None,
        norm: float | None = None,
    ) -> None:
        self.physics, self.prior, self.y = physics, prior, y
        self.weight, self.sigma, self.box = weight, sigma, box
        if norm is None:
            norm = 1.0 if physics is None else float(physics.norm_bound().detach())
        below = 1.0 if physics is None else float(physics.lower_bound().detach())
        bound, rho = float(prior.lipschitz()), float(prior.weak_convexity())
        self.by_prox = bound == float("inf")
        if self.by_prox:
            bound = 0.0  # its convexity does not enter f, and rates do not count on it
        self.norm, self.below, self.rho = norm, below, rho
        self.smoothness = norm**2 + weight * bound
        curvature = below**2 - weight * rho
        self.convexity = (
            0.0 if -_ROUNDING <= curvature / max(norm**2, 1e-300) < _LITTLE else curvature
        )
        self.is_smooth = box is None and not self.by_prox
        self.scale, self.magnitude = lengths(self._adjoint(y)), dots(y, y) / 2

    def smooth(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the data term and its gradient, with those of a smooth prior."""
        residual = (x if self.physics is None else self.physics(x)) - self.y
        value, grad = dots(residual, residual) / 2, self._adjoint(residual)
        if self.by_prox:
            return value, grad
        prior, slope = self.prior.value_and_grad(x, self.sigma)
        return value + self.weight * prior, grad + self.weight * slope

    def rough(self, x: Tensor) -> Tensor:
        """Return the prior if it is not smooth; the box holds at values of `prox`."""
        if self.by_prox:
            return self.weight * self.prior.g(x, self.sigma).double()
        return x.new_zeros(len(x), dtype=torch.float64)

    def free(self, x: Tensor, grad: Tensor) -> Tensor | float | None:
        """Return the entries that a box does not hold; nothing of a prior that is not smooth."""
        if self.by_prox:
            return None
        if self.box is None:
            return 1.0
        held = ((x <= self.box[0]) & (grad > 0)) | ((x >= self.box[1]) & (grad < 0))
        return (~held).to(x)

    def prox(self, x: Tensor, step: Tensor) -> Tensor:
        """Return the nearest point of the box, or what the prior's proximal map does."""
        if self.by_prox:
            return self._by_prior(x, self.weight * step)
        return x if self.box is None else x.clamp(*self.box)

    def with_data(self, y: Tensor) -> LeastSquares:
        """Return the energy for other data."""
        other = copy.copy(self)
        other.y, other.scale, other.magnitude = y, lengths(self._adjoint(y)), dots(y, y) / 2
        return other

    def _by_prior(self, x: Tensor, gamma: Tensor) -> Tensor:
        first = float(gamma[0]) if len(gamma) else 1.0
        if bool((gamma == first).all()):
            return self.prior.prox(x, self.sigma, gamma=first)
        sigma = torch.as_tensor(self.sigma) if self.sigma is not None else None
        rows = [
            None if sigma is None or not sigma.ndim else sigma[k : k + 1] for k in range(len(x))
        ]
        return torch.cat(
            [
                self.prior.prox(one[None], self.sigma if row is None else row, gamma=float(step))
                for one, row, step in zip(x, rows, gamma, strict=True)
            ]
        )

    def _adjoint(self, y: Tensor) -> Tensor:
        return y if self.physics is None else self.physics.adjoint(y)


def dots(x: Tensor, y: Tensor) -> Tensor:
    """Return ⟨x, y⟩ of each sample, float64, (batch,)."""
    return (x * y).flatten(1).sum(dim=1, dtype=torch.float64)


def lengths(x: Tensor) -> Tensor:
    """Return ‖x‖ of each sample, float64, (batch,)."""
    return dots(x, x).sqrt()


def spread(values: Tensor, x: Tensor) -> Tensor:
    """Return numbers of samples, (batch,), so that they multiply images."""
    return values.to(x.dtype).reshape(-1, *(1,) * (x.ndim - 1))
