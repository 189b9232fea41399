"""Networks as curves of measures: how straight tracks are, and how near to optimal transport.

Diagnostics of features along depth, for any model: measured, never claimed. `tracks` records
them, `line_shape` judges single samples, `transport_score` and `geodesic_deviation` the whole
cloud.
"""

from darboux.transport._geodesic import GeodesicDeviation, geodesic_deviation, kinetic_energy
from darboux.transport._line_shape import (
    LineShape,
    line_shape,
    line_shape_score,
    mean_turning_angle,
)
from darboux.transport._score import TransportScore, transport_score
from darboux.transport._tracks import tracks
from darboux.transport._wasserstein import sliced_wasserstein_distance, wasserstein_distance

__all__ = [
    "GeodesicDeviation",
    "LineShape",
    "TransportScore",
    "geodesic_deviation",
    "kinetic_energy",
    "line_shape",
    "line_shape_score",
    "mean_turning_angle",
    "sliced_wasserstein_distance",
    "tracks",
    "transport_score",
    "wasserstein_distance",
]
