"""Bases of equivariant convolution kernels."""

from darboux.symmetry._kernels.basis import kernel_basis
from darboux.symmetry._kernels.dimension import kernel_dimension, steerable_count
from darboux.symmetry._kernels.rings import Rings

__all__ = ["Rings", "kernel_basis", "kernel_dimension", "steerable_count"]
