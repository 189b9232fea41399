"""Attacks on premises, one subject per file; importing this registers them."""

from darboux.certification._premises import adjoint, fields, phase, probes, slopes, volume

__all__ = ["adjoint", "fields", "phase", "probes", "slopes", "volume"]
