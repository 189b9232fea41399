"""Linear maps with exact adjoints and true bounds of their norms."""

from darboux.linear.combined_map import CombinedMap
from darboux.linear.composed import Composed
from darboux.linear.constraints import Nonnegative
from darboux.linear.conv import Conv
from darboux.linear.dense import Dense
from darboux.linear.finite_difference import FiniteDifference
from darboux.linear.lift import Lift
from darboux.linear.linear_map import LinearMap
from darboux.linear.scaled import Scaled
from darboux.linear.skew_part import SkewPart
from darboux.linear.stacked import Stacked
from darboux.linear.stencil import Stencil
from darboux.linear.stencil_map import StencilMap
from darboux.linear.transposed import Transposed

__all__ = [
    "CombinedMap",
    "Composed",
    "Conv",
    "Dense",
    "FiniteDifference",
    "Lift",
    "LinearMap",
    "Nonnegative",
    "Scaled",
    "SkewPart",
    "Stacked",
    "Stencil",
    "StencilMap",
    "Transposed",
]
