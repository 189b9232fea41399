"""Ready-made networks."""

from darboux.models.denoiser import denoiser, unconstrained_denoiser

__all__ = ["denoiser", "unconstrained_denoiser"]
