"""Inverse problems in imaging: priors with explicit energies, operators, reconstruction."""

from darboux.imaging._bilevel import BilevelDenoiser
from darboux.imaging._blur import Blur
from darboux.imaging._denoisers import NonexpansiveDenoiser, ProximalDenoiser
from darboux.imaging._downsampling import Downsampling
from darboux.imaging._fourier import FourierSampling, line_mask
from darboux.imaging._gradient_denoiser import GradientDenoiser
from darboux.imaging._inpainting import Inpainting
from darboux.imaging._input_convex import InputConvexPrior
from darboux.imaging._physics import as_physics
from darboux.imaging._pretrained import pretrained
from darboux.imaging._prior import Prior
from darboux.imaging._reconstruct import Reconstruction, reconstruct
from darboux.imaging._ridge import RidgeRegularizer
from darboux.imaging._tomography import ParallelBeam

__all__ = [
    "BilevelDenoiser",
    "Blur",
    "Downsampling",
    "FourierSampling",
    "GradientDenoiser",
    "Inpainting",
    "InputConvexPrior",
    "NonexpansiveDenoiser",
    "ParallelBeam",
    "Prior",
    "ProximalDenoiser",
    "Reconstruction",
    "RidgeRegularizer",
    "as_physics",
    "line_mask",
    "pretrained",
    "reconstruct",
]
