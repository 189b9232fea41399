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

from darboux import (
    activations,
    bijections,
    compose,
    density,
    deploy,
    diagnostics,
    fields,
    gradients,
    integrators,
    linear,
    models,
    solvers,
    structure,
    symmetry,
)
from darboux.certification import Certificate
from darboux.certification._certify import certify
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

__version__ = "0.1.0"

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
    "certify",
    "compose",
    "density",
    "deploy",
    "diagnostics",
    "fields",
    "freeze",
    "gradients",
    "integrators",
    "linear",
    "models",
    "odeint",
    "solvers",
    "structure",
    "symmetry",
]
