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

from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

if TYPE_CHECKING:
    from darboux import (
        activations,
        bijections,
        certification,
        compose,
        control,
        density,
        deploy,
        diagnostics,
        fields,
        flow,
        gradients,
        imaging,
        integrators,
        linear,
        manifolds,
        models,
        optim,
        solvers,
        structure,
        symmetry,
        testing,
        transport,
    )
    from darboux.certification import Certificate, certify
    from darboux.compose import Average, Lifted, Residual
    from darboux.deploy import freeze
    from darboux.flow import (
        ContractiveSteps,
        Flow,
        LearnedSteps,
        odeint,
        odeint_adjoint,
        odeint_event,
    )
    from darboux.structure import (
        Averaged,
        BiLipschitz,
        ConformalSymplectic,
        Convex,
        Dissipative,
        EnergyPreserving,
        Equivariant,
        EquivariantOn,
        Invertible,
        Isometric,
        LinearGrowth,
        Lipschitz,
        LipschitzOn,
        LogDeterminant,
        NearlyEquivariant,
        NearlyScaleEquivariant,
        OnManifold,
        Reversible,
        Smooth,
        Symplectic,
        VolumePreserving,
        WeaklyConvex,
    )

__version__ = "0.2.0"

__all__ = [
    "Average",
    "Averaged",
    "BiLipschitz",
    "Certificate",
    "ConformalSymplectic",
    "ContractiveSteps",
    "Convex",
    "Dissipative",
    "EnergyPreserving",
    "Equivariant",
    "EquivariantOn",
    "Flow",
    "Invertible",
    "Isometric",
    "LearnedSteps",
    "Lifted",
    "LinearGrowth",
    "Lipschitz",
    "LipschitzOn",
    "LogDeterminant",
    "NearlyEquivariant",
    "NearlyScaleEquivariant",
    "OnManifold",
    "Residual",
    "Reversible",
    "Smooth",
    "Symplectic",
    "VolumePreserving",
    "WeaklyConvex",
    "activations",
    "bijections",
    "certification",
    "certify",
    "compose",
    "control",
    "density",
    "deploy",
    "diagnostics",
    "fields",
    "flow",
    "freeze",
    "gradients",
    "imaging",
    "integrators",
    "linear",
    "manifolds",
    "models",
    "odeint",
    "odeint_adjoint",
    "odeint_event",
    "optim",
    "solvers",
    "structure",
    "symmetry",
    "testing",
    "transport",
]

# What needs the extra darboux[workshop].
_WORKSHOP = ("cli", "data", "load", "training")

_HOMES = {
    "Average": "compose",
    "Certificate": "certification",
    "ContractiveSteps": "flow",
    "Flow": "flow",
    "LearnedSteps": "flow",
    "Lifted": "compose",
    "Residual": "compose",
    "certify": "certification",
    "freeze": "deploy",
    "load": "training",
    "odeint": "flow",
    "odeint_adjoint": "flow",
    "odeint_event": "flow",
}


def __getattr__(name: str) -> _Any:
    """Import a room when it is first asked for, so that the command line starts without torch."""
    if name not in (*__all__, *_WORKSHOP):
        msg = f"module 'darboux' has no attribute {name!r}"
        raise AttributeError(msg)
    # The other classes are structures, the other names rooms.
    room = _HOMES.get(name, "structure" if name[0].isupper() else name)
    try:
        module = _import_module(f"darboux.{room}")
    except ModuleNotFoundError as error:
        if room not in _WORKSHOP:
            raise
        raise AttributeError(str(error)) from error  # as hasattr expects
    value = globals()[name] = module if room == name else getattr(module, name)
    return value


def __dir__() -> list[str]:
    return [*__all__, *_WORKSHOP, "__version__"]
