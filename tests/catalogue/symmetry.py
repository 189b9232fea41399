"""Named equivariant maps and nonlinearities: name -> factory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from darboux.activations import ReLU
from darboux.linear import LinearMap, Scaled, Shrunk, SkewPart, Stacked, Transposed
from darboux.linear._stencil import Padding
from darboux.symmetry import (
    O2,
    SO2,
    SO3,
    Cyclic,
    Dihedral,
    Downsample,
    EquivariantConv,
    EquivariantDense,
    Feature,
    FeatureLift,
    FieldNorm,
    FourierActivation,
    GatedActivation,
    GroupPooling,
    NormActivation,
    Octahedral,
    Permutations,
    Pointwise,
    ScaleConv,
    ScalePooling,
    SpacePooling,
    SphereActivation,
    SphericalConv,
    TensorProductActivation,
    Upsample,
    band_limited,
    permutation_representation,
)

Build = Callable[[], nn.Module]


def _image(group: Cyclic | Dihedral | SO2 | O2) -> Feature:
    return Feature(group, ["trivial", "trivial"])


def _c4() -> Feature:
    return Feature(Cyclic(4), ["regular", "trivial", 1, "regular"])


def _c8() -> Feature:
    return Feature(Cyclic(8), ["regular", 3])


def _d4() -> Feature:
    return Feature(Dihedral(4), ["regular"])


def _so2() -> Feature:
    return Feature(SO2(), [0, 1, 0, 2])


def _o2() -> Feature:
    return Feature(O2(), ["0+", "0-", 1])


def _permuted() -> Feature:
    group = Permutations(3)
    return Feature(group, [permutation_representation(group), "trivial"])


def _cube() -> Feature:
    return Feature(Octahedral(), ["A1", "T1", "E"])


def _space() -> Feature:
    return Feature(SO3(), ["0", "1"])


def _conv(
    source: Feature, target: Feature, *, kernel: int = 3, zeros: bool = False, stride: int = 1
) -> EquivariantConv:
    padding: Padding = "zeros" if zeros else "circular"
    return EquivariantConv(
        source, target, kernel_size=kernel, dim=2, padding_mode=padding, stride=stride
    )


_MAPS: dict[str, Callable[[], LinearMap]] = {
    "dense-c4": lambda: EquivariantDense(_c4(), _c4()),
    "dense-d4": lambda: EquivariantDense(_image(Dihedral(4)), _d4()),
    "dense-so2": lambda: EquivariantDense(_so2(), _so2()),
    "conv-c4-lifting": lambda: _conv(_image(Cyclic(4)), _c4()),
    "conv-c4": lambda: _conv(_c4(), _c4(), zeros=True),
    "conv-c4-stride": lambda: _conv(_image(Cyclic(4)), _c4(), stride=2),
    "conv-c4-stride-zeros": lambda: _conv(_image(Cyclic(4)), _c4(), zeros=True, stride=2),
    "conv-c4-stride-even": lambda: _conv(_image(Cyclic(4)), _c4(), kernel=2, stride=2),
    "conv-c8": lambda: _conv(_c8(), _c8()),
    "conv-d4": lambda: _conv(_d4(), _d4()),
    "conv-so2": lambda: _conv(_so2(), _so2(), kernel=5, zeros=True),
    "conv-o2": lambda: _conv(_o2(), _o2()),
    "dense-s3": lambda: EquivariantDense(_permuted(), _permuted()),
    "conv-s3": lambda: EquivariantConv(_permuted(), _permuted(), kernel_size=3, dim=2),
    "conv-octahedral": lambda: EquivariantConv(_cube(), _cube(), kernel_size=3, dim=3),
    "conv-so3": lambda: EquivariantConv(
        _space(), _space(), kernel_size=3, dim=3, padding_mode="zeros"
    ),
    "conv-octahedral-stride": lambda: EquivariantConv(
        _cube(), _cube(), kernel_size=3, dim=3, padding_mode="zeros", stride=2
    ),
    "downsample-zeros": lambda: Downsample(_c4(), dim=2, padding_mode="zeros"),
    "downsample-circular": lambda: Downsample(_c4(), dim=2),
    "lift-c4": lambda: FeatureLift(2, _c4(), dim=2),
    "scaled-conv": lambda: Scaled(_conv(_c4(), _c4()), factor=-0.5),
    "skew-conv": lambda: SkewPart(_conv(_c4(), _c4())),
    "transposed-conv": lambda: Transposed(_conv(_image(Cyclic(4)), _c4())),
    "stacked-convs": lambda: Stacked(_conv(_c4(), _c4()), _conv(_c4(), _image(Cyclic(4)))),
    "shrunk-conv": lambda: Shrunk(_conv(_image(Cyclic(4)), _c4()), norm=0.5),
    "shrunk-conv-narrow": lambda: Shrunk(_conv(_c8(), _image(Cyclic(8))), norm=0.5),
}


def _seeded(build: Build) -> Build:
    def factory() -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return build()

    return factory


MAPS: dict[str, Build] = {name: _seeded(build) for name, build in _MAPS.items()}

_LAYERS: dict[str, Build] = {
    "upsample": lambda: Upsample(_c4(), dim=2),
    "pointwise": lambda: Pointwise(_d4(), ReLU()),
    "norm": lambda: NormActivation(_so2()),
    "gated": lambda: GatedActivation(_so2()),
    "tensor-product": lambda: TensorProductActivation(_so2(), _so2()),
    "fourier": lambda: FourierActivation(
        Feature(Cyclic(4), band_limited(Cyclic(4), 1)), ReLU(), samples=4
    ),
    "group-pooling": lambda: GroupPooling(_d4()),
    "space-pooling": lambda: SpacePooling(_so2()),
    "field-norm": lambda: FieldNorm(_so2()).eval(),
}
LAYERS: dict[str, Build] = {name: _seeded(build) for name, build in _LAYERS.items()}

# Nearly equivariant ones: convolutions at several scales, and on the sphere.
_NEARLY: dict[str, Build] = {
    "scale-lifting": lambda: ScaleConv(1, 2, scales=2, kernel_size=9, lifting=True),
    "scale-inner": lambda: ScaleConv(2, 1, scales=2, kernel_size=9, lifting=False, extent=2),
    "scale-pooling": lambda: ScalePooling(2),
    "spherical-conv": lambda: SphericalConv(2, 3, degree=3),
    "sphere-activation": lambda: SphereActivation(ReLU(), degree=3),
}
NEARLY: dict[str, Build] = {name: _seeded(build) for name, build in _NEARLY.items()}
CASES: dict[str, Build] = {**MAPS, **LAYERS, **NEARLY}
