"""The theorems that turn what a field and a method promise into claims, one file each.

Each is a function from a `darboux.flow.Step` to the claims that it proves, none where a
condition fails. The conditions themselves become premises, which `certify` attacks.
"""

from darboux.flow.theorems.contraction import contraction
from darboux.flow.theorems.energy import energy
from darboux.flow.theorems.equivariance import equivariance
from darboux.flow.theorems.growth import growth, linear_growth
from darboux.flow.theorems.inverse import inverse
from darboux.flow.theorems.reversibility import reversibility
from darboux.flow.theorems.symplecticity import symplecticity
from darboux.flow.theorems.volume import volume

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
