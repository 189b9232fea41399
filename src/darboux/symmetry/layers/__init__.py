"""Equivariant linear maps."""

from darboux.symmetry.layers.equivariant_conv import EquivariantConv
from darboux.symmetry.layers.equivariant_dense import EquivariantDense
from darboux.symmetry.layers.equivariant_map import EquivariantMap
from darboux.symmetry.layers.feature_lift import FeatureLift

__all__ = ["EquivariantConv", "EquivariantDense", "EquivariantMap", "FeatureLift"]
