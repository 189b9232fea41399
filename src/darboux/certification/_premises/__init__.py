"""Attacks on premises, one subject a file; importing this registers them."""

from darboux.certification._premises import (
    adjoint,
    fields,
    forms,
    linear_maps,
    manifolds,
    methods,
    parts,
    priors,
    slopes,
    steps,
)

__all__ = [
    "adjoint",
    "fields",
    "forms",
    "linear_maps",
    "manifolds",
    "methods",
    "parts",
    "priors",
    "slopes",
    "steps",
]
