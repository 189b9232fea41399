"""Nonlinearities and poolings that commute with a group, and resampling that does."""

from darboux.symmetry.nonlinear.downsample import Downsample
from darboux.symmetry.nonlinear.field_norm import FieldNorm
from darboux.symmetry.nonlinear.fourier import FourierActivation
from darboux.symmetry.nonlinear.gated import GatedActivation
from darboux.symmetry.nonlinear.group_pooling import GroupPooling
from darboux.symmetry.nonlinear.norm import NormActivation
from darboux.symmetry.nonlinear.pointwise import Pointwise
from darboux.symmetry.nonlinear.sampling import band_limited
from darboux.symmetry.nonlinear.space_pooling import SpacePooling
from darboux.symmetry.nonlinear.tensor_product import TensorProductActivation
from darboux.symmetry.nonlinear.upsample import Upsample

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
