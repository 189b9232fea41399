"""Attacks on premises, one subject a file; importing this registers them."""

from darboux.certification._premises import adjoint, fields, forms, linear_maps, slopes

__all__ = ["adjoint", "fields", "forms", "linear_maps", "slopes"]
