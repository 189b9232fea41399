"""Linear maps with exact adjoints and true bounds of their norms.

A map that is translation-invariant is a `Stencil`: a kernel with its place and padding.
`StencilMap` derives everything from it, and `CombinedMap` combines maps: transposes, sums,
stacks and circular products are stencils again; where they are not, norms combine.
"""

import darboux.linear.torch_rules as _torch_rules
from darboux.linear.combined_map import CombinedMap
from darboux.linear.composed import Composed
from darboux.linear.constraints import Nonnegative, Orthogonal, Skew, Spectral
from darboux.linear.conv import Conv
from darboux.linear.dense import Dense
from darboux.linear.finite_difference import FiniteDifference
from darboux.linear.lift import Lift
from darboux.linear.linear_map import LinearMap
from darboux.linear.mixed_norms import mixed_chain_bound, mixed_norm_bound, mixed_norm_estimate
from darboux.linear.scaled import Scaled
from darboux.linear.shrunk import NormControl, Shrunk
from darboux.linear.skew_part import SkewPart
from darboux.linear.stacked import Stacked
from darboux.linear.stencil import Stencil
from darboux.linear.stencil_map import StencilMap
from darboux.linear.transposed import Transposed

del _torch_rules

__all__ = [
    "CombinedMap",
    "Composed",
    "Conv",
    "Dense",
    "FiniteDifference",
    "Lift",
    "LinearMap",
    "Nonnegative",
    "NormControl",
    "Orthogonal",
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
