"""Spoilers: modules that wrap a sound one, keep what it claims, and break it by little.

`BENDS` maps a name to y, ε -> y + what breaks a structure: the first entry of y is stretched by ε
somewhere, or all of them are. Each one breaks every structure that is exact in all directions.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from darboux.activations import Activation
from darboux.structure import Claim, Claims, Kind, Structure
from tests.certification.broken import Wrapped

Bend = Callable[[Tensor, float], Tensor]


def first(y: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Return y with a change added to its first entry: a channel, of images at one pixel."""
    at = torch.zeros_like(y[:1])
    at[(0, 0, *(y.ndim - 2) * (0,))] = 1.0
    return y + at * change(y)


def beyond(y: Tensor, reach: float) -> Tensor:
    return y.sign() * (y.abs() - reach).clamp(min=0)


def turned(y: Tensor, size: float) -> Tensor:
    """Return y with a little of the second channel added to the first: a shear, no stretch."""
    return first(y, lambda y: size * y.roll(-1, dims=1))


BENDS: dict[str, Bend] = {
    "scaled": lambda y, e: (1 + e) * y,
    "one entry": lambda y, e: first(y, lambda y: e * y),
    "large entries": lambda y, e: first(y, lambda y: 3 * e * beyond(y, 10.0)),
    "small entries": lambda y, e: first(y, lambda y: 3 * e * y.clamp(-0.01, 0.01)),
    "half space": lambda y, e: first(y, lambda y: e * y.clamp(min=0)),
    "sheared": turned,
    "waves": lambda y, e: first(y, lambda y: e * torch.sin(20 * y) / 10),
    "a kink": lambda y, e: first(y, lambda y: 0.3 * (y - 0.5).clamp(0, 0.05)),
    "batch mates": lambda y, e: y + e * y.mean(dim=0, keepdim=True),
    "later samples": lambda y, e: torch.cat([y[:1], (1 + e) * y[1:]]),
    "large batches": lambda y, e: (1 + e) * y if len(y) > 6 else y,
    "hidden from derivatives": lambda y, e: y + first(0 * y, lambda _: e * y).detach(),
    "explodes": lambda y, e: first(y, lambda y: 1e-9 * torch.exp(3 * y)),
    "far entries": lambda y, e: first(y, lambda y: 3 * e * beyond(y, 100.0)),
    "tiny entries": lambda y, e: first(y, lambda y: 3 * e * y.clamp(-1e-3, 1e-3)),
    "float32 alone": lambda y, e: (1 - e) * y if y.dtype == torch.float32 else y,
    "float32, one entry": lambda y, e: (
        first(y, lambda y: 3 * e * y) if y.dtype == torch.float32 else y
    ),
}
SCALARS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "shifted": lambda value, x, e: value + e,
    "scaled": lambda value, x, e: (1 + 3 * e) * value + e,
    "half space": lambda value, x, e: value + e * (x.flatten(1)[:, 0] > 0),
    "far away": lambda value, x, e: value + e * (x.flatten(1).norm(dim=1) > 4),
    "nearby": lambda value, x, e: value + e * (x.flatten(1).norm(dim=1) < 0.5),
    "one channel": lambda value, x, e: value + e * x.flatten(1)[:, 0],
    "batch mates": lambda value, x, e: value + e * x.flatten(1)[:, 0].roll(1),
    "float32 alone": lambda value, x, e: value + (3 * e if x.dtype == torch.float32 else 0.0),
}


class Spoiled(nn.Module):
    """A map with one of its structures, and the methods of the inner one."""

    def __init__(self, inner: nn.Module, structure: Structure, fault: Callable, size: float):
        super().__init__()
        self.inner, self.structure, self.fault, self.size = inner, structure, fault, size

    def __getattr__(self, name: str) -> object:
        if name in ("inverse", "energy", "forward_and_log_det", "trajectory"):
            return getattr(self.inner, name)
        return super().__getattr__(name)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)

    def claims(self) -> Claims:
        return Claims((Claim(self.structure, Kind.CONSTRUCTION, "says so"),))


class WrongValue(Spoiled):
    def forward(self, x: Tensor) -> Tensor:
        return self.fault(self.inner(x), self.size)


class WrongInverse(Spoiled):
    def inverse(self, y: Tensor) -> Tensor:
        return self.fault(self.inner.inverse(y), self.size)


class WrongLogDet(Spoiled):
    def forward_and_log_det(self, x: Tensor) -> tuple[Tensor, Tensor]:
        value, log_det = self.inner.forward_and_log_det(x)
        return value, self.fault(log_det, x, self.size)


class SpoiledReLU(Activation):
    """ReLU, steeper than it says by a bend."""

    nonnegative = True

    def __init__(self, fault: Bend, size: float) -> None:
        super().__init__()
        self.fault, self.size = fault, size

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x) + self.fault(x, self.size)

    def slopes(self) -> tuple[float, float]:
        return 0.0, 1.0

    def antiderivative(self, x: Tensor) -> Tensor:
        return 0.5 * torch.relu(x).square()


class SpoiledMap(Wrapped):
    """A linear map with a fault in its value, its adjoint or one of its bounds."""

    def __init__(self, map: nn.Module, what: str, size: float) -> None:
        super().__init__(map)
        self.what, self.size = what, size

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y + self.size if self.what == "shift" else y

    def adjoint(self, y: Tensor) -> Tensor:
        x = super().adjoint(y)
        at_fault = self.what == "adjoint" or (
            self.what == "adjoint, float32" and x.dtype == torch.float32
        )
        return first(x, lambda x: 3 * self.size * x) if at_fault else x

    def norm_bound(self) -> Tensor:
        return self._less("norm") * self.map.norm_bound()

    def row_bound(self) -> Tensor:
        return self._less("rows") * self.map.row_bound()

    def _less(self, what: str) -> float:
        return 1 - self.size if self.what == what else 1.0
