"""Claims as data: what a map promises, how that is known, and how promises compose.

`Structure` says what, `Kind` how it is known, `Claim` adds why and on which
`Premise`s; `claims_of` finds the claims of any module and `composition` composes them.
This is the ground floor: every other room may import it, and it imports none.
"""

import darboux.structure._torch_activations as _torch_activations
import darboux.structure._torch_layers as _torch_layers
import darboux.structure._torch_windows as _torch_windows
from darboux.structure._bijective import BiLipschitz, LogDeterminant
from darboux.structure._claim import Claim, Claims, Gap, Kind, Structure, closure, merge_premises
from darboux.structure._compose import average, composition, endomorphism, residual
from darboux.structure._energy import Dissipative, EnergyPreserving
from darboux.structure._equivariance import Equivariant, Law, Symmetry
from darboux.structure._metric import Averaged, Isometric, LinearGrowth, Lipschitz
from darboux.structure._near_equivariance import NearlyEquivariant, NearlyScaleEquivariant
from darboux.structure._on_manifold import EquivariantOn, LipschitzOn, OnManifold, PointSet
from darboux.structure._phase import (
    ConformalSymplectic,
    Invertible,
    Reversible,
    Symplectic,
    VolumePreserving,
)
from darboux.structure._premise import (
    Condition,
    Premise,
    adjoint_of,
    as_frozen,
    autonomous_field,
    averaged_steps,
    canonical_field,
    cocoercive_field,
    contractive_steps,
    divergence_free_parts,
    entries_at_most,
    equivariant_field,
    equivariant_steps,
    gradient_of_energy,
    gradient_of_values,
    growth_field,
    independent_samples,
    isometric_chart,
    isometry_of,
    lipschitz_field,
    nonnegative_entries,
    norm_at_most,
    one_sided_field,
    one_stage,
    partitioned_field,
    parts_have,
    passive_form,
    points_kept,
    reversible_field,
    rows_at_most,
    separable_field,
    slopes_within,
    step_within,
    steps_have,
    stretch_of_steps,
    tangent_field,
)
from darboux.structure._registry import branches_of, claims_of, maps_of
from darboux.structure._scalar import Convex, Smooth, WeaklyConvex

del _torch_activations, _torch_layers, _torch_windows

__all__ = [
    "Averaged",
    "BiLipschitz",
    "Claim",
    "Claims",
    "Condition",
    "ConformalSymplectic",
    "Convex",
    "Dissipative",
    "EnergyPreserving",
    "Equivariant",
    "EquivariantOn",
    "Gap",
    "Invertible",
    "Isometric",
    "Kind",
    "Law",
    "LinearGrowth",
    "Lipschitz",
    "LipschitzOn",
    "LogDeterminant",
    "NearlyEquivariant",
    "NearlyScaleEquivariant",
    "OnManifold",
    "PointSet",
    "Premise",
    "Reversible",
    "Smooth",
    "Structure",
    "Symmetry",
    "Symplectic",
    "VolumePreserving",
    "WeaklyConvex",
    "adjoint_of",
    "as_frozen",
    "autonomous_field",
    "average",
    "averaged_steps",
    "branches_of",
    "canonical_field",
    "claims_of",
    "closure",
    "cocoercive_field",
    "composition",
    "contractive_steps",
    "divergence_free_parts",
    "endomorphism",
    "entries_at_most",
    "equivariant_field",
    "equivariant_steps",
    "gradient_of_energy",
    "gradient_of_values",
    "growth_field",
    "independent_samples",
    "isometric_chart",
    "isometry_of",
    "lipschitz_field",
    "maps_of",
    "merge_premises",
    "nonnegative_entries",
    "norm_at_most",
    "one_sided_field",
    "one_stage",
    "partitioned_field",
    "parts_have",
    "passive_form",
    "points_kept",
    "residual",
    "reversible_field",
    "rows_at_most",
    "separable_field",
    "slopes_within",
    "step_within",
    "steps_have",
    "stretch_of_steps",
    "tangent_field",
]
