"""Ready-made networks."""

from darboux.models._coupling_flow import coupling_flow
from darboux.models._couplings import initialise
from darboux.models._denoiser import denoiser, unconstrained_denoiser
from darboux.models._equivariant_classifier import equivariant_classifier
from darboux.models._equivariant_denoiser import equivariant_denoiser, ordinary_denoiser
from darboux.models._equivariant_nonexpansive import equivariant_nonexpansive_denoiser
from darboux.models._image_flow import image_flow
from darboux.models._invertible_classifiers import coupling_classifier, residual_classifier
from darboux.models._iunet import InvertibleUNet, iunet
from darboux.models._pde import hamiltonian_block, hyperbolic_block, parabolic_block, pde_network
from darboux.models._plain_resnet import plain_resnet_classifier
from darboux.models._plain_unet import PlainUNet, plain_unet
from darboux.models._residual_flow import residual_flow

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
