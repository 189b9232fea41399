"""Ready-made networks."""

from darboux.models.coupling_classifier import coupling_classifier
from darboux.models.coupling_flow import coupling_flow
from darboux.models.denoiser import denoiser, unconstrained_denoiser
from darboux.models.equivariant_classifier import equivariant_classifier
from darboux.models.equivariant_denoiser import equivariant_denoiser, ordinary_denoiser
from darboux.models.equivariant_nonexpansive import equivariant_nonexpansive_denoiser
from darboux.models.image_flow import image_flow
from darboux.models.initialise import initialise
from darboux.models.invertible_unet import InvertibleUNet
from darboux.models.iunet import iunet
from darboux.models.pde import hamiltonian_block, hyperbolic_block, parabolic_block
from darboux.models.pde_network import pde_network
from darboux.models.plain_resnet_classifier import plain_resnet_classifier
from darboux.models.plain_unet import PlainUNet, plain_unet
from darboux.models.residual_classifier import residual_classifier
from darboux.models.residual_flow import residual_flow

__all__ = [
    "InvertibleUNet",
    "PlainUNet",
    "coupling_classifier",
    "coupling_flow",
    "denoiser",
    "equivariant_classifier",
    "equivariant_denoiser",
    "equivariant_nonexpansive_denoiser",
    "hamiltonian_block",
    "hyperbolic_block",
    "image_flow",
    "initialise",
    "iunet",
    "ordinary_denoiser",
    "parabolic_block",
    "pde_network",
    "plain_resnet_classifier",
    "plain_unet",
    "residual_classifier",
    "residual_flow",
    "unconstrained_denoiser",
]
