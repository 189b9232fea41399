"""The abstract prior: a function of an image with its gradient, proximal map and constants."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor

from darboux.imaging._energy import LeastSquares
from darboux.imaging._minimise import minimise
from darboux.solvers import ConvergenceError
from darboux.solvers._transforms import is_differentiated
from darboux.structure import Claim, Claims, Convex, Kind, Smooth, WeaklyConvex, gradient_of_values
from darboux.structure._arguments import Count, NonNegative, Positive, checked, shown
from darboux.structure._module import Module

Sigma = float | Tensor | None


class Prior(Module):
    """A regulariser g(x, σ) of images, bounded from below, with what solvers need to know of it.

    σ is a noise level, one number or one for each sample, in units of images with values in
    [0, 1]; None is the level for which the prior was made. Constants hold for every σ.

    Shapes: x is (batch, channels, *space).

    Source: section 3.2.
    """

    channels: int
    dim: int
    explicit_prior = True  # what deepinv asks a prior that has values

    def forward(self, x: Tensor, sigma: Sigma = None) -> Tensor:
        """Return its values, (batch,)."""
        return self.g(x, sigma)

    @abstractmethod
    def g(self, x: Tensor, sigma: Sigma = None) -> Tensor:
        """Return its values, (batch,)."""

    @abstractmethod
    def grad(self, x: Tensor, sigma: Sigma = None) -> Tensor:
        """Return ∇g(x, σ), of the shape of x."""

    def value_and_grad(self, x: Tensor, sigma: Sigma = None) -> tuple[Tensor, Tensor]:
        """Return g(x, σ) as float64, (batch,), and ∇g(x, σ)."""
        return self.g(x, sigma).double(), self.grad(x, sigma)

    @checked
    def prox(
        self,
        x: Tensor,
        sigma: Sigma = None,
        *,
        gamma: NonNegative = 1.0,
        tol: Positive = 1e-4,
        max_iter: Count = 1000,
    ) -> Tensor:
        """Return argmin_z ‖z - x‖² / 2 + γ g(z, σ), of the shape of x.

        The gradient of that function is tol ‖x‖ at most where it ends, and the distance from the
        minimiser is tol ‖x‖ / (1 - γ ρ) at most, if γ ρ < 1.

        Raises:
            ConvergenceError: if max_iter iterations are not enough.
            RuntimeError: if a derivative is asked for.
            ValueError: if the function is not convex, γ ρ > 1.
        """
        name = type(self).__name__
        rho = self.weak_convexity()
        if gamma * rho > 1 + _ROUNDING:
            most = 1 / rho if rho else math.inf
            msg = (
                f"{name}.prox: expected gamma from 0 to 1 / weak_convexity() = {most:.6g}; got "
                f"{gamma!r}, for which the minimiser may not be unique."
            )
            raise ValueError(msg)
        if is_differentiated(x):
            msg = (
                f"{name}.prox: expected an image of which no derivative is asked for; got one that "
                "requires a gradient. Use x.detach() and torch.no_grad()."
            )
            raise RuntimeError(msg)
        if not x.numel():
            return x.clone()
        with torch.no_grad():
            energy = LeastSquares(None, self, x, weight=float(gamma), sigma=sigma)
            found = minimise(energy, x, tol=tol, max_iter=max_iter)
        if not bool(found.converged.all()):
            msg = (
                f"{name}.prox: expected gradients of {tol:g} ‖x‖ after {max_iter} iterations; got "
                f"{float((found.residual[-1] / energy.scale).max()):.3g} ‖x‖. Allow more "
                "iterations or a larger tol."
            )
            raise ConvergenceError(msg)
        return found.x

    @abstractmethod
    def lipschitz(self) -> float:
        """Return L with ‖∇g(x, σ) - ∇g(y, σ)‖ <= L ‖x - y‖ for all σ: a bound, or ∞."""

    @abstractmethod
    def weak_convexity(self) -> float:
        """Return ρ >= 0 such that g(x, σ) + ρ ‖x‖² / 2 is convex for all σ: a bound."""

    def claims(self) -> Claims:
        """Return that g is convex or weakly convex, and smooth if it is."""
        rho, bound = self.weak_convexity(), self.lipschitz()
        convex = WeaklyConvex(rho) if rho else Convex()
        premises = (gradient_of_values(self),)
        found = [Claim(convex, Kind.BOUND, f"weak_convexity() = {rho:.6g}", premises)]
        if math.isfinite(bound):
            found.append(Claim(Smooth(bound), Kind.BOUND, f"lipschitz() = {bound:.6g}", premises))
        return Claims(tuple(found))


_ROUNDING = 1e-6  # of γ ρ


def noise_levels(name: str, sigma: float | Tensor, x: Tensor) -> Tensor:
    """Return σ >= 0 as a tensor of one number or of one for each sample, or refuse it."""
    usable = isinstance(sigma, Tensor | int | float) and not isinstance(sigma, bool)
    given = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).reshape(-1) if usable else None
    if given is None or len(given) not in (1, len(x)):
        msg = (
            f"{name}: expected sigma to be one number, or a tensor of one for each of {len(x)} "
            f"samples; got {shown(sigma)}."
        )
        raise (TypeError if given is None else ValueError)(msg)
    level = given.detach()
    if not torch.compiler.is_compiling() and not bool(((level >= 0) & level.isfinite()).all()):
        msg = f"{name}: expected finite sigma of 0 or more; got {sigma}."
        raise ValueError(msg)
    return given
