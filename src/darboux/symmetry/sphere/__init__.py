"""The sphere S² = SO(3)/SO(2): signals, convolutions that commute with rotations, activations.

Convolutions are exact on band-limited signals; pointwise activations are approximate.
"""

from darboux.symmetry.sphere.activation import SphereActivation
from darboux.symmetry.sphere.conv import SphericalConv
from darboux.symmetry.sphere.grid import SphereGrid

__all__ = ["SphereActivation", "SphereGrid", "SphericalConv"]
