"""Denoisers D(x, σ): averaged ones with a strength, and proximal maps of priors."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from darboux.imaging._prior import Prior, Sigma, noise_levels
from darboux.structure import (
    Averaged,
    Claim,
    Claims,
    Equivariant,
    Gap,
    Lipschitz,
    claims_of,
)
from darboux.structure._arguments import Positive, checked
from darboux.structure._module import Module

_ROUNDING = 1e-6  # of s α and of σ


@final
class NonexpansiveDenoiser(Module):
    """A denoiser of variable strength, D_s(x) = x + s (D(x) - x), from a nonexpansive one D.

    By Tweedie's formula D(x) - x = σ₀² ∇log p(x) for the best denoiser at the noise level σ₀, so
    that s = (σ / σ₀)² is D at the level σ, about. Where D is α-averaged, D_s is s α-averaged, up
    to the strength 1/α: it may be larger than 1. Hence plug-and-play iterations converge at every
    strength, and s -> 0 with the noise is a convergent regularisation.

    Shapes: x is (batch, channels, *space) in [0, 1], D_s(x) as well; σ is one number, or one for
    each sample.

    Source: section 2.2.1; Khelifa, Schönlieb and Sherry 2025, with δ = s^(-1/2).

    Args:
        denoiser: D, a module that claims to be averaged or nonexpansive.
        strength: s at σ₀.
        sigma: σ₀, the noise level that D was made for.

    Raises:
        TypeError: if D claims neither.
        ValueError: if s α > 1, or, when called, σ is so large that it would be.

    Example:
        >>> import torch, darboux as dx
        >>> denoiser = dx.imaging.NonexpansiveDenoiser(dx.models.denoiser(features=8, depth=2))
        >>> x = torch.rand(1, 1, 16, 16)
        >>> half, whole = denoiser(x, 0.5 * denoiser.sigma), denoiser(x)
        >>> bool(torch.allclose(half - x, (whole - x) / 4, atol=1e-6))
        True
    """

    @checked
    def __init__(
        self, denoiser: nn.Module, *, strength: Positive = 1.0, sigma: Positive = 25 / 255
    ) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.strength, self.sigma = float(strength), float(sigma)
        if not any(parameter.is_meta for parameter in denoiser.parameters()):
            self._require(self.strength, f"strength <= 1/α = {1 / self.alpha:.6g}", f"{strength:g}")

    @property
    def alpha(self) -> float:
        """α of the denoiser D, by what it claims at present; 1 if it is nonexpansive only."""
        found = self._nonexpansive()
        if isinstance(found, Gap):
            msg = (
                "NonexpansiveDenoiser: expected a denoiser that claims to be averaged or "
                f"nonexpansive; got {type(self.denoiser).__name__}: {found.reason}. Use "
                "darboux.models.denoiser."
            )
            raise TypeError(msg)
        return found[0]

    def forward(self, x: Tensor, sigma: Sigma = None) -> Tensor:
        """Return D_s(x), s the strength, times (σ / σ₀)² if there is a σ."""
        change = self.denoiser(x) - x
        if sigma is None:
            return x + self.strength * change
        ratio = noise_levels("NonexpansiveDenoiser", sigma, x) / self.sigma
        strength = self.strength * ratio.square()
        if not torch.compiler.is_compiling() and len(ratio):
            most = self.sigma / (self.alpha * self.strength) ** 0.5
            wanted = f"sigma from 0 to σ₀ / (α s)^½ = {most:.6g}"
            self._require(float(strength.detach().amax()), wanted, f"{sigma}")
        return x + strength.reshape(-1, *(1,) * (x.ndim - 1)) * change

    def branches(self) -> list[tuple[str, nn.Module]]:
        """Return D, which gets what the sum gets."""
        return [("denoiser", self.denoiser)]

    def claims(self) -> Claims:
        """Return that D_s is averaged, and that it commutes with what D commutes with."""
        found = self._nonexpansive()
        if isinstance(found, Gap):
            return Claims(gaps=(found,))
        alpha, claim = self.strength * found[0], found[1]
        if alpha > 1 + _ROUNDING:
            reason = f"s α = {alpha:.6g} > 1: the denoiser changed"
            return Claims(gaps=(Gap("denoiser", reason),))
        structure = Averaged(alpha) if alpha < 1 else Lipschitz(1.0)
        reason = f"id + s (D - id), s = {self.strength:g}: {claim.reason}"
        kept = [Claim(structure, claim.kind, reason, claim.premises)]
        same = claims_of(self.denoiser).find(Equivariant)
        law = None if same is None else same.structure
        if same is not None and isinstance(law, Equivariant) and law.source == law.target:
            kept.append(same)
        return Claims(tuple(kept))

    def extra_repr(self) -> str:
        """Return the strength and the noise level."""
        return f"strength={self.strength:g}, sigma={self.sigma:.6g}"

    def _nonexpansive(self) -> tuple[float, Claim] | Gap:
        """Return α of D, 1 for one that is nonexpansive only, and the claim."""
        claims = claims_of(self.denoiser)
        averaged, lipschitz = claims.find(Averaged), claims.find(Lipschitz)
        if averaged is not None and isinstance(averaged.structure, Averaged):
            return max(averaged.structure.alpha, _ROUNDING), averaged
        if lipschitz is not None and lipschitz.structure.at_least(Lipschitz(1.0)):
            return 1.0, lipschitz
        why = claims.gaps[0].reason if claims.gaps else "it claims neither"
        return Gap("denoiser", why)

    def _require(self, strength: float, expected: str, got: str) -> None:
        if not 0 <= self.alpha * strength <= 1 + _ROUNDING:
            msg = (
                f"NonexpansiveDenoiser: expected {expected}; got {got}. A stronger one need not be "
                "nonexpansive: use a denoiser for more noise."
            )
            raise ValueError(msg)


@final
class ProximalDenoiser(Module):
    """The denoiser D(x, σ) = argmin_z ‖z - x‖² / 2 + γ g(z, σ) of a prior g.

    Other libraries know priors by their denoisers; this is the one of an explicit energy. The
    exact map is 1/2-averaged where g is convex, and Lipschitz with 1/(1 - γ ρ) where g is ρ-weakly
    convex and γ ρ < 1. Nothing is claimed of this one, which is exact up to the tolerance of
    `Prior.prox`: certify the prior, and reconstruct with it. It is not differentiable.

    Shapes: x is (batch, channels, *space), D(x) as well; σ is one number, or one for each sample.

    Source: section 3.2; Moreau 1965.

    Args:
        prior: g.
        gamma: γ.

    Raises:
        ValueError: when called, if γ ρ > 1.

    Example:
        >>> import torch, darboux as dx
        >>> prior = dx.imaging.RidgeRegularizer(filters=8, kernel_size=5)
        >>> denoiser = dx.imaging.ProximalDenoiser(prior, gamma=0.5)
        >>> x = torch.rand(2, 1, 16, 16)
        >>> denoiser(x, 25 / 255).shape
        torch.Size([2, 1, 16, 16])
    """

    @checked
    def __init__(self, prior: Prior, *, gamma: Positive = 1.0) -> None:
        super().__init__()
        self.prior, self.gamma = prior, float(gamma)

    def forward(self, x: Tensor, sigma: Sigma = None) -> Tensor:
        """Return D(x, σ)."""
        return self.prior.prox(x, sigma, gamma=self.gamma)

    def claims(self) -> Claims:
        """Return nothing, with the reason."""
        reason = "a proximal map up to a tolerance: what is claimed is claimed of the prior"
        return Claims(gaps=(Gap("", reason),))

    def extra_repr(self) -> str:
        """Return γ."""
        return f"gamma={self.gamma:g}"
