"""Sound models: name -> factory of a module, shape of its input, structures to ask for if any.

The catalogue with weights at several scales, compositions drawn at random, ordinary networks of
torch. Every one claims something of the whole, or is asked for what it has.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils import parametrizations

import darboux as dx
from darboux import bijections as bj
from darboux.activations import ELU, GroupSort, LeakyReLU, LipSwish, ReLU, Tanh
from darboux.linear import Dense, Lift, Shrunk
from darboux.structure import Structure
from tests.catalogue import (
    activations,
    bijections,
    density,
    equivariant_networks,
    flow,
    linear,
    structures,
    symmetry,
)
from tests.certification.trial.bases import VECTOR, contractive, orthogonal

Build = Callable[[], nn.Module]
Shape = tuple[int, ...] | Callable[[nn.Module], tuple[int, ...]]  # where the module tells
SCALES = (0.3, 1.0, 3.0)


@dataclass(frozen=True)
class Sound:
    build: Build
    shape: Shape = VECTOR
    scale: float = 1.0  # of all parameters
    claims: tuple[Structure, ...] | None = None
    reach: float = 1.0  # of the input
    points: Callable[[], torch.Tensor] | None = None  # inputs, where not any will do

    def module(self) -> nn.Module:
        module = self.build().eval()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.mul_(self.scale)
        return module

    def example(self, module: nn.Module) -> torch.Tensor:
        if self.points is not None:
            return self.points()
        shape = self.shape(module) if callable(self.shape) else self.shape
        return self.reach * torch.randn(shape)


# what needs weights of the size they have: implicit steps have a solution where h L is small
AS_THEY_ARE = ("implicit", "gauss", "gonzalez", "mean-value", "itoh", "radau", "lobatto")
# what takes more than a second each runs with --slow
LONG = (*AS_THEY_ARE, "residual_bijections", "O-irreps", "divergence-free", "continuous")
# pairs of states promise nothing of one, nor does a scale alone, nor what is integrated back up to
# the error of the integrator; inputs in (0, 1) or on spheres
LEFT_OUT = (
    *("leapfrog", "scale-pooling", "sphere-activation", "spherical-conv", "logit"),
    *("continuous", "continuous-images"),
)


def catalogue() -> Iterator[tuple[str, Sound]]:
    """Yield what the library has, each with weights at one of three scales."""
    found: list[tuple[str, Build, Shape]] = []
    for name, build in linear.CASES.items():
        found.append((f"linear {name}", build, linear.example_shape))
    for name, build in activations.CASES.items():
        found.append((f"activation {name}", build, (3, 4, 2, 2)))
    for name, build in flow.CASES.items():
        if name not in LEFT_OUT:
            found.append((f"flow {name}", build, (3, *flow.example_shape(name))))
    for room, table in (("bijection", bijections.CASES), ("density", density.BIJECTIONS)):
        where = bijections if room == "bijection" else density
        for name in table:
            if name not in where.CONTEXTS and name not in LEFT_OUT:
                found.append((f"{room} {name}", table[name], (3, *where.SHAPES[name])))
    for name, build in symmetry.CASES.items():
        if name not in LEFT_OUT:
            found.append((f"symmetry {name}", build, features_of))
    for k, name in enumerate(equivariant_networks.CASES):
        if k % 23 == 0:
            build = equivariant_networks.CASES[name]
            found.append((f"equivariant {name}", build, lambda net: features_of(net[0].map)))
    for k, (name, build, shape) in enumerate(found):
        scale = 1.0 if any(word in name for word in AS_THEY_ARE) else SCALES[k % 3]
        yield name, Sound(build, shape, scale)


def features_of(module: nn.Module) -> tuple[int, ...]:
    """Return (2, channels, *space) of small inputs of a module of `symmetry`."""
    feature = getattr(module, "source", None) or getattr(module, "feature", None)
    channels = module.in_features if feature is None else feature.channels
    dim = getattr(module, "dim", 2)
    return (2, channels, *{0: (), 2: (6, 6), 3: (4, 4, 4)}[dim])


def asked() -> Iterator[tuple[str, Sound]]:
    """Yield maps that have a structure and do not say so."""
    for name, (structure, module) in structures.HONEST.items():
        yield (
            f"asked {name}",
            Sound(
                lambda m=module: m,
                claims=(structure,),
                points=lambda name=name: structures.example_of(name, torch.float64),
            ),
        )


def mlp(activation: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6), activation, nn.Linear(6, 6), activation, nn.Linear(6, 3))


def cnn(*middle: nn.Module, **options: object) -> nn.Module:
    conv = nn.Conv2d(2, 4, 3, **options)
    return nn.Sequential(conv, *middle, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


def normed() -> nn.Module:
    """Return a batch normalisation as training leaves it."""
    norm = nn.BatchNorm2d(4)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.3, 3.0)
    nn.init.normal_(norm.weight)
    return norm


ACTIVATIONS: dict[str, Build] = {
    cls.__name__: cls
    for cls in (
        nn.ReLU, nn.Tanh, nn.GELU, nn.SiLU, nn.Mish, nn.ELU, nn.SELU, nn.CELU, nn.Hardswish,
        nn.LeakyReLU, nn.Sigmoid, nn.PReLU, nn.Softsign, nn.Hardtanh, nn.ReLU6, nn.LogSigmoid,
        nn.Hardsigmoid, nn.Tanhshrink, nn.Softshrink,
    )
}  # fmt: skip
ACTIVATIONS |= {
    "softmax": lambda: nn.Softmax(dim=1),
    "layer norm": lambda: nn.LayerNorm(6),
    "group norm": lambda: nn.GroupNorm(2, 6),
    "dropout": nn.Dropout,
    "scaled dx": LipSwish,
    "group sort": GroupSort,
    "elu dx": ELU,
    "batch norm": lambda: nn.BatchNorm1d(6),
    "spectral norm": lambda: parametrizations.spectral_norm(nn.Linear(6, 6)),
    "weight norm": lambda: parametrizations.weight_norm(nn.Linear(6, 6)),
    "orthogonal": lambda: parametrizations.orthogonal(nn.Linear(6, 6)),
    "nested": lambda: nn.Sequential(nn.Sequential(nn.ReLU(), nn.Identity()), nn.Dropout()),
}
IMAGES: dict[str, Build] = {
    "batch norm": lambda: cnn(normed(), nn.ReLU()),
    "max pool": lambda: cnn(nn.ReLU(), nn.MaxPool2d(2)),
    "overlapping pool": lambda: cnn(nn.ReLU(), nn.MaxPool2d(3, stride=1)),
    "average pool": lambda: cnn(nn.AvgPool2d(2), nn.Tanh(), padding=1),
    "strided": lambda: cnn(nn.GELU(), stride=2, padding=1),
    "dilated": lambda: cnn(nn.SiLU(), dilation=2, padding=2),
    "grouped": lambda: cnn(nn.ELU(), groups=2),
    "circular": lambda: cnn(nn.ReLU(), padding=1, padding_mode="circular"),
    "reflecting": lambda: cnn(nn.ReLU(), padding=1, padding_mode="reflect"),
    "replicating": lambda: cnn(nn.ReLU(), padding=1, padding_mode="replicate"),
    "padded": lambda: nn.Sequential(nn.ZeroPad2d(1), cnn(nn.ReLU())),
    "reflection pad": lambda: nn.Sequential(nn.ReflectionPad2d(1), cnn(nn.ReLU())),
    "upsampled": lambda: nn.Sequential(nn.Upsample(scale_factor=2), cnn(nn.ReLU())),
    "bilinear": lambda: nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), cnn(nn.ReLU())),
    "shuffled": lambda: cnn(nn.ReLU(), nn.PixelUnshuffle(2), nn.PixelShuffle(2)),
    "flat": lambda: nn.Sequential(nn.Flatten(), nn.Linear(72, 5), nn.ReLU(), nn.Linear(5, 2)),
    "instance norm": lambda: cnn(nn.InstanceNorm2d(4), nn.ReLU()),
    "group norm": lambda: cnn(nn.GroupNorm(2, 4), nn.ReLU()),
    "transposed": lambda: nn.Sequential(nn.ConvTranspose2d(2, 2, 3, stride=2), cnn(nn.ReLU())),
}


def ordinary() -> Iterator[tuple[str, Sound]]:
    """Yield networks of torch."""
    for k, (name, build) in enumerate(ACTIVATIONS.items()):
        yield f"mlp {name}", Sound(lambda b=build: mlp(b()), scale=SCALES[k % 3])
    for k, (name, build) in enumerate(IMAGES.items()):
        yield f"cnn {name}", Sound(build, (2, 2, 6, 6), SCALES[k % 3])


def hamiltonian() -> nn.Module:
    field = dx.fields.HamiltonianField(Dense(2, 3), Dense(2, 3), Tanh(), momentum_bias=False)
    method = random.choice([dx.integrators.StormerVerlet, dx.integrators.SymplecticEuler])
    return dx.Flow(field, method(), horizon=1.0, steps=random.randint(1, 2))


def small(outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, outputs))


PIECES: tuple[Build, ...] = (
    lambda: nn.Linear(4, 4),
    lambda: dx.compose.Affine(Shrunk(Dense(4, 4), norm=0.9)),
    lambda: dx.Residual(Tanh(), scale=random.choice([-0.5, 0.3, 1.0])),
    lambda: LeakyReLU(slope=random.choice([-0.5, 0.1, 2.0])),
    ReLU,
    GroupSort,
    nn.GELU,
    contractive,
    orthogonal,
)
LAYERS: tuple[Build, ...] = (
    lambda: bj.AdditiveCoupling(small(2), swap=random.random() < 0.5),
    lambda: bj.AffineCoupling(small(4), swap=random.random() < 0.5),
    lambda: bj.SplineCoupling(small(22), bins=4),
    lambda: bj.LULinear(4),
    lambda: bj.HouseholderLinear(4),
    lambda: bj.GivensLinear(4),
    lambda: bj.Permutation.reverse(4),
    lambda: bj.ActNorm(4),
    lambda: bj.Inverse(bj.LULinear(4)),
    hamiltonian,
)


def some(pieces: tuple[Build, ...]) -> list[nn.Module]:
    return [build() for build in random.choices(pieces, k=random.randint(2, 4))]


COMPOSE: dict[str, Build] = {
    "sequence": lambda: nn.Sequential(*some(PIECES)),
    "residual": lambda: dx.Residual(nn.Sequential(*some(PIECES)), scale=random.uniform(-1, 1)),
    "average": lambda: dx.Average([nn.Sequential(*some(PIECES)) for _ in "ab"]),
    "lifted": lambda: dx.Lifted(Lift(4, 4, dim=0, frame="tight"), nn.Sequential(*some(PIECES))),
    "translated": lambda: dx.compose.Translated(nn.Sequential(*some(PIECES)), offset=0.5),
    "chain": lambda: bj.Chain(some(LAYERS)),
    "nested chain": lambda: bj.Chain([bj.Chain(some(LAYERS)), bj.Inverse(bj.Chain(some(LAYERS)))]),
    "flows": lambda: nn.Sequential(hamiltonian(), hamiltonian()),
}


def drawn() -> Iterator[tuple[str, Sound]]:
    """Yield compositions drawn at random."""
    for k in range(64):
        name = list(COMPOSE)[k % len(COMPOSE)]
        shape, reach = ((1, 3, 9)[k % 3], 4), (1.0, 1.0, 100.0, 0.01)[k % 4]
        yield f"{name} {k}", Sound(COMPOSE[name], shape, SCALES[k // 8 % 3], reach=reach)


SOUND: dict[str, Sound] = {
    name: case for cases in (catalogue, asked, ordinary, drawn) for name, case in cases()
}
