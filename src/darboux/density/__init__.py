"""Normalising flows, discrete and continuous, as distributions (section 4.2.3).

`NormalizingFlow` joins a bijection and a base; calling it gives a `FlowDistribution`.
`ContinuousFlow` is the bijection that an ODE makes. `dequantize`, `LogitTransform` and
`bits_per_dimension` are for discrete data such as images; `fit` trains.
"""

from darboux.density._base import Base, DiagonalNormal, StandardNormal
from darboux.density._continuous_flow import ContinuousFlow
from darboux.density._discrete import bits_per_dimension, dequantize, quantize
from darboux.density._fit import History, fit
from darboux.density._flow_distribution import FlowDistribution, FlowTransform
from darboux.density._logit import LogitTransform
from darboux.density._normalizing_flow import NormalizingFlow
from darboux.density._time_conditioned import TimeConditionedField
from darboux.density._transported import DiscretisationError, Transported

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
