"""Manifolds without learning: geodesics, distances, projections, transport.

A `Manifold` knows its points and its metric; a `HomogeneousSpace` also knows the Lie group that
acts on it, by which integrators step along it.
"""

from darboux.manifolds._euclidean import Euclidean
from darboux.manifolds._homogeneous import HomogeneousSpace
from darboux.manifolds._manifold import Manifold

__all__ = ["Euclidean", "HomogeneousSpace", "Manifold"]
