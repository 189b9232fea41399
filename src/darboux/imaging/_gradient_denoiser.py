"""One step of gradient descent as a denoiser: the proximal map of an explicit energy."""

from __future__ import annotations

import math
from typing import Annotated, final

import torch
from torch import Tensor

from darboux.fields import GradientField
from darboux.imaging._prior import Prior, Sigma, noise_levels
from darboux.solvers import solve
from darboux.structure import Averaged, Claim, Claims, Equivariant, Kind
from darboux.structure._arguments import Positive, Within, checked
from darboux.structure._module import Module

Fraction = Annotated[float, Within("a number in (0, 1/2]", above=0, most=0.5)]

_ITERATIONS = 500

_ACCURACY = 64.0  # units of rounding

_ROUNDING = 1e-6  # of σ


@final
class GradientDenoiser(Module):
    """The denoiser D(x) = x - h ∇V(x) of a convex potential V, h <= 1/L, L that of ∇V.

    With such a short step D is the proximal map of a convex function φ = `prior`, which is known
    explicitly: φ(D(x)) = h V(x) - ‖x - D(x)‖² / 2. So iterations with D minimise an energy, which a
    chain of several steps need not do. With σ the step is h (σ / σ₀)², by Tweedie's formula.

    Shapes: x is (batch, channels, *space), D(x) as well; σ is one number, or one for each sample.

    Source: section 2.2.1; Moreau 1965; Gribonval and Nikolova 2020 for gradients as proximal maps.

    Args:
        field: -∇V, on images.
        fraction: of 2/L, the largest contractive step; at most 1/2. D is averaged with it.
        sigma: σ₀, the noise level of D without σ, and the largest one.

    Raises:
        ValueError: if the fraction is not in (0, 1/2], the slopes of the activation are not >= 0,
            or, when called, σ > σ₀.

    Example:
        >>> import torch, darboux as dx
        >>> from darboux.activations import Clip
        >>> filters = dx.linear.Conv(1, 16, kernel_size=5, dim=2)
        >>> field = dx.fields.GradientField(filters, Clip(16, dim=2, threshold=0.05))
        >>> denoiser = dx.imaging.GradientDenoiser(field)
        >>> x = torch.rand(1, 1, 16, 16)
        >>> cleaned = denoiser(x)
        >>> away = denoiser.prior(x) + 0.5 * ((x - x) ** 2).sum()  # the energy of no change
        >>> bool(denoiser.prior(cleaned) + 0.5 * ((cleaned - x) ** 2).sum() < away)
        True
    """

    @checked
    def __init__(
        self, field: GradientField, *, fraction: Fraction = 0.45, sigma: Positive = 25 / 255
    ) -> None:
        super().__init__()
        self.prior = GradientStepPrior(field, fraction=fraction, sigma=sigma)

    def forward(self, x: Tensor, sigma: Sigma = None) -> Tensor:
        """Return D(x)."""
        return self.prior.prox(x, sigma)

    def claims(self) -> Claims:
        """Return that D is averaged, and what it commutes with."""
        field, fraction = self.prior.field, self.prior.fraction
        why = f"id - h ∇V, h = {fraction:g} · 2/L: {field.why()}"
        kind = field.cocoercivity_kind()
        kept = [Claim(Averaged(fraction), kind, why, field.premises())]
        symmetry = field.equivariant()
        if isinstance(symmetry, Equivariant):
            kept.append(Claim(symmetry, Kind.CONSTRUCTION, "∇V commutes with the group"))
        return Claims(tuple(kept))


@final
class GradientStepPrior(Prior):
    """The convex function φ whose proximal map is one step along a gradient field."""

    def __init__(self, field: GradientField, *, fraction: float, sigma: float) -> None:
        super().__init__()
        if not field.is_cocoercive():
            msg = (
                "GradientDenoiser: expected a field with a convex potential; got slopes "
                f"{field.activation.slopes()}. Use an activation with slopes >= 0, such as Clip."
            )
            raise ValueError(msg)
        self.field, self.fraction, self.sigma = field, float(fraction), float(sigma)
        self.channels, self.dim = field.map.in_features, field.map.dim

    def g(self, x: Tensor, sigma: Sigma = None) -> Tensor:
        """Return φ(x) = h V(z) - ‖z - x‖² / 2 with D(z) = x."""
        return self._at(x, sigma)[0].to(x.dtype)

    def grad(self, x: Tensor, sigma: Sigma = None) -> Tensor:
        """Return ∇φ(x) = z - x with D(z) = x."""
        return self._at(x, sigma)[1]

    def value_and_grad(self, x: Tensor, sigma: Sigma = None) -> tuple[Tensor, Tensor]:
        """Return φ(x) as float64, and ∇φ(x)."""
        return self._at(x, sigma)

    def prox(
        self,
        x: Tensor,
        sigma: Sigma = None,
        *,
        gamma: float = 1.0,
        tol: float | None = None,
        max_iter: int = _ITERATIONS,
    ) -> Tensor:
        """Return D(z), z = x + (1 - γ) h ∇V(z); that is D(x) for γ = 1.

        Raises:
            ConvergenceError: if max_iter iterations are not enough for a tolerance.
            ValueError: if γ < 0.
        """
        if not gamma >= 0:
            msg = f"GradientDenoiser: expected gamma of 0 or more; got {gamma!r}."
            raise ValueError(msg)
        step, scale = self._step(x, sigma), self.field.scale()
        z = x if gamma == 1 else self._preimage(x, (1 - gamma) * step, tol, max_iter)
        return z - step * self.field.potential_slope(z, scale)

    def lipschitz(self) -> float:
        """Return h L / (1 - h L)."""
        share = 2 * self.fraction
        return share / (1 - share) if share < 1 else math.inf

    def weak_convexity(self) -> float:
        """Return 0: φ is convex."""
        return 0.0

    def extra_repr(self) -> str:
        """Return the step and the noise level."""
        return f"fraction={self.fraction:g}, sigma={self.sigma:.6g}"

    def _at(self, x: Tensor, sigma: Sigma) -> tuple[Tensor, Tensor]:
        """Return φ(x), float64, and ∇φ(x)."""
        step = self._step(x, sigma)
        z = self._preimage(x, step, None, _ITERATIONS)
        gradient = step * self.field.potential_slope(z, self.field.scale())
        potential = step.reshape(-1).double() * self.field.energy(0.0, z).double()
        return potential - gradient.flatten(1).double().square().sum(dim=1) / 2, gradient

    def _preimage(self, x: Tensor, step: Tensor, tol: float | None, max_iter: int) -> Tensor:
        """Return z with z = x + step ∇V(z), for a step below 1/L of either sign."""
        scale = self.field.scale()
        # With a negative step c the equation is strongly monotone, and damping by 2 / (2 + |c| L)
        # makes it a contraction.
        slope = torch.as_tensor(self.field.lipschitz()).to(x)
        damping = 2 / (2 + (-step).clamp(min=0) * slope)

        def iterated(z: Tensor) -> Tensor:
            return torch.lerp(z, x + step * self.field.potential_slope(z, scale), damping)

        accuracy = _ACCURACY * torch.finfo(x.dtype).eps if tol is None else tol
        return solve(
            iterated,
            x,
            method="anderson",
            tol=accuracy,
            max_iter=max_iter,
            context="GradientDenoiser",
        )

    def _step(self, x: Tensor, sigma: Sigma) -> Tensor:
        """Return h, (1 or batch, 1, ..., 1)."""
        step = (2 * self.fraction / torch.as_tensor(self.field.lipschitz())).to(x).reshape(-1)
        if sigma is not None:
            ratio = noise_levels("GradientDenoiser", sigma, x) / self.sigma
            within = torch.compiler.is_compiling() or bool((ratio.detach() <= 1 + _ROUNDING).all())
            if not within:
                msg = (
                    f"GradientDenoiser: expected sigma from 0 to {self.sigma:.6g}; got {sigma}. "
                    "For more noise the step would be longer than 1/L: use another denoiser."
                )
                raise ValueError(msg)
            step = step * ratio.square()
        return step.reshape(-1, *(1,) * (x.ndim - 1))
