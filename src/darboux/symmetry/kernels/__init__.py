"""Bases of equivariant convolution kernels."""

from darboux.symmetry.kernels.basis import kernel_basis

__all__ = ["kernel_basis"]
