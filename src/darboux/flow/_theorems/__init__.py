"""The theorems that turn what a field and a method promise into claims, one file each.

Each is a function from a `darboux.flow.Step` to the claims that it proves, none where a
condition fails. The conditions themselves become premises, which `certify` attacks.
"""

from darboux.flow._theorems.contraction import contraction, growth, linear_growth
from darboux.flow._theorems.energy import energy
from darboux.flow._theorems.geometry import (
    equivariance,
    inverse,
    reversibility,
    symplecticity,
    volume,
)

__all__ = [
    "contraction",
    "energy",
    "equivariance",
    "growth",
    "inverse",
    "linear_growth",
    "reversibility",
    "symplecticity",
    "volume",
]
