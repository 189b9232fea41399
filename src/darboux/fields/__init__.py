"""Vector fields f(t, z) with the constants that make theorems apply (section 2.1).

A field knows what flows, not how: an integrator steps it and a `darboux.flow.Flow`
strings the steps together. Each field reports bounds as far as a theorem gives
them: the Lipschitz constant L, the one-sided constant ν and the cocoercivity ν̄.
"""

from darboux.fields.antisymmetric import AntisymmetricField
from darboux.fields.bound_gradient import BoundGradientField
from darboux.fields.canonical_phase import CanonicalPhaseField
from darboux.fields.coupled import CoupledField
from darboux.fields.divergence_free import DivergenceFreeField, PlanarPart
from darboux.fields.energy import KineticEnergy, NetworkEnergy, PotentialEnergy
from darboux.fields.extended_phase_space import ExtendedPhaseSpace
from darboux.fields.field import VectorField
from darboux.fields.gradient import GradientField
from darboux.fields.hamiltonian import HamiltonianField
from darboux.fields.interconnect import Interconnection
from darboux.fields.learned_hamiltonian import LearnedHamiltonianField
from darboux.fields.phase_space import PhaseSpaceField, halves, join
from darboux.fields.port_hamiltonian import PortHamiltonianField
from darboux.fields.quadratic_energy import QuadraticEnergy
from darboux.fields.residual import ResidualField
from darboux.fields.second_order import SecondOrderField
from darboux.fields.separable_hamiltonian import SeparableHamiltonianField
from darboux.fields.separable_phase import DriftPart, KickPart, SeparablePhaseField
from darboux.fields.shear_field import Shear, ShearField
from darboux.fields.together import bind_together
from darboux.fields.zhang_schaeffer import ZhangSchaefferField

__all__ = [
    "AntisymmetricField",
    "BoundGradientField",
    "CanonicalPhaseField",
    "CoupledField",
    "DivergenceFreeField",
    "DriftPart",
    "ExtendedPhaseSpace",
    "GradientField",
    "HamiltonianField",
    "Interconnection",
    "KickPart",
    "KineticEnergy",
    "LearnedHamiltonianField",
    "NetworkEnergy",
    "PhaseSpaceField",
    "PlanarPart",
    "PortHamiltonianField",
    "PotentialEnergy",
    "QuadraticEnergy",
    "ResidualField",
    "SecondOrderField",
    "SeparableHamiltonianField",
    "SeparablePhaseField",
    "Shear",
    "ShearField",
    "VectorField",
    "ZhangSchaefferField",
    "bind_together",
    "halves",
    "join",
]
