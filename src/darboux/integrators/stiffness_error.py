"""What an adaptive method raises where its steps get nowhere."""

from __future__ import annotations


class StiffnessError(RuntimeError):
    """Steps that became too small or too many: which sample, where, and the methods to try."""
