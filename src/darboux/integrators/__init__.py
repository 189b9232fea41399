"""Integrators: one step z -> z' of a numerical method, and what its coefficients promise.

A Runge-Kutta method is a `Tableau`; `order`, `contractivity_radius`,
`is_algebraically_stable` and `is_symplectic` read its properties off the coefficients.
Integrators hold no mutable state: state in, state out.
"""

from darboux.integrators.algebraic_stability import is_algebraically_stable
from darboux.integrators.composition import Composition
from darboux.integrators.composition_coefficients import CompositionCoefficients
from darboux.integrators.contractivity import contractivity_radius
from darboux.integrators.discrete_gradient import DiscreteGradient
from darboux.integrators.dormand_prince import DormandPrince
from darboux.integrators.generated import (
    gauss_tableau,
    lobatto_iiic_tableau,
    radau_ia_tableau,
    radau_iia_tableau,
)
from darboux.integrators.gonzalez import GonzalezGradient
from darboux.integrators.implicit_methods import (
    Gauss,
    ImplicitEuler,
    ImplicitMidpoint,
    LobattoIIIC,
    RadauIA,
    RadauIIA,
)
from darboux.integrators.implicit_runge_kutta import ImplicitRungeKutta
from darboux.integrators.increment import Increment
from darboux.integrators.integrator import Field, Integrator, StepSize, Time
from darboux.integrators.itoh_abe import ItohAbeGradient
from darboux.integrators.leapfrog_midpoint import LeapfrogMidpoint
from darboux.integrators.mean_value import MeanValueGradient
from darboux.integrators.methods import (
    Euler,
    ImprovedEuler,
    Kutta3,
    Kutta4,
    Ralston2,
    Ralston3,
)
from darboux.integrators.order_conditions import order
from darboux.integrators.post_activation import PostActivation
from darboux.integrators.properties import (
    GradientForm,
    Part,
    Partitioned,
    Splittable,
    lacks,
    require,
)
from darboux.integrators.reversible_heun import ReversibleHeun
from darboux.integrators.runge_kutta import RungeKutta
from darboux.integrators.shear_method import ShearMethod
from darboux.integrators.splitting import Splitting
from darboux.integrators.stiffness_error import StiffnessError
from darboux.integrators.stormer_verlet import StormerVerlet
from darboux.integrators.symmetry import is_symmetric
from darboux.integrators.symplectic_euler import SymplecticEuler
from darboux.integrators.symplecticity import is_symplectic
from darboux.integrators.tableau import Tableau
from darboux.integrators.tableaus import (
    DORMAND_PRINCE,
    EULER,
    IMPROVED_EULER,
    KUTTA3,
    KUTTA4,
    RALSTON2,
    RALSTON3,
)

__all__ = [
    "DORMAND_PRINCE",
    "EULER",
    "IMPROVED_EULER",
    "KUTTA3",
    "KUTTA4",
    "RALSTON2",
    "RALSTON3",
    "Composition",
    "CompositionCoefficients",
    "DiscreteGradient",
    "DormandPrince",
    "Euler",
    "Field",
    "Gauss",
    "GonzalezGradient",
    "GradientForm",
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
    "LobattoIIIC",
    "MeanValueGradient",
    "Part",
    "Partitioned",
    "PostActivation",
    "RadauIA",
    "RadauIIA",
    "Ralston2",
    "Ralston3",
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
