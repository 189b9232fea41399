"""The sphere S² = SO(3)/SO(2): signals, convolutions that commute with rotations, activations.

Convolutions are exact on band-limited signals; pointwise activations are approximate.
"""

from darboux.symmetry._sphere.activation import SphereActivation
from darboux.symmetry._sphere.conv import SphericalConv
from darboux.symmetry._sphere.grid import SphereGrid

__all__ = ["SphereActivation", "SphereGrid", "SphericalConv"]
