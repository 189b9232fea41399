"""Integrators: one step z -> z' of a numerical method, and what its coefficients promise.

A Runge-Kutta method is a `Tableau`; `order`, `contractivity_radius`,
`is_algebraically_stable` and `is_symplectic` read its properties off the coefficients.
Integrators hold no mutable state: state in, state out.
"""

from darboux.integrators._adaptive_radau import AdaptiveRadau
from darboux.integrators._composition import Composition
from darboux.integrators._composition_coefficients import CompositionCoefficients
from darboux.integrators._discrete_gradient import DiscreteGradient, Increment
from darboux.integrators._discrete_gradients import (
    GonzalezGradient,
    ItohAbeGradient,
    MeanValueGradient,
)
from darboux.integrators._embedded_coefficients import DORMAND_PRINCE
from darboux.integrators._embedded_methods import (
    BogackiShampine,
    DormandPrince,
    DormandPrince8,
    Fehlberg,
    HeunEuler,
    Tsitouras,
)
from darboux.integrators._explicit_methods import (
    EULER,
    IMPROVED_EULER,
    KUTTA3,
    KUTTA4,
    RALSTON2,
    RALSTON3,
    Euler,
    ImprovedEuler,
    Kutta3,
    Kutta4,
    Ralston2,
    Ralston3,
)
from darboux.integrators._exponentials import CommutatorFree, CrouchGrossman
from darboux.integrators._generated import (
    gauss_tableau,
    lobatto_iiic_tableau,
    radau_ia_tableau,
    radau_iia_tableau,
)
from darboux.integrators._implicit_methods import (
    Gauss,
    ImplicitEuler,
    ImplicitMidpoint,
    LobattoIIIC,
    RadauIA,
    RadauIIA,
)
from darboux.integrators._implicit_runge_kutta import ImplicitRungeKutta
from darboux.integrators._integrator import (
    Field,
    GradientForm,
    Integrator,
    Part,
    Partitioned,
    Splittable,
    StepSize,
    Time,
    lacks,
    require,
)
from darboux.integrators._lie_group import LieEuler, MuntheKaas
from darboux.integrators._order_conditions import order
from darboux.integrators._post_activation import PostActivation
from darboux.integrators._projected import Projected
from darboux.integrators._rattle import Rattle
from darboux.integrators._rigid_body import VariationalRigidBody
from darboux.integrators._runge_kutta import RungeKutta
from darboux.integrators._shear_methods import ShearMethod, StormerVerlet, SymplecticEuler
from darboux.integrators._splitting import Splitting
from darboux.integrators._stability import contractivity_radius, is_algebraically_stable
from darboux.integrators._step_control import StiffnessError
from darboux.integrators._tableau import Tableau, is_symmetric, is_symplectic
from darboux.integrators._two_step import LeapfrogMidpoint, ReversibleHeun

__all__ = [
    "DORMAND_PRINCE",
    "EULER",
    "IMPROVED_EULER",
    "KUTTA3",
    "KUTTA4",
    "RALSTON2",
    "RALSTON3",
    "AdaptiveRadau",
    "BogackiShampine",
    "CommutatorFree",
    "Composition",
    "CompositionCoefficients",
    "CrouchGrossman",
    "DiscreteGradient",
    "DormandPrince",
    "DormandPrince8",
    "Euler",
    "Fehlberg",
    "Field",
    "Gauss",
    "GonzalezGradient",
    "GradientForm",
    "HeunEuler",
    "ImplicitEuler",
    "ImplicitMidpoint",
    "ImplicitRungeKutta",
    "ImprovedEuler",
    "Increment",
    "Integrator",
    "ItohAbeGradient",
    "Kutta3",
    "Kutta4",
    "LeapfrogMidpoint",
    "LieEuler",
    "LobattoIIIC",
    "MeanValueGradient",
    "MuntheKaas",
    "Part",
    "Partitioned",
    "PostActivation",
    "Projected",
    "RadauIA",
    "RadauIIA",
    "Ralston2",
    "Ralston3",
    "Rattle",
    "ReversibleHeun",
    "RungeKutta",
    "ShearMethod",
    "Splittable",
    "Splitting",
    "StepSize",
    "StiffnessError",
    "StormerVerlet",
    "SymplecticEuler",
    "Tableau",
    "Time",
    "Tsitouras",
    "VariationalRigidBody",
    "contractivity_radius",
    "gauss_tableau",
    "is_algebraically_stable",
    "is_symmetric",
    "is_symplectic",
    "lacks",
    "lobatto_iiic_tableau",
    "order",
    "radau_ia_tableau",
    "radau_iia_tableau",
    "require",
]
