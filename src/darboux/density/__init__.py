"""Normalising flows, discrete and continuous, as distributions."""

__all__: list[str] = []
