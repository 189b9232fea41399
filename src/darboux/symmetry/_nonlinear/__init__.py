"""Nonlinearities and poolings that commute with a group, and resampling that does."""
