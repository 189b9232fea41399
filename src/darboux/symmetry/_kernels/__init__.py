"""Bases of equivariant convolution kernels."""
