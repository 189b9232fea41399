"""Scalings: convolutions whose kernels are one function at several scales.

Dilations do not map the grid of pixels to itself, so all of it is approximate, with a bound.
"""

from darboux.symmetry._scale.scale_conv import ScaleConv, ScalePooling
from darboux.symmetry._scale.scale_error import near_scale_claim, scale_error
from darboux.symmetry._scale.scalings import Scalings

__all__ = ["ScaleConv", "ScalePooling", "Scalings", "near_scale_claim", "scale_error"]
