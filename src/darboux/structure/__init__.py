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
from darboux.structure._field_premises import (
    AutonomousField,
    CanonicalField,
    DivergenceFreeParts,
    EquivariantField,
    OneSidedField,
    PassiveForm,
    ReversibleField,
    SeparableField,
)
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
    AdjointOf,
    CocoerciveField,
    GradientOfEnergy,
    IsometryOf,
    LipschitzField,
    NonnegativeEntries,
    NormAtMost,
    Premise,
    RowsAtMost,
    SlopesWithin,
    StepWithin,
)
from darboux.structure._registry import claims_of, maps_of

del _torch_rules

__all__ = [
    "AdjointOf",
    "AutonomousField",
    "Averaged",
    "BiLipschitz",
    "CanonicalField",
    "Claim",
    "Claims",
    "CocoerciveField",
    "ConformalSymplectic",
    "Dissipative",
    "DivergenceFreeParts",
    "EnergyPreserving",
    "Equivariant",
    "EquivariantField",
    "Gap",
    "GradientOfEnergy",
    "Invertible",
    "Isometric",
    "IsometryOf",
    "Kind",
    "Law",
    "LinearGrowth",
    "Lipschitz",
    "LipschitzField",
    "LogDeterminant",
    "NearlyEquivariant",
    "NearlyScaleEquivariant",
    "NonnegativeEntries",
    "NormAtMost",
    "OneSidedField",
    "PassiveForm",
    "Premise",
    "Reversible",
    "ReversibleField",
    "RowsAtMost",
    "SeparableField",
    "SlopesWithin",
    "StepWithin",
    "Structure",
    "Symmetry",
    "Symplectic",
    "VolumePreserving",
    "average",
    "claims_of",
    "closure",
    "composition",
    "endomorphism",
    "maps_of",
    "merge_premises",
    "residual",
]
