"""Claims as data: what a map promises, how that is known, and how promises compose.

`Structure` says what, `Kind` how it is known, `Claim` adds why and on which
`Premise`s; `claims_of` finds the claims of any module and `chain` composes them.
This is the ground floor: every other room may import it, and it imports none.
"""

import darboux.structure.torch_rules as _torch_rules
from darboux.structure.bijective import BiLipschitz, LogDeterminant
from darboux.structure.claim import Claim, Claims, Gap, closure, merge_premises
from darboux.structure.compose import average, chain, endomorphism, residual
from darboux.structure.energy import Dissipative, EnergyPreserving
from darboux.structure.equivariance import Equivariant, Law, Symmetry
from darboux.structure.field_premises import (
    AutonomousField,
    CanonicalField,
    DivergenceFreeField,
    EquivariantField,
    OneSidedField,
    PassiveForm,
    ReversibleField,
    SeparableField,
)
from darboux.structure.kind import Kind
from darboux.structure.metric import Averaged, Isometric, LinearGrowth, Lipschitz
from darboux.structure.near_equivariance import NearlyEquivariant
from darboux.structure.near_scaling import NearlyScaleEquivariant
from darboux.structure.phase import (
    ConformalSymplectic,
    Invertible,
    Reversible,
    Symplectic,
    VolumePreserving,
)
from darboux.structure.premise import (
    AdjointOf,
    CocoerciveField,
    GradientOfEnergy,
    IsometryOf,
    LipschitzField,
    Nonnegative,
    NormAtMost,
    Premise,
    RowsAtMost,
    SlopesWithin,
    StepWithin,
)
from darboux.structure.registry import claims_of, parts_of
from darboux.structure.structure import Structure

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
    "DivergenceFreeField",
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
    "Nonnegative",
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
    "chain",
    "claims_of",
    "closure",
    "endomorphism",
    "merge_premises",
    "parts_of",
    "residual",
]
