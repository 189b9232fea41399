"""Approximate equivariance: the error of elements that do not map the grid to itself.

A convolution of functions of the plane acts on plane waves one by one, so that its equivariance
error on band-limited functions is a supremum over frequencies, and can be bounded.
"""

from darboux.symmetry._approximate.equivariance_error import equivariance_error
from darboux.symmetry._approximate.exponential_sum import ExponentialSum
from darboux.symmetry._approximate.largest import Bracket
from darboux.symmetry._approximate.near_claim import near_claim
from darboux.symmetry._approximate.worst_error import worst_equivariance_error

__all__ = [
    "Bracket",
    "ExponentialSum",
    "equivariance_error",
    "near_claim",
    "worst_equivariance_error",
]
