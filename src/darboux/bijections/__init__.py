"""Invertible layers: forward, inverse and log-determinant, and chains of them.

`Bijection` is the contract, and `bijective` makes its claims. Coupling layers are shears (section
4.1.1), residual ones are inverted by a fixed point (4.1.2), linear ones by their factors (4.1.3).
"""

from darboux.bijections._act_norm import ActNorm
from darboux.bijections._additive_coupling import AdditiveCoupling
from darboux.bijections._affine_coupling import AffineCoupling
from darboux.bijections._bijection import Bijection, bijective
from darboux.bijections._blocks import PixelShuffle
from darboux.bijections._chain import Chain
from darboux.bijections._contractive_network import Contraction, ContractiveNetwork
from darboux.bijections._coupling import Coupling
from darboux.bijections._coupling_law import CouplingLaw
from darboux.bijections._emerging_conv import EmergingConv
from darboux.bijections._haar import Haar
from darboux.bijections._householder_linear import HouseholderLinear
from darboux.bijections._inverse import Inverse
from darboux.bijections._invertible_residual import InvertibleResidual
from darboux.bijections._linear_bijection import LinearBijection
from darboux.bijections._log_det_estimator import ExactLogDet, LogDetEstimator, TruncatedSeries
from darboux.bijections._lu_linear import LULinear
from darboux.bijections._mixed_contractive_network import MixedContractiveNetwork
from darboux.bijections._orthogonal_linear import GivensLinear, OrthogonalLinear
from darboux.bijections._orthogonal_resampling import OrthogonalResampling
from darboux.bijections._partition import Alternating, Channels, Checkerboard, Halves, Partition
from darboux.bijections._periodic_conv import PeriodicConv
from darboux.bijections._permutation import Permutation
from darboux.bijections._rearrangement import Concatenate, Flatten, Rearrangement, Split
from darboux.bijections._russian_roulette import RussianRoulette
from darboux.bijections._spline_coupling import SplineCoupling

__all__ = [
    "ActNorm",
    "AdditiveCoupling",
    "AffineCoupling",
    "Alternating",
    "Bijection",
    "Chain",
    "Channels",
    "Checkerboard",
    "Concatenate",
    "Contraction",
    "ContractiveNetwork",
    "Coupling",
    "CouplingLaw",
    "EmergingConv",
    "ExactLogDet",
    "Flatten",
    "GivensLinear",
    "Haar",
    "Halves",
    "HouseholderLinear",
    "Inverse",
    "InvertibleResidual",
    "LULinear",
    "LinearBijection",
    "LogDetEstimator",
    "MixedContractiveNetwork",
    "OrthogonalLinear",
    "OrthogonalResampling",
    "Partition",
    "PeriodicConv",
    "Permutation",
    "PixelShuffle",
    "Rearrangement",
    "RussianRoulette",
    "SplineCoupling",
    "Split",
    "TruncatedSeries",
    "bijective",
]
