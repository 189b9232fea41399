"""Claims as data: what a map promises, how that is known, and how promises compose.

`Structure` says what, `Kind` how it is known, `Claim` adds why and on which
`Premise`s; `claims_of` finds the claims of any module and `composition` composes them.
This is the ground floor: every other room may import it, and it imports none.
"""

import darboux.structure._registry as _torch_rules
from darboux.structure._bijective import BiLipschitz, LogDeterminant
from darboux.structure._claim import Claim, Claims, Gap, Kind, Structure, closure, merge_premises
from darboux.structure._compose import average, composition, endomorphism, residual
from darboux.structure._energy import Dissipative, EnergyPreserving
from darboux.structure._equivariance import Equivariant, Law, Symmetry
from darboux.structure._metric import Averaged, Isometric, LinearGrowth, Lipschitz
from darboux.structure._near_equivariance import NearlyEquivariant, NearlyScaleEquivariant
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
    autonomous_field,
    canonical_field,
    cocoercive_field,
    divergence_free_parts,
    equivariant_field,
    gradient_of_energy,
    isometry_of,
    lipschitz_field,
    nonnegative_entries,
    norm_at_most,
    one_sided_field,
    passive_form,
    reversible_field,
    rows_at_most,
    separable_field,
    slopes_within,
    step_within,
)
from darboux.structure._registry import claims_of, maps_of

del _torch_rules

__all__ = [
    "Averaged",
    "BiLipschitz",
    "Claim",
    "Claims",
    "Condition",
    "ConformalSymplectic",
    "Dissipative",
    "EnergyPreserving",
    "Equivariant",
    "Gap",
    "Invertible",
    "Isometric",
    "Kind",
    "Law",
    "LinearGrowth",
    "Lipschitz",
    "LogDeterminant",
    "NearlyEquivariant",
    "NearlyScaleEquivariant",
    "Premise",
    "Reversible",
    "Structure",
    "Symmetry",
    "Symplectic",
    "VolumePreserving",
    "adjoint_of",
    "autonomous_field",
    "average",
    "canonical_field",
    "claims_of",
    "closure",
    "cocoercive_field",
    "composition",
    "divergence_free_parts",
    "endomorphism",
    "equivariant_field",
    "gradient_of_energy",
    "isometry_of",
    "lipschitz_field",
    "maps_of",
    "merge_premises",
    "nonnegative_entries",
    "norm_at_most",
    "one_sided_field",
    "passive_form",
    "residual",
    "reversible_field",
    "rows_at_most",
    "separable_field",
    "slopes_within",
    "step_within",
]
