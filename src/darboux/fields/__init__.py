"""Vector fields f(t, z) with the constants that make theorems apply (section 2.1).

A field knows what flows, not how: an integrator steps it and a `darboux.flow.Flow`
strings the steps together. Each field reports bounds as far as a theorem gives
them: the Lipschitz constant L, the one-sided constant ν and the cocoercivity ν̄.
"""

from darboux.fields._antisymmetric import AntisymmetricField
from darboux.fields._coupled import CoupledField
from darboux.fields._divergence_free import DivergenceFreeField, PlanarPart
from darboux.fields._energy import KineticEnergy, NetworkEnergy, PotentialEnergy, QuadraticEnergy
from darboux.fields._evolving import EvolvingField
from darboux.fields._extended_phase_space import ExtendedPhaseSpace
from darboux.fields._field import VectorField
from darboux.fields._gradient import GradientField, PreparedGradientField
from darboux.fields._hamiltonian import HamiltonianField, SecondOrderField
from darboux.fields._interconnect import Interconnection
from darboux.fields._learned_hamiltonian import (
    LearnedHamiltonianField,
    SeparableHamiltonianField,
)
from darboux.fields._mechanical import MechanicalField
from darboux.fields._on_manifold import GeneratorField, PotentialField, TangentField
from darboux.fields._phase_space import (
    CanonicalPhaseField,
    DriftPart,
    KickPart,
    PhaseSpaceField,
    SeparablePhaseField,
    halves,
    join,
)
from darboux.fields._port_hamiltonian import PortHamiltonianField
from darboux.fields._residual import ResidualField
from darboux.fields._shear_field import Shear, ShearField
from darboux.fields._together import prepare_together
from darboux.fields._zhang_schaeffer import ZhangSchaefferField

__all__ = [
    "AntisymmetricField",
    "CanonicalPhaseField",
    "CoupledField",
    "DivergenceFreeField",
    "DriftPart",
    "EvolvingField",
    "ExtendedPhaseSpace",
    "GeneratorField",
    "GradientField",
    "HamiltonianField",
    "Interconnection",
    "KickPart",
    "KineticEnergy",
    "LearnedHamiltonianField",
    "MechanicalField",
    "NetworkEnergy",
    "PhaseSpaceField",
    "PlanarPart",
    "PortHamiltonianField",
    "PotentialEnergy",
    "PotentialField",
    "PreparedGradientField",
    "QuadraticEnergy",
    "ResidualField",
    "SecondOrderField",
    "SeparableHamiltonianField",
    "SeparablePhaseField",
    "Shear",
    "ShearField",
    "TangentField",
    "VectorField",
    "ZhangSchaefferField",
    "halves",
    "join",
    "prepare_together",
]
