"""Scalings: convolutions whose kernels are one function at several scales.

Dilations do not map the grid of pixels to itself, so all of it is approximate, with a bound.
"""

from darboux.symmetry.scale.scale_conv import ScaleConv
from darboux.symmetry.scale.scale_error import near_scale_claim, scale_error
from darboux.symmetry.scale.scale_pooling import ScalePooling
from darboux.symmetry.scale.scalings import Scalings

__all__ = ["ScaleConv", "ScalePooling", "Scalings", "near_scale_claim", "scale_error"]
