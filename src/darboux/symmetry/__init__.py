"""Symmetry: groups, features that know how they transform, and maps that commute.

A `Feature` declares which representation of a `Group` acts on the channels of a plain tensor.
`EquivariantDense` and `EquivariantConv` are linear maps whose weights are the coefficients of all
kernels that solve the constraint k(g t) ρ₁(g) = ρ₂(g) k(t); between them stand nonlinearities
that commute as well. All of them claim `darboux.Equivariant`, beside what else they are.
"""

from darboux.symmetry._equivariance_error import equivariance_error
from darboux.symmetry._exponential_sum import Bracket, ExponentialSum
from darboux.symmetry._feature import Feature, move, scalars
from darboux.symmetry._groups.cyclic import Cyclic, Dihedral
from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.group import Element, Group
from darboux.symmetry._groups.harmonics import sphere_quadrature, spherical_harmonics
from darboux.symmetry._groups.permutations import PermutationGroup, Permutations, Permuting
from darboux.symmetry._groups.planar import O2, SO2
from darboux.symmetry._groups.polyhedral import Icosahedral, Octahedral
from darboux.symmetry._groups.so3 import O3, SO3
from darboux.symmetry._groups.subgroup import Subgroup
from darboux.symmetry._homogeneous import mackey_kernels, mackey_matrix
from darboux.symmetry._kernels.basis import kernel_basis
from darboux.symmetry._kernels.dimension import kernel_dimension, steerable_count
from darboux.symmetry._kernels.rings import Rings
from darboux.symmetry._layers.equivariant_conv import EquivariantConv
from darboux.symmetry._layers.equivariant_map import EquivariantDense, EquivariantMap
from darboux.symmetry._layers.feature_lift import FeatureLift
from darboux.symmetry._nonlinear.field_norm import FieldNorm
from darboux.symmetry._nonlinear.fourier import FourierActivation
from darboux.symmetry._nonlinear.gated import GatedActivation
from darboux.symmetry._nonlinear.norm import NormActivation
from darboux.symmetry._nonlinear.pointwise import Pointwise
from darboux.symmetry._nonlinear.pooling import GroupPooling, SpacePooling
from darboux.symmetry._nonlinear.resample import Downsample, Upsample
from darboux.symmetry._nonlinear.sampling import band_limited
from darboux.symmetry._nonlinear.tensor_product import TensorProductActivation
from darboux.symmetry._representations.decompose import decompose, intertwiners, null_space
from darboux.symmetry._representations.induced import induced, permutation_representation, quotient
from darboux.symmetry._representations.representation import Representation
from darboux.symmetry._representations.standard import (
    from_matrices,
    irreducible,
    named,
    regular,
    restrict,
    trivial,
)
from darboux.symmetry._representations.tensor import direct_sum, tensor_product
from darboux.symmetry._scale_conv import ScaleConv, ScalePooling
from darboux.symmetry._scale_error import near_scale_claim, scale_error
from darboux.symmetry._scalings import Scalings
from darboux.symmetry._sphere_grid import SphereGrid
from darboux.symmetry._sphere_layers import SphereActivation, SphericalConv
from darboux.symmetry._worst_error import near_claim, worst_equivariance_error

__all__ = [
    "O2",
    "O3",
    "SO2",
    "SO3",
    "Bracket",
    "Cyclic",
    "Dihedral",
    "Downsample",
    "Element",
    "EquivariantConv",
    "EquivariantDense",
    "EquivariantMap",
    "ExponentialSum",
    "Feature",
    "FeatureLift",
    "FieldNorm",
    "FiniteGroup",
    "FourierActivation",
    "GatedActivation",
    "Group",
    "GroupPooling",
    "Icosahedral",
    "NormActivation",
    "Octahedral",
    "PermutationGroup",
    "Permutations",
    "Permuting",
    "Pointwise",
    "Representation",
    "Rings",
    "ScaleConv",
    "ScalePooling",
    "Scalings",
    "SpacePooling",
    "SphereActivation",
    "SphereGrid",
    "SphericalConv",
    "Subgroup",
    "TensorProductActivation",
    "Upsample",
    "band_limited",
    "decompose",
    "direct_sum",
    "equivariance_error",
    "from_matrices",
    "induced",
    "intertwiners",
    "irreducible",
    "kernel_basis",
    "kernel_dimension",
    "mackey_kernels",
    "mackey_matrix",
    "move",
    "named",
    "near_claim",
    "near_scale_claim",
    "null_space",
    "permutation_representation",
    "quotient",
    "regular",
    "restrict",
    "scalars",
    "scale_error",
    "sphere_quadrature",
    "spherical_harmonics",
    "steerable_count",
    "tensor_product",
    "trivial",
    "worst_equivariance_error",
]
