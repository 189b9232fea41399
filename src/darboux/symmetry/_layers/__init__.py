"""Equivariant linear maps."""
