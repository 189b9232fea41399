"""Networks on images of phases: on the circle, on its embedding in the plane, on angles."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

import darboux as dx
from darboux.activations import Activation, ReLU
from darboux.fields import VectorField, ZhangSchaefferField
from darboux.integrators import Euler
from darboux.linear import Conv, LinearMap
from darboux.manifolds import Circle
from darboux.structure import Claim, Kind
from darboux.symmetry import EquivariantConv, Feature, NormActivation, PermutationGroup
from darboux.symmetry import from_matrices as representation

_SHIFTS = 8  # those that a certificate tries
_SMALL = 0.1


def phase_group() -> PermutationGroup:
    """Return the shifts of all phases by multiples of 45 degrees, which move no pixels.

    A convolution that commutes with a shift by an angle other than 0 and 180 degrees is a complex
    one, and commutes with all shifts; so do maps of absolute values.
    """
    return PermutationGroup(((*range(1, _SHIFTS), 0),))


def plane(group: PermutationGroup) -> Feature:
    """Return the type of (cos φ, sin φ), which shifts turn."""
    angles = torch.tensor([p[0] for p in group.listed()]).double() * (2 * math.pi / _SHIFTS)
    cos, sin = angles.cos(), angles.sin()
    turns = torch.stack([cos, -sin, sin, cos], dim=-1).reshape(-1, 2, 2)
    return Feature(group, [representation(group, turns, name="turn")])


@final
class CircleNetwork(nn.Module):
    """The map φ -> arg(v + Φ(v)), v = (cos φ, sin φ), of images of phases: phases whatever Φ does.

    Where Φ commutes with turns of the plane, Ψ(φ + c) = Ψ(φ) + c.

    Shapes: (batch, height, width) to the same.

    Source: section 2.3.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, phases: Tensor) -> Tensor:
        """Return phases."""
        x, y = self.vectors(phases).unbind(1)
        return torch.atan2(y, x)

    def vectors(self, phases: Tensor) -> Tensor:
        """Return vectors of the plane that point to the phases, (batch, 2, height, width)."""
        here = torch.stack([phases.cos(), phases.sin()], dim=1)
        return here + self.inner(here)

    def claims(self) -> list[Claim]:
        """Return that phases stay phases."""
        return [Claim(dx.OnManifold(Circle()), Kind.CONSTRUCTION, "the argument of a vector")]


@final
class AngleNetwork(nn.Module):
    """The map φ -> φ + Φ(φ) of images of phases, taken for ordinary numbers.

    Shapes: (batch, height, width) to the same.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, phases: Tensor) -> Tensor:
        """Return numbers, usually near (-π, π]."""
        return phases + self.inner(phases[:, None])[:, 0]


def shift_equivariant(width: int, steps: int) -> CircleNetwork:
    """Return a network on the circle that commutes with shifts of all phases."""
    one = plane(phase_group())
    wide = one * width

    def conv(source: Feature, target: Feature) -> EquivariantConv:
        return EquivariantConv(source, target, kernel_size=3, dim=2, padding_mode="zeros")

    fields = [
        _field(conv(wide, wide), NormActivation(wide, bias=-0.1), conv(wide, wide))
        for _ in range(steps)
    ]
    return CircleNetwork(_between(conv(one, wide), fields, conv(wide, one)))


def embedded(width: int, steps: int) -> CircleNetwork:
    """Return a network on the circle of ordinary convolutions, which commutes with no shift."""
    return CircleNetwork(_ordinary(2, width, steps))


def euclidean(width: int, steps: int) -> AngleNetwork:
    """Return a network that takes phases for numbers."""
    return AngleNetwork(_ordinary(1, width, steps))


def _ordinary(channels: int, width: int, steps: int) -> nn.Sequential:
    def conv(inputs: int, outputs: int) -> Conv:
        return Conv(inputs, outputs, kernel_size=3, dim=2, padding_mode="zeros")

    fields = [_field(conv(width, width), ReLU(), conv(width, width)) for _ in range(steps)]
    return _between(conv(channels, width), fields, conv(width, channels))


def _field(inner: LinearMap, activation: Activation, outer: LinearMap) -> VectorField:
    with torch.no_grad():  # so that the network begins near the identity
        for weight in outer.parameters():
            weight.mul_(_SMALL)
    return ZhangSchaefferField(inner, activation, outer)


def _between(first: LinearMap, fields: list[VectorField], last: LinearMap) -> nn.Sequential:
    flow = dx.Flow(fields, Euler(), horizon=float(len(fields)))
    with torch.no_grad():
        for weight in last.parameters():
            weight.mul_(_SMALL)
    return nn.Sequential(first, flow, last)
