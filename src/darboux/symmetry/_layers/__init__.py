"""Equivariant linear maps."""

from darboux.symmetry._layers.equivariant_conv import EquivariantConv
from darboux.symmetry._layers.equivariant_map import EquivariantDense, EquivariantMap
from darboux.symmetry._layers.feature_lift import FeatureLift

__all__ = ["EquivariantConv", "EquivariantDense", "EquivariantMap", "FeatureLift"]
