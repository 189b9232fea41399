"""Constraints on weights, for ``torch.nn.utils.parametrize``."""

from darboux.linear.constraints.claim import constrained_claim
from darboux.linear.constraints.nonnegative import Nonnegative
from darboux.linear.constraints.orthogonal import Orthogonal
from darboux.linear.constraints.skew import Skew
from darboux.linear.constraints.spectral import Spectral

__all__ = ["Nonnegative", "Orthogonal", "Skew", "Spectral", "constrained_claim"]
