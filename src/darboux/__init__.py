"""Darboux: neural networks whose mathematical structure holds by construction.

A network is a vector field (what flows), stepped by an integrator (how it flows),
built on linear maps and activations whose bounds are known. Theorems turn the bounds
into claims, and `certify` attacks every claim.

    >>> import torch, darboux as dx
    >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
    >>> flow = dx.Flow(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=2))
    >>> dx.certify(flow, torch.ones(1, 4), effort="quick").holds
    True
"""

import importlib as _importlib
from types import ModuleType as _ModuleType

from darboux import (
    activations,
    bijections,
    certification,
    compose,
    density,
    deploy,
    diagnostics,
    fields,
    flow,
    gradients,
    integrators,
    linear,
    models,
    solvers,
    structure,
    symmetry,
    testing,
)
from darboux.certification import Certificate, certify
from darboux.compose import Average, Lifted, Residual
from darboux.deploy import freeze
from darboux.flow import ContractiveSteps, Flow, odeint
from darboux.structure import (
    Averaged,
    BiLipschitz,
    ConformalSymplectic,
    Dissipative,
    EnergyPreserving,
    Equivariant,
    Invertible,
    Isometric,
    LinearGrowth,
    Lipschitz,
    LogDeterminant,
    NearlyEquivariant,
    NearlyScaleEquivariant,
    Reversible,
    Symplectic,
    VolumePreserving,
)

__version__ = "0.2.0"

__all__ = [
    "Average",
    "Averaged",
    "BiLipschitz",
    "Certificate",
    "ConformalSymplectic",
    "ContractiveSteps",
    "Dissipative",
    "EnergyPreserving",
    "Equivariant",
    "Flow",
    "Invertible",
    "Isometric",
    "Lifted",
    "LinearGrowth",
    "Lipschitz",
    "LogDeterminant",
    "NearlyEquivariant",
    "NearlyScaleEquivariant",
    "Residual",
    "Reversible",
    "Symplectic",
    "VolumePreserving",
    "activations",
    "bijections",
    "certification",
    "certify",
    "compose",
    "density",
    "deploy",
    "diagnostics",
    "fields",
    "flow",
    "freeze",
    "gradients",
    "integrators",
    "linear",
    "models",
    "odeint",
    "solvers",
    "structure",
    "symmetry",
    "testing",
]

# Imported when first asked for: they need the extra darboux[workshop].
_WORKSHOP = ("cli", "data", "training")


def __getattr__(name: str) -> _ModuleType:
    if name in _WORKSHOP:
        try:
            return _importlib.import_module(f"darboux.{name}")
        except ModuleNotFoundError as error:  # hasattr expects an AttributeError
            raise AttributeError(str(error)) from error
    msg = f"module 'darboux' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return [*__all__, *_WORKSHOP, "__version__"]
