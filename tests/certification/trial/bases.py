"""Sound maps that attain what they promise in every direction, by structure, for `faults`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils import parametrize

import darboux as dx
from darboux.activations import GroupSort, ReLU
from darboux.structure import Structure, claims_of
from tests.catalogue import bijections, flow, symmetry
from tests.catalogue.structures import (
    Call,
    additive,
    bend,
    kick,
    rotate,
    square,
    straighten,
    turning,
    verlet,
)

VECTOR = (3, 4)


@dataclass(frozen=True)
class Base:
    """A structure, or the family in which a module claims one, a module, and its input."""

    structure: Structure | type[Structure]
    build: Callable[[], nn.Module]
    shape: tuple[int, ...] = VECTOR

    def claimed(self, module: nn.Module) -> Structure:
        """Return the structure, which a module of the library has to claim itself."""
        if isinstance(self.structure, Structure):
            return self.structure
        claim = claims_of(module).find(self.structure)
        assert claim is not None, f"{module} claims no {self.structure.__name__}"
        return claim.structure


def turn() -> nn.Module:
    """Return a random rotation."""
    map = dx.linear.Dense(4, 4)
    with torch.no_grad():
        map.weight.copy_(torch.linalg.qr(torch.randn(4, 4))[0])
    return map


def orthogonal() -> nn.Module:
    map = dx.linear.Dense(4, 4)
    parametrize.register_parametrization(map, "weight", dx.linear.Orthogonal())
    return map


def net() -> nn.Module:
    return nn.Sequential(orthogonal(), GroupSort(), orthogonal())


def contractive() -> nn.Module:
    """Return a flow that is the identity where A z < 0."""
    field = dx.fields.GradientField(dx.linear.Dense(4, 4), ReLU())
    return dx.Flow(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=2))


def named(table: object, name: str) -> tuple[Callable[[], nn.Module], tuple[int, ...]]:
    return table.CASES[name], (3, *table.SHAPES.get(name, (4,)))


def bijection(name: str) -> tuple[Callable[[], nn.Module], tuple[int, ...]]:
    return named(bijections, name)


def moved(name: str) -> tuple[Callable[[], nn.Module], tuple[int, ...]]:
    return flow.CASES[name], (3, *flow.example_shape(name))


def layer(name: str, *space: int) -> tuple[Callable[[], nn.Module], tuple[int, ...]]:
    module = symmetry.CASES[name]()
    channels = getattr(module, "in_features", None) or module.source.channels
    return symmetry.CASES[name], (2, channels, *space)


BASES: dict[str, Base] = {
    "lipschitz net": Base(dx.Lipschitz(1.0), net),
    "lipschitz flow": Base(dx.Lipschitz, contractive),
    "lipschitz pool": Base(dx.Lipschitz, lambda: nn.MaxPool2d(2), (2, 2, 4, 4)),
    "averaged relu": Base(dx.Averaged, ReLU),
    "averaged mean": Base(
        dx.Averaged(0.3), lambda: dx.Average([net(), nn.Identity()], weights=(0.3, 0.7))
    ),
    "isometric orthogonal": Base(dx.Isometric, orthogonal),
    "isometric haar": Base(dx.Isometric, *bijection("linear_bijections-haar-2d")),
    "bi-lipschitz bend": Base(dx.BiLipschitz(0.5, 1.5), lambda: Call(bend, inverse=straighten)),
    "bi-lipschitz, no inverse": Base(dx.BiLipschitz(0.5, 1.5), lambda: Call(bend)),
    "volume coupling": Base(dx.VolumePreserving, *bijection("couplings-additive")),
    "volume shears": Base(dx.VolumePreserving, *moved("splitting-shears")),
    "volume pairs": Base(dx.VolumePreserving, *moved("leapfrog-doubled")),
    "symplectic euler": Base(dx.Symplectic, *moved("symplectic-euler-kick")),
    "symplectic verlet": Base(dx.Symplectic, *moved("verlet")),
    "symplectic images": Base(dx.Symplectic, *moved("verlet-conv")),
    "conformal kick": Base(
        dx.structure.ConformalSymplectic(0.9), lambda: Call(lambda z: kick(z, damping=0.9))
    ),
    "reversible verlet": Base(dx.Reversible, *moved("verlet-reversible")),
    "reversible pendulums": Base(dx.Reversible(), lambda: Call(verlet)),
    "energy rotation": Base(dx.EnergyPreserving(), lambda: Call(rotate, energy=square)),
    "dissipative rotation": Base(dx.Dissipative(), lambda: Call(rotate, energy=square)),
    "equivariant tanh": Base(turning("regular"), nn.Tanh),
    "equivariant dense C4": Base(dx.Equivariant, *layer("dense-c4")),
    "equivariant dense S3": Base(dx.Equivariant, *layer("dense-s3")),
    "equivariant conv": Base(dx.Equivariant, *layer("conv-c4", 5, 5)),
    "equivariant strided": Base(dx.Equivariant, *layer("conv-c4-stride", 6, 6)),
}
INVERTIBLE: dict[str, Base] = {
    **{
        name: Base(dx.Invertible, *bijection(name))
        for name in (
            "couplings-additive-checkerboard",
            "couplings-affine",
            "couplings-spline",
            "linear_bijections-lu-dense",
            "linear_bijections-householder-dense",
            "linear_bijections-periodic-2d",
            "linear_bijections-emerging-2d",
            "linear_bijections-act-norm-dense",
            "chains-constant",
            "chains-leapfrog",
        )
    },
    "shear": Base(dx.Invertible(), lambda: Call(additive, inverse=lambda y: additive(y, -1.0))),
    "flow": Base(dx.Invertible, *moved("verlet")),
}
DETERMINANTS: dict[str, Base] = {
    **{
        name: Base(dx.structure.LogDeterminant, *bijection(name))
        for name in (
            "couplings-affine",
            "couplings-spline",
            "couplings-affine-1d",
            "linear_bijections-lu-dense",
            "linear_bijections-periodic-2d",
            "linear_bijections-emerging-2d",
            "linear_bijections-act-norm-2d",
            "chains-nested",
        )
    },
}
