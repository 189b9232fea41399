"""Bases of equivariant convolution kernels."""

from darboux.symmetry.kernels.basis import kernel_basis
from darboux.symmetry.kernels.dimension import kernel_dimension, steerable_count
from darboux.symmetry.kernels.rings import Rings

__all__ = ["Rings", "kernel_basis", "kernel_dimension", "steerable_count"]
