"""The error of an experiment that found something else than the paper says."""

from __future__ import annotations


class RefutedError(RuntimeError):
    """A statement that was measured and does not hold."""
