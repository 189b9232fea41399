"""Inverses with and without coupling: what they cost, lose, and mix; and cheap bounds of norms."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import darboux as dx
from darboux import bijections as bj

FEATURES, _LAYERS, _BATCH, _HIDDEN = 32, 8, 256, 64
_ROUNDS = 5
_Pair = tuple[bj.Bijection, bj.Bijection]  # a network, and one layer of it


@dataclass(frozen=True)
class Inverted:
    """An invertible network of eight layers, and what its inverse is like."""

    ratio: float  # processor time of the inverse over that of the forward pass
    error: float  # ‖inverse(forward(x)) - x‖ / ‖x‖ in float32
    reached: float  # share of pairs of an input and an output that one layer connects


def inverted(seed: int) -> dict[str, Inverted]:
    """Return couplings, contractions and flows of fields."""
    torch.manual_seed(seed)
    return {name: _measured(*make()) for name, make in _KINDS.items()}


def _couplings() -> _Pair:
    def network() -> nn.Module:
        half = FEATURES // 2
        return nn.Sequential(nn.Linear(half, _HIDDEN), nn.Tanh(), nn.Linear(_HIDDEN, half))

    layers = [bj.AdditiveCoupling(network(), swap=k % 2 == 1) for k in range(_LAYERS)]
    return bj.Chain(layers), layers[0]


def _contractions() -> _Pair:
    layers = [
        bj.InvertibleResidual(bj.ContractiveNetwork(FEATURES, [_HIDDEN])) for _ in range(_LAYERS)
    ]
    return bj.Chain(layers), layers[0]


def _hamiltonian() -> _Pair:
    def flow(steps: int) -> dx.Flow:
        one, two = (dx.linear.Dense(FEATURES // 2, _HIDDEN) for _ in range(2))
        field = dx.fields.HamiltonianField(one, two, dx.activations.Tanh())
        return dx.Flow([field] * steps, dx.integrators.StormerVerlet(), horizon=steps / 8)

    return flow(_LAYERS).as_bijection(), flow(1).as_bijection()


def _leapfrog() -> _Pair:
    def flow(steps: int) -> dx.Flow:
        map = dx.linear.Dense(FEATURES // 2, FEATURES // 2)
        field = dx.fields.ResidualField(map, dx.activations.Tanh())
        return dx.Flow([field] * steps, dx.integrators.ReversibleHeun(), horizon=steps / 8)

    return flow(_LAYERS).doubled().as_bijection(), flow(1).doubled().as_bijection()


_KINDS: dict[str, Callable[[], _Pair]] = {
    "couplings": _couplings,
    "contractive residuals": _contractions,
    "Störmer-Verlet, Hamiltonian": _hamiltonian,
    "reversible Heun, doubled": _leapfrog,
}


@torch.no_grad()
def _measured(whole: bj.Bijection, layer: bj.Bijection) -> Inverted:
    x = torch.randn(_BATCH, FEATURES)
    whole, layer = whole.eval(), layer.eval()
    y = whole(x)
    error = float((whole.inverse(y) - x).norm() / x.norm())
    ratio = _time(whole.inverse, y) / _time(whole, x)
    jacobian = torch.func.jacfwd(lambda z: layer(z[None])[0])(x[0])
    return Inverted(ratio, error, float((jacobian != 0).double().mean()))


def _time(call: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """Return the least processor seconds of some calls."""
    found = []
    for _ in range(_ROUNDS):
        begin = time.process_time()
        call(x)
        found.append(time.process_time() - begin)
    return min(found)


@dataclass(frozen=True)
class Bounded:
    """Bounds of the norm of a map over its norm on a grid of 64 points a side."""

    rows: float  # √ of the largest row bound: sums of squares and products, no iteration
    proved: float  # guessed by power iteration, and proved


def bounded(seed: int) -> dict[str, Bounded]:
    """Return dense maps and convolutions with normal weights."""
    generator = torch.Generator().manual_seed(seed)
    maps = {
        "dense, 64 × 64": dx.linear.Dense(64, 64),
        "dense, 512 × 512": dx.linear.Dense(512, 512),
        "3 × 3, 32 channels": dx.linear.Conv(32, 32, kernel_size=3, dim=2),
    }
    found = {}
    with torch.no_grad():
        for name, map in maps.items():
            for weight in map.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator))
            norm = float(torch.linalg.matrix_norm(map.symbol(64), 2).max())
            rows = float(map.row_bound().max().sqrt())
            found[name] = Bounded(rows / norm, float(map.norm_bound()) / norm)
    return found
