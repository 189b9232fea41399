"""Integrators: one step z -> z' of a numerical method, and what its coefficients promise.

A Runge-Kutta method is a `Tableau`; `order`, `contractivity_radius`,
`is_algebraically_stable` and `is_symplectic` read its properties off the coefficients.
Integrators hold no mutable state: state in, state out.
"""

from darboux.integrators.algebraic_stability import is_algebraically_stable
from darboux.integrators.contractivity import contractivity_radius
from darboux.integrators.integrator import Field, Integrator, StepSize, Time
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
from darboux.integrators.runge_kutta import RungeKutta
from darboux.integrators.symplecticity import is_symplectic
from darboux.integrators.tableau import Tableau
from darboux.integrators.tableaus import (
    EULER,
    IMPROVED_EULER,
    KUTTA3,
    KUTTA4,
    RALSTON2,
    RALSTON3,
)

__all__ = [
    "EULER",
    "IMPROVED_EULER",
    "KUTTA3",
    "KUTTA4",
    "RALSTON2",
    "RALSTON3",
    "Euler",
    "Field",
    "GradientForm",
    "ImprovedEuler",
    "Integrator",
    "Kutta3",
    "Kutta4",
    "Part",
    "Partitioned",
    "PostActivation",
    "Ralston2",
    "Ralston3",
    "RungeKutta",
    "Splittable",
    "StepSize",
    "Tableau",
    "Time",
    "contractivity_radius",
    "is_algebraically_stable",
    "is_symplectic",
    "lacks",
    "order",
    "require",
]
