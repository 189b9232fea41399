"""Normalising flows, discrete and continuous, as distributions (section 4.2.3).

`NormalizingFlow` joins a bijection and a base; calling it gives a `FlowDistribution`.
`ContinuousFlow` is the bijection that an ODE makes. `dequantize`, `LogitTransform` and
`bits_per_dimension` are for discrete data such as images; `fit` trains.
"""

from darboux.density.base import Base
from darboux.density.continuous_flow import ContinuousFlow
from darboux.density.diagonal_normal import DiagonalNormal
from darboux.density.discrete import bits_per_dimension, dequantize, quantize
from darboux.density.fit import fit
from darboux.density.flow_distribution import FlowDistribution
from darboux.density.flow_transform import FlowTransform
from darboux.density.history import History
from darboux.density.logit import LogitTransform
from darboux.density.normalizing_flow import NormalizingFlow
from darboux.density.standard_normal import StandardNormal
from darboux.density.time_conditioned import TimeConditionedField
from darboux.density.transported import DiscretisationError, Transported

__all__ = [
    "Base",
    "ContinuousFlow",
    "DiagonalNormal",
    "DiscretisationError",
    "FlowDistribution",
    "FlowTransform",
    "History",
    "LogitTransform",
    "NormalizingFlow",
    "StandardNormal",
    "TimeConditionedField",
    "Transported",
    "bits_per_dimension",
    "dequantize",
    "fit",
    "quantize",
]
