"""Orthogonal representations: how they are made, restricted, multiplied and decomposed."""

from darboux.symmetry._representations.decompose import decompose
from darboux.symmetry._representations.induced import induced, permutation_representation, quotient
from darboux.symmetry._representations.intertwiners import intertwiners, null_space
from darboux.symmetry._representations.representation import Representation
from darboux.symmetry._representations.standard import (
    from_matrices,
    irreducible,
    named,
    regular,
    restrict,
    trivial,
)
from darboux.symmetry._representations.tensor import direct_sum, tensor_product

__all__ = [
    "Representation",
    "decompose",
    "direct_sum",
    "from_matrices",
    "induced",
    "intertwiners",
    "irreducible",
    "named",
    "null_space",
    "permutation_representation",
    "quotient",
    "regular",
    "restrict",
    "tensor_product",
    "trivial",
]
