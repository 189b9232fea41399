"""Manifolds without learning: geodesics, distances, projections, transport.

A `Manifold` knows its points and its metric; a `HomogeneousSpace` also knows the Lie group that
acts on it, by which integrators step along it.
"""

from darboux.manifolds._affine import SE, Affine
from darboux.manifolds._analytic import EXP, INV_SQRT, LOG, SQRT, Analytic
from darboux.manifolds._circle import Circle, Torus
from darboux.manifolds._cotangent import CotangentBundle
from darboux.manifolds._curves import curve_distance, invariant_curve_distance
from darboux.manifolds._euclidean import Euclidean
from darboux.manifolds._gl import GL
from darboux.manifolds._grassmann import Grassmann
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
from darboux.manifolds._matrix_group import MatrixGroup
from darboux.manifolds._mean import frechet_mean
from darboux.manifolds._power import Power
from darboux.manifolds._product import Product
from darboux.manifolds._rotations import from_quaternion, to_quaternion
from darboux.manifolds._so import SO, U
from darboux.manifolds._spd import SPD
from darboux.manifolds._sphere import Sphere
from darboux.manifolds._stiefel import Stiefel
from darboux.manifolds._symplectic import Symplectic
from darboux.manifolds._trivialization import Trivialization

__all__ = [
    "EXP",
    "GL",
    "INV_SQRT",
    "LOG",
    "SE",
    "SO",
    "SPD",
    "SQRT",
    "Affine",
    "Analytic",
    "Circle",
    "CotangentBundle",
    "Euclidean",
    "Grassmann",
    "HomogeneousSpace",
    "LevelSet",
    "Manifold",
    "MatrixGroup",
    "Power",
    "Product",
    "Sphere",
    "Stiefel",
    "Symplectic",
    "Torus",
    "Trivialization",
    "U",
    "curve_distance",
    "frechet_mean",
    "from_quaternion",
    "invariant_curve_distance",
    "sym_expm",
    "sym_funcm",
    "sym_inv_sqrtm",
    "sym_logm",
    "sym_powm",
    "sym_sqrtm",
    "to_quaternion",
]
