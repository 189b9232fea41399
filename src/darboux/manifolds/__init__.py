"""Manifolds without learning: geodesics, distances, projections, transport.

A `Manifold` knows its points and its metric; a `HomogeneousSpace` also knows the Lie group that
acts on it, by which integrators step along it.
"""

from darboux.manifolds._analytic import EXP, INV_SQRT, LOG, SQRT, Analytic
from darboux.manifolds._circle import Circle, Torus
from darboux.manifolds._cotangent import CotangentBundle
from darboux.manifolds._euclidean import Euclidean
from darboux.manifolds._homogeneous import HomogeneousSpace
from darboux.manifolds._level_set import LevelSet
from darboux.manifolds._manifold import Manifold
from darboux.manifolds._matrix_functions import (
    sym_expm,
    sym_funcm,
    sym_inv_sqrtm,
    sym_logm,
    sym_powm,
    sym_sqrtm,
)
from darboux.manifolds._mean import frechet_mean
from darboux.manifolds._power import Power
from darboux.manifolds._product import Product
from darboux.manifolds._spd import SPD
from darboux.manifolds._sphere import Sphere

__all__ = [
    "EXP",
    "INV_SQRT",
    "LOG",
    "SPD",
    "SQRT",
    "Analytic",
    "Circle",
    "CotangentBundle",
    "Euclidean",
    "HomogeneousSpace",
    "LevelSet",
    "Manifold",
    "Power",
    "Product",
    "Sphere",
    "Torus",
    "frechet_mean",
    "sym_expm",
    "sym_funcm",
    "sym_inv_sqrtm",
    "sym_logm",
    "sym_powm",
    "sym_sqrtm",
]
