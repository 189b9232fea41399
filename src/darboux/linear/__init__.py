"""Linear maps with exact adjoints and true bounds of their norms.

A map that is translation-invariant is a `Stencil`: a kernel with its place and padding.
`StencilMap` derives everything from it, and `CombinedMap` combines maps: transposes, sums,
stacks and circular products are stencils again; where they are not, norms combine.
"""

from darboux.linear._combined_map import CombinedMap
from darboux.linear._composed import Composed
from darboux.linear._constraints import LowRank, Nonnegative, Skew, Spectral
from darboux.linear._conv import Conv, FiniteDifference, StencilMap
from darboux.linear._dense import Dense
from darboux.linear._lift import Lift
from darboux.linear._linear_map import LinearMap
from darboux.linear._mixed_norms import mixed_chain_bound, mixed_norm_bound, mixed_norm_estimate
from darboux.linear._orthogonal import Orthogonal
from darboux.linear._orthogonal_kernel import OrthogonalKernel
from darboux.linear._scaled import Scaled, Transposed
from darboux.linear._shrunk import NormControl, Shrunk
from darboux.linear._skew_part import SkewPart
from darboux.linear._stacked import Stacked
from darboux.linear._stencil import Stencil

__all__ = [
    "CombinedMap",
    "Composed",
    "Conv",
    "Dense",
    "FiniteDifference",
    "Lift",
    "LinearMap",
    "LowRank",
    "Nonnegative",
    "NormControl",
    "Orthogonal",
    "OrthogonalKernel",
    "Scaled",
    "Shrunk",
    "Skew",
    "SkewPart",
    "Spectral",
    "Stacked",
    "Stencil",
    "StencilMap",
    "Transposed",
    "mixed_chain_bound",
    "mixed_norm_bound",
    "mixed_norm_estimate",
]
