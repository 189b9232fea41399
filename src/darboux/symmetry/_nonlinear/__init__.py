"""Nonlinearities and poolings that commute with a group, and resampling that does."""

from darboux.symmetry._nonlinear.field_norm import FieldNorm
from darboux.symmetry._nonlinear.fourier import FourierActivation
from darboux.symmetry._nonlinear.gated import GatedActivation
from darboux.symmetry._nonlinear.norm import NormActivation
from darboux.symmetry._nonlinear.pointwise import Pointwise
from darboux.symmetry._nonlinear.pooling import GroupPooling, SpacePooling
from darboux.symmetry._nonlinear.resample import Downsample, Upsample
from darboux.symmetry._nonlinear.sampling import band_limited
from darboux.symmetry._nonlinear.tensor_product import TensorProductActivation

__all__ = [
    "Downsample",
    "FieldNorm",
    "FourierActivation",
    "GatedActivation",
    "GroupPooling",
    "NormActivation",
    "Pointwise",
    "SpacePooling",
    "TensorProductActivation",
    "Upsample",
    "band_limited",
]
