"""Ready-made networks."""

from darboux.models.denoiser import denoiser, unconstrained_denoiser
from darboux.models.pde import hamiltonian_block, hyperbolic_block, parabolic_block
from darboux.models.pde_network import pde_network

__all__ = [
    "denoiser",
    "hamiltonian_block",
    "hyperbolic_block",
    "parabolic_block",
    "pde_network",
    "unconstrained_denoiser",
]
