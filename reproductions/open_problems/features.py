"""Which equivariant features and nonlinearities approximate an equivariant function."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from darboux import symmetry as sy
from darboux.activations import ReLU
from darboux.compose import Affine
from reproductions.common.sizes import parameter_count

_VECTORS = 3
_BATCH, _RATE = 256, 1e-2


@dataclass(frozen=True)
class Approximated:
    """How well a kind of network learned the function."""

    parameters: int
    errors: tuple[float, ...]  # ‖f - f*‖ / ‖f*‖ on fresh points, seed by seed

    @property
    def mean(self) -> float:
        """The mean error."""
        return sum(self.errors) / len(self.errors)

    @property
    def spread(self) -> float:
        """Half the distance of the largest and the smallest."""
        return (max(self.errors) - min(self.errors)) / 2


def target(x: Tensor) -> Tensor:
    """Return an SO(2)-equivariant vector of three vectors u, v, w: |u| v - 2 ⟨v, w⟩ Ju.

    J is the quarter turn. The function is of degree 2 to 3 and turns as its arguments do.
    """
    u, v, w = x.unflatten(1, (3, 2)).unbind(1)
    turned = torch.stack([-u[:, 1], u[:, 0]], dim=1)
    return u.norm(dim=1, keepdim=True) * v - 2 * (v * w).sum(dim=1, keepdim=True) * turned


def kinds() -> dict[str, Callable[[], nn.Sequential]]:
    """Return networks of two hidden layers with about as many parameters."""
    return {
        "C8, regular, ReLU": lambda: _network(sy.Cyclic(8), ["regular"] * 10),
        "C16, regular, ReLU": lambda: _network(sy.Cyclic(16), ["regular"] * 7),
        "SO(2), vectors, norms": lambda: _network(sy.SO2(), [1] * 19),
        "no symmetry": _plain,
    }


def approximated(steps: int, seeds: Sequence[int]) -> dict[str, Approximated]:
    """Train every kind on fresh points, seed by seed."""
    found = {}
    for name, make in kinds().items():
        errors = tuple(_error(make, steps, seed) for seed in seeds)
        found[name] = Approximated(parameter_count(make()), errors)
    return found


def _network(group: sy.Group, fields: list[str | int]) -> nn.Sequential:
    """Return two hidden layers, with norms where fields are vectors."""
    hidden, layers = sy.Feature(group, fields), []
    for source in (sy.Feature(group, [1] * _VECTORS), hidden):
        regular = fields[0] == "regular"
        sigma = sy.Pointwise(hidden, ReLU()) if regular else sy.NormActivation(hidden)
        map = sy.EquivariantDense(source, hidden)
        layers += [Affine(map) if regular else map, sigma]  # norms have biases of their own
    return nn.Sequential(*layers, sy.EquivariantDense(hidden, sy.Feature(group, [1])))


def _plain() -> nn.Sequential:
    sizes = (2 * _VECTORS, 26, 26)
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 2))


def _error(make: Callable[[], nn.Sequential], steps: int, seed: int) -> float:
    torch.manual_seed(seed)
    network = make()
    optimizer = torch.optim.Adam(network.parameters(), lr=_RATE)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    for _ in range(steps):
        x = torch.randn(_BATCH, 2 * _VECTORS)
        optimizer.zero_grad()
        (network(x) - target(x)).square().mean().backward()
        optimizer.step()
        rates.step()
    x = torch.randn(4000, 2 * _VECTORS)
    with torch.no_grad():
        return float((network(x) - target(x)).norm() / target(x).norm())
