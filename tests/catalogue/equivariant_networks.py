"""Small equivariant networks, one for each group, kind of field, nonlinearity and stride.

``CASES`` maps "C4-regular-norm-stride2" to a factory without arguments. Each network lifts
scalars to features, applies the nonlinearity, and a second map brings features back to
features, so that everything stands between two linear maps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from darboux.activations import ReLU
from darboux.compose import Affine
from darboux.linear._stencil import Padding
from darboux.symmetry import (
    O2,
    O3,
    SO2,
    SO3,
    Cyclic,
    Dihedral,
    EquivariantConv,
    Feature,
    FiniteGroup,
    FourierActivation,
    GatedActivation,
    Group,
    GroupPooling,
    Icosahedral,
    NormActivation,
    Octahedral,
    Permutations,
    Pointwise,
    TensorProductActivation,
    band_limited,
    quotient,
)

PLANAR: tuple[Group, ...] = (
    *(Cyclic(n) for n in (1, 2, 3, 4, 6, 8)),
    *(Dihedral(n) for n in (1, 2, 3, 4, 6, 8)),
    SO2(),
    O2(),
)
SPATIAL: tuple[Group, ...] = (
    Octahedral(),
    Octahedral(reflections=True),
    Icosahedral(),
    SO3(),
    O3(),
)
OTHERS: tuple[Group, ...] = (Permutations(3),)


def features(group: Group) -> dict[str, Feature]:
    """Return features of a group by the kind of their fields.

    Example:
        >>> list(features(Cyclic(4)))
        ['trivial', 'irreps', 'regular', 'quotient']
    """
    found = {"trivial": Feature(group, ["trivial", "trivial"])}
    found["irreps"] = Feature(group, group.irreps(2 if group.dim == 2 else 1)[:5])
    if group.order is not None and group.order <= 24:
        found["regular"] = Feature(group, ["regular"])
    smaller = _subgroup(group)
    if smaller is not None and isinstance(group, FiniteGroup):
        found["quotient"] = Feature(group, [quotient(group, smaller)])
    return found


def _subgroup(group: Group) -> Group | None:
    if isinstance(group, Cyclic) and group.n % 2 == 0 and group.n > 2:
        return Cyclic(2)
    if isinstance(group, Dihedral) and group.n > 1:
        return Cyclic(group.n)
    return Octahedral() if group == Octahedral(reflections=True) else None


def nonlinearities(feature: Feature) -> dict[str, Callable[[], nn.Module]]:
    """Return the nonlinearities that a feature allows, as factories.

    Example:
        >>> list(nonlinearities(Feature(Cyclic(4), ["regular"])))
        ['norm', 'gated', 'pooling', 'pointwise', 'tensor']
    """
    found: dict[str, Callable[[], nn.Module]] = {
        "norm": lambda: NormActivation(feature, bias=-0.01),
        "gated": lambda: GatedActivation(feature),
        "pooling": lambda: GroupPooling(feature, how="norm"),
    }
    if feature.permutes:
        found["pointwise"] = lambda: Pointwise(feature, ReLU())
    if feature.channels <= 8:
        scalars = Feature(feature.group, ["trivial", "trivial"])
        found["tensor"] = lambda: TensorProductActivation(feature, scalars)
    return found


def network(
    group: Group, feature: Feature, nonlinearity: nn.Module, *, dim: int, stride: int
) -> nn.Sequential:
    """Return features (or scalars) -> feature -> nonlinearity -> feature.

    Example:
        >>> feature = Feature(Cyclic(4), ["regular"])
        >>> net = network(Cyclic(4), feature, NormActivation(feature), dim=2, stride=2)
        >>> net(torch.zeros(1, 2, 5, 5)).shape
        torch.Size([1, 4, 3, 3])
    """
    before = getattr(nonlinearity, "source", feature)
    after = getattr(nonlinearity, "target", feature)
    padding: Padding = "zeros" if stride == 2 else "circular"
    kernel = 3 if dim == 3 else 5
    # some irreducible representations cannot be reached from scalars
    scalar = all(field == feature.fields[0] for field in feature.fields)
    image = Feature(group, ["trivial", "trivial"]) if scalar else feature
    lifting = EquivariantConv(
        image, before, kernel_size=kernel, dim=dim, padding_mode=padding, stride=stride
    )
    last = EquivariantConv(after, _reached(after), kernel_size=3, dim=dim, padding_mode=padding)
    return nn.Sequential(Affine(lifting), nonlinearity, Affine(last))


def _reached(feature: Feature) -> Feature:
    """Return two scalars where all that is left are scalars."""
    return feature if feature.channels < 48 else Feature(feature.group, ["trivial", "trivial"])


def _cases() -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    for group in (*PLANAR, *SPATIAL, *OTHERS):
        dim = group.dim or 2
        for kind, feature in features(group).items():
            for what, make in nonlinearities(feature).items():
                for stride in (1, 2):
                    name = f"{group.describe()}-{kind}-{what}-stride{stride}"
                    yield name, _factory(group, feature, make, dim=dim, stride=stride)
    for group in (SO2(), O2(), Cyclic(8), Dihedral(4)):
        feature = Feature(group, band_limited(group, 1))
        make = _fourier(feature)
        yield (
            f"{group.describe()}-band-fourier-stride1",
            _factory(group, feature, make, dim=2, stride=1),
        )


def _fourier(feature: Feature) -> Callable[[], nn.Module]:
    return lambda: FourierActivation(feature, ReLU(), samples=8)


def _factory(
    group: Group, feature: Feature, make: Callable[[], nn.Module], *, dim: int, stride: int
) -> Callable[[], nn.Module]:
    def factory() -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            net = network(group, feature, make(), dim=dim, stride=stride)
            for name, parameter in net.named_parameters():
                if name.endswith("bias"):
                    nn.init.normal_(parameter, std=0.1)
            return net

    return factory


CASES: dict[str, Callable[[], nn.Module]] = dict(_cases())
