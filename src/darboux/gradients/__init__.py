"""How derivatives go through a list of step maps, and what is kept in memory for them.

A `Link` is a step that can be undone. `propagate` applies links one after another and keeps
what its memory mode says: nothing but the ends, some checkpoints, or everything. The backward
pass then undoes the links one by one, watches the drift of what it reconstructs, and falls
back to checkpoints where rounding is magnified too much.
"""

from darboux.gradients.closed import OpenLayerError
from darboux.gradients.drift import DriftError, DriftReport, DriftWarning
from darboux.gradients.link import Link, LinkPull, LinkPulled, Stack
from darboux.gradients.monitor import Monitor
from darboux.gradients.propagate import Memory, OnDrift, propagate
from darboux.gradients.vjp import gradients_of

__all__ = [
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
