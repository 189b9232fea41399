"""Faults of single structures: (structure, map, shape of the input) by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

import darboux as dx
from darboux.structure import LinearGrowth, NearlyEquivariant, NearlyScaleEquivariant, Structure
from darboux.symmetry import (
    SO2,
    Cyclic,
    Dihedral,
    Feature,
    Permutations,
    permutation_representation,
)
from tests.catalogue.structures import Call, at_two_scales, rotate, smooth, square, turning
from tests.certification.trial.bases import VECTOR
from tests.certification.trial.spoilers import beyond, first

IMAGE, GROWTH, SO3S = (1, 1, 7, 7), LinearGrowth(1.0), Permutations(3)
NEARLY = NearlyEquivariant(SO2(), error=0.01)
SCALES = NearlyScaleEquivariant(2.0, 2, lifting=True, band=1.0, error=0.125)
FLIPS = dx.Equivariant(Dihedral(4), None, None)
TURNS = dx.Equivariant(Cyclic(4), None, None, translations=(1, 1))
SORTED = Feature(SO3S, [permutation_representation(SO3S)])
SWAPS = dx.Equivariant(SO3S, SORTED, SORTED)


def taps(a: float, b: float, *, diagonal: float = 0.0) -> Callable[[Tensor], Tensor]:
    """Return the mean of four neighbours with uneven weights."""

    def run(x: Tensor) -> Tensor:
        along = sum(x.roll(s, dims=2) for s in (1, -1)) * a
        across = sum(x.roll(s, dims=3) for s in (1, -1)) * b
        return along + across + diagonal * x.roll((1, 1), dims=(2, 3))

    return run


def lift(x: Tensor) -> Tensor:
    return torch.relu(x) + 0.5


def single(x: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    return first(lift(x), lambda y: change(x))


def in_single(x: Tensor, factor: float) -> Tensor:
    return factor * x if x.dtype == torch.float32 else x


def board(x: Tensor) -> Tensor:
    """Return a checkerboard of 0 and 1."""
    rows, columns = (torch.arange(n) for n in x.shape[2:])
    return ((rows[:, None] + columns) % 2).to(x)


def spot(x: Tensor) -> Tensor:
    """Return 1 at the pixel in the middle."""
    middle = x.new_zeros(x.shape[2:])
    middle[x.shape[2] // 2, x.shape[3] // 2] = 1.0
    return middle


class Counting(nn.Module):
    """A map that changes from call to call."""

    def __init__(self, change: Callable[[Tensor, int], Tensor]) -> None:
        super().__init__()
        self.change = change
        self.calls = nn.Buffer(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.change(x, int(self.calls))


SPECIAL: dict[str, tuple[Structure, nn.Module, tuple[int, ...]]] = {
    "nearly equivariant, uneven": (NEARLY, Call(taps(0.2525, 0.2475)), IMAGE),
    "nearly equivariant, slightly uneven": (NEARLY, Call(taps(0.2505, 0.2495)), IMAGE),
    "nearly equivariant, louder": (NEARLY, Call(lambda x: 1.001 * smooth(x)), IMAGE),
    "nearly equivariant, a tap too many": (NEARLY, Call(taps(0.25, 0.25, diagonal=0.005)), IMAGE),
    "nearly equivariant, shifted": (NEARLY, Call(lambda x: smooth(x).roll(1, 2)), IMAGE),
    "nearly equivariant, float32": (NEARLY, Call(lambda x: in_single(smooth(x), 1.01)), IMAGE),
    "nearly scaled, second scale": (
        SCALES, Call(lambda x: torch.cat([x, 1.13 * x], dim=1)), IMAGE),
    "nearly scaled, first scale": (
        SCALES, Call(lambda x: torch.cat([0.99 * x, 1.125 * x], dim=1)), IMAGE),
    "nearly scaled, blurred": (
        SCALES, Call(lambda x: torch.cat([x, x + 0.15 * x.roll(1, 2)], dim=1)), IMAGE),
    "nearly scaled, louder": (SCALES, Call(lambda x: 1.01 * at_two_scales(x)), IMAGE),
    "nearly scaled, float32": (SCALES, Call(lambda x: in_single(at_two_scales(x), 1.01)), IMAGE),
    "growth, scaled": (GROWTH, Call(lambda x: 1.001 * lift(x)), VECTOR),
    "growth, one channel": (GROWTH, Call(lambda x: single(x, lambda x: 0.01 * x)), VECTOR),
    "growth, a shift": (GROWTH, Call(lambda x: single(x, lambda x: 0.01 + 0 * x)), VECTOR),
    "growth, far away": (GROWTH, Call(lambda x: single(x, lambda x: x.clamp(min=9) - 9)), VECTOR),
    "growth, near zero": (
        GROWTH, Call(lambda x: single(x, lambda x: (0.1 - x).clamp(min=0))), VECTOR),
    "growth, negative": (GROWTH, Call(lambda x: lift(x) - 0.501), VECTOR),
    "growth, one is negative": (
        GROWTH, Call(lambda x: single(x, lambda x: -0.51 - x)), VECTOR),
    "growth, negative for large": (
        GROWTH, Call(lambda x: single(x, lambda x: 2 * (3 - x).clamp(max=0))), VECTOR),
    "growth, float32": (GROWTH, Call(lambda x: in_single(lift(x), 1.01)), VECTOR),
    "turns, one channel is shifted": (
        turning("regular"), Call(lambda x: first(x, lambda x: 1e-3 + 0 * x)), VECTOR),
    "turns, opposite channels": (
        turning("regular"), Call(lambda x: first(x, lambda x: 1e-3 * x.roll(2, 1))), VECTOR),
    "turns, a maximum": (
        turning("regular"), Call(lambda x: first(x, lambda x: 1e-2 * beyond(x, 2))), VECTOR),
    "swaps, cycles alone": (SWAPS, Call(lambda x: x + 1e-3 * x.roll(1, dims=1)), (3, 3)),
    "swaps, products": (SWAPS, Call(lambda x: x + 1e-3 * x * x.roll(1, dims=1)), (3, 3)),
    "flips, a chiral kernel": (
        FLIPS,
        Call(lambda x: x + 1e-3 * sum(
            x.roll(s, (2, 3)) for s in ((1, 2), (2, -1), (-1, -2), (-2, 1)))),
        (2, 1, 7, 7),
    ),
    "flips, along one axis": (FLIPS, Call(lambda x: x + 1e-3 * x.roll(1, 3)), (2, 1, 7, 7)),
    "shifts, a checkerboard": (TURNS, Call(lambda x: (1 + 1e-3 * board(x)) * x), (2, 1, 6, 6)),
    "shifts, a spot": (TURNS, Call(lambda x: (1 + 1e-3 * spot(x)) * x), (2, 1, 5, 5)),
    "shifts, zeros at the border": (
        TURNS,
        Call(lambda x: nn.functional.avg_pool2d(x, 3, stride=1, padding=1)),
        (2, 1, 5, 5),
    ),
    "energy, lost far away": (
        dx.EnergyPreserving(),
        Call(lambda z: rotate(z) / (1 + 1e-3 * (z.norm(dim=1, keepdim=True) > 20)), energy=square),
        VECTOR,
    ),
    "energy, exchanged": (
        dx.EnergyPreserving(), Call(lambda z: rotate(z).abs() ** 1.001, energy=square), VECTOR),
    "dissipation, fails at small amplitudes": (
        dx.Dissipative(),
        Call(lambda z: z * (1 + (0.01 - square(z)[:, None]).clamp(min=-0.1)), energy=square),
        VECTOR,
    ),
    "dissipation, fails at large ones": (
        dx.Dissipative(),
        Call(lambda z: z * (1 + 1e-3 * ((z[:, :1] - 4).clamp(0, 1) - 0.1)), energy=square),
        VECTOR,
    ),
    "dissipation, along one direction": (
        dx.Dissipative(),
        Call(lambda z: 0.9 * z + 0.101 * z.mean(dim=1, keepdim=True), energy=square),
        VECTOR,
    ),
    "isometry, folded": (
        dx.Isometric(), Call(lambda x: torch.cat([2 - (x[:, :1] - 2).abs(), x[:, 1:]], 1)), VECTOR),
    "isometry, pleated": (
        dx.Isometric(),
        Call(lambda x: torch.cat([((x[:, :1] + 1) % 4 - 2).abs(), x[:, 1:]], 1)), VECTOR),
    "identity, nearly": (dx.Averaged(0.0), Call(lambda x: x + 1e-3 * torch.tanh(x)), VECTOR),
    "volume, one channel for another": (
        dx.VolumePreserving(),
        Call(lambda x: torch.cat([1.01 * x[:, :1], x[:, 1:2] / 1.0101, x[:, 2:]], 1)), VECTOR),
    "symplectic, keeps volume alone": (
        dx.Symplectic(),
        Call(lambda z: torch.cat([1.001 * z[:, :1], z[:, 1:2] / 1.001, z[:, 2:]], 1)), VECTOR),
    "symplectic, a force without potential": (
        dx.Symplectic(),
        Call(lambda z: torch.cat([z[:, :2], z[:, 2:] + 1e-3 * z[:, :2].roll(1, 1)
                                  * torch.tensor([1.0, 0.9]).to(z)], 1)), VECTOR),
    "reversible, a shear": (
        dx.Reversible(),
        Call(lambda z: torch.cat([z[:, :2], z[:, 2:] + 1e-3 * z[:, 2:].roll(1, 1)], 1)), VECTOR),
    "state, every other call": (
        dx.Lipschitz(1.0), Counting(lambda x, k: x * (1.0 if k % 2 else 0.9)), VECTOR),
    "state, slowly": (dx.Lipschitz(1.0), Counting(lambda x, k: x / (1 + 1e-3 * k)), VECTOR),
    "state, from the tenth call on": (
        dx.Lipschitz(1.0), Counting(lambda x, k: x * (1.01 if k > 10 else 1.0)), VECTOR),
}  # fmt: skip
