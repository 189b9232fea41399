"""Invertible layers: forward, inverse and log-determinant, and chains of them.

`Bijection` is the contract. Coupling layers are shears (section 4.1.1), residual ones are
inverted by a fixed point (4.1.2), linear ones by their factors (4.1.3).
"""

from darboux.bijections.act_norm import ActNorm
from darboux.bijections.additive_coupling import AdditiveCoupling
from darboux.bijections.affine_coupling import AffineCoupling
from darboux.bijections.alternating import Alternating
from darboux.bijections.bijection import Bijection
from darboux.bijections.chain import Chain
from darboux.bijections.channels import Channels
from darboux.bijections.checkerboard import Checkerboard
from darboux.bijections.concatenate import Concatenate
from darboux.bijections.contraction import Contraction
from darboux.bijections.contractive_network import ContractiveNetwork
from darboux.bijections.coupling import Coupling
from darboux.bijections.coupling_law import CouplingLaw
from darboux.bijections.emerging_conv import EmergingConv
from darboux.bijections.exact_log_det import ExactLogDet
from darboux.bijections.flatten import Flatten
from darboux.bijections.givens_linear import GivensLinear
from darboux.bijections.haar import Haar
from darboux.bijections.halves import Halves
from darboux.bijections.householder_linear import HouseholderLinear
from darboux.bijections.inverse import Inverse
from darboux.bijections.invertible_residual import InvertibleResidual
from darboux.bijections.linear_bijection import LinearBijection
from darboux.bijections.log_det_estimator import LogDetEstimator
from darboux.bijections.lu_linear import LULinear
from darboux.bijections.mixed_contractive_network import MixedContractiveNetwork
from darboux.bijections.orthogonal_linear import OrthogonalLinear
from darboux.bijections.orthogonal_resampling import OrthogonalResampling
from darboux.bijections.partition import Partition
from darboux.bijections.periodic_conv import PeriodicConv
from darboux.bijections.permutation import Permutation
from darboux.bijections.pixel_shuffle import PixelShuffle
from darboux.bijections.rearrangement import Rearrangement
from darboux.bijections.russian_roulette import RussianRoulette
from darboux.bijections.spline_coupling import SplineCoupling
from darboux.bijections.split import Split
from darboux.bijections.truncated_series import TruncatedSeries

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
]
