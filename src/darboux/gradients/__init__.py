"""Derivatives through a list of maps that can be undone, with memory modes.

A `Link` is a step that can be undone. `propagate` applies links one after another and keeps
what its memory mode says: nothing but the ends, some checkpoints, or everything. The backward
pass then undoes the links one by one, watches the drift of what it reconstructs, and falls
back to checkpoints where rounding is magnified too much.
"""

from darboux.gradients._checkpoint import Checkpoint
from darboux.gradients._link import Link, LinkPull, LinkPulled, Stack
from darboux.gradients._monitor import DriftError, DriftReport, DriftWarning, Monitor
from darboux.gradients._passes import gradients_of
from darboux.gradients._propagate import Memory, OnDrift, propagate
from darboux.gradients._tape import OpenLayerError

__all__ = [
    "Checkpoint",
    "DriftError",
    "DriftReport",
    "DriftWarning",
    "Link",
    "LinkPull",
    "LinkPulled",
    "Memory",
    "Monitor",
    "OnDrift",
    "OpenLayerError",
    "Stack",
    "gradients_of",
    "propagate",
]
