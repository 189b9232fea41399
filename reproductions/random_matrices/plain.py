"""Plain networks z -> φ(Wz + b) with random weights that keep the size of gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from reproductions.random_matrices.laws import Law, Slopes

_SIZE = 1 / 32  # q, the mean square of what enters tanh
_NODES = 80  # of integrals over a normal variable
_FLOOR = 1e-10  # of singular values, relative to the largest: below, products are rounded
_POINTS = 240  # where densities are evaluated


@dataclass(frozen=True)
class Plain:
    """A plain network: its activation φ, and Gaussian or orthogonal weights.

    Weights have entries of variance g/N with g E φ'² = 1, so that the mean square of singular
    values is 1 at every depth; biases keep the mean square q of what enters tanh.

    Source: Pennington, Schoenholz, Ganguli 2017.
    """

    name: str
    activation: Callable[[Tensor], Tensor]  # φ
    gaussian: bool

    @property
    def words(self) -> str:
        """What it is called."""
        return f"{self.name}, {'Gaussian' if self.gaussian else 'orthogonal'}"

    @cached_property
    def slopes(self) -> Slopes:
        """The law of φ'²."""
        if self.activation is torch.tanh:
            x, p = _normal()
            return Slopes(1 / (math.sqrt(_SIZE) * x).cosh() ** 4, p)
        share = 0.5 if self.activation is torch.relu else 1.0
        one = torch.ones(1, dtype=torch.float64)
        return Slopes(one, share * one)

    @property
    def gain(self) -> float:
        """The variance g of the entries, times N."""
        return 1 / self.slopes.moment(1)

    @property
    def bias(self) -> float:
        """The variance of biases."""
        if self.activation is not torch.tanh:
            return 0.0
        x, p = _normal()
        return _SIZE - self.gain * float((p * (math.sqrt(_SIZE) * x).tanh() ** 2).sum())

    @property
    def input(self) -> float:
        """The size of features at the start: what enters the first tanh has the mean square q."""
        return math.sqrt((_SIZE - self.bias) / self.gain) if self.activation is torch.tanh else 1.0

    def law(self, layers: int) -> Law:
        """Return the law of squared singular values at infinite width."""
        return Law(self.slopes, self.gain, layers, self.gaussian)

    def layers(self, width: int, depth: int, generator: torch.Generator) -> list[nn.Linear]:
        """Return the affine maps of a random network, in float64."""
        found = []
        for _ in range(depth):
            layer = nn.Linear(width, width, dtype=torch.float64)
            noise = torch.randn(width, width + 1, generator=generator, dtype=torch.float64)
            weight = noise[:, :-1] / math.sqrt(width)
            if not self.gaussian:
                q, r = torch.linalg.qr(weight)
                weight = q * r.diagonal().sign()  # Haar measure
            with torch.no_grad():
                layer.weight.copy_(math.sqrt(self.gain) * weight)
                layer.bias.copy_(math.sqrt(self.bias) * noise[:, -1])
            found.append(layer)
        return found


PLAIN = tuple(
    Plain(name, activation, gaussian)
    for name, activation in (
        ("linear", torch.Tensor.clone),
        ("ReLU", torch.relu),
        ("tanh", torch.tanh),
    )
    for gaussian in (True, False)
)


def spectra(
    case: Plain, width: int, depths: Sequence[int], generator: torch.Generator
) -> list[Tensor]:
    """Return the singular values of the Jacobian of the first layers, (width,), largest first."""
    z = case.input * torch.randn(1, width, generator=generator, dtype=torch.float64)
    jacobian, found = torch.eye(width, dtype=torch.float64), []
    for k, layer in enumerate(case.layers(width, max(depths), generator), start=1):
        x = layer(z).detach().requires_grad_()
        z = case.activation(x)
        (slopes,) = torch.autograd.grad(z.sum(), x)
        jacobian = slopes[0, :, None] * (layer.weight.detach() @ jacobian)
        if k in depths:
            found.append(torch.linalg.svdvals(jacobian))
    return found


@dataclass(frozen=True)
class Spectrum:
    """Singular values of random networks of one kind and depth, beside their law."""

    case: Plain
    layers: int
    found: Tensor  # (networks, width), largest first

    @cached_property
    def law(self) -> Law:
        """The law at infinite width."""
        return self.case.law(self.layers)

    @cached_property
    def points(self) -> Tensor:
        """The logarithms of squared singular values at which the law is evaluated, increasing."""
        top = max(self.law.edge, float(self.found.max() ** 2))
        low = max(0.7 * float(self.found.min() ** 2), (_FLOOR**2) * top)
        return torch.linspace(math.log(low), math.log(1.05 * top), _POINTS, dtype=torch.float64)

    @cached_property
    def density(self) -> Tensor:
        """The density of log λ there."""
        return self.law.density(self.points.exp())

    @property
    def distance(self) -> float:
        """The largest difference of shares above a point (Kolmogorov and Smirnov)."""
        values = self.found.flatten().square().log().sort().values
        above = torch.cumulative_trapezoid(self.density.flip(0), -self.points.flip(0)).flip(0)
        above = torch.cat([above, above.new_zeros(1)])
        counted = 1 - torch.searchsorted(values, self.points) / len(values)
        return float((above - counted).abs().max())

    @property
    def moments(self) -> tuple[float, float]:
        """The mean of λ, and that of λ² over its square."""
        squares = self.found.square()
        return float(squares.mean()), float(squares.square().mean() / squares.mean() ** 2)

    @property
    def largest(self) -> float:
        """The mean of the largest singular values."""
        return float(self.found[:, 0].mean())


def _normal() -> tuple[Tensor, Tensor]:
    """Return nodes and weights of |x|, x standard normal."""
    x = 6.5 * (torch.arange(_NODES, dtype=torch.float64) + 0.5) / _NODES
    p = (-x * x / 2).exp()
    return x, p / p.sum()
