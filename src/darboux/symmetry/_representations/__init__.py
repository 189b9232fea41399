"""Orthogonal representations: how they are made, restricted, multiplied and decomposed."""
