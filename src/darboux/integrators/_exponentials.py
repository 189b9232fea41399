"""Methods on manifolds whose stages are products of exponentials: no commutators."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import Literal, final

from torch import Tensor

from darboux.integrators._integrator import StepSize, Time
from darboux.integrators._lie_group import LieGroupMethod, Slope, combined
from darboux.manifolds import HomogeneousSpace
from darboux.structure._arguments import checked

Factors = tuple[tuple[float, ...], ...]
"""exp(h Σ_j c_mj k_j) ··· exp(h Σ_j c_1j k_j), the factor that is applied first in front."""


class ExponentialsMethod(LieGroupMethod, ABC):
    """A method whose stages are products of exponentials: no commutators."""

    nodes: tuple[float, ...]
    stages: tuple[Factors, ...]
    weights: Factors

    def _moved(self, slope: Slope, t: Time, h: StepSize, x: Tensor) -> Tensor:
        slopes: list[Tensor] = []
        for node, factors in zip(self.nodes, self.stages, strict=True):
            stage = _product(slope.manifold, factors, slopes, h, x)
            slopes.append(slope(t + node * h if node else t, stage))
        return _product(slope.manifold, self.weights, slopes, h, x)


@final
class CrouchGrossman(ExponentialsMethod):
    """A Crouch-Grossman method of order 2, 3 or 4: one exponential for each stage.

    X_i = exp(h a_{i,i-1} k_{i-1}) ··· exp(h a_{i1} k_1)·x with k_i = ξ(t + c_i h, X_i), and
    x' = exp(h b_s k_s) ··· exp(h b_1 k_1)·x. It needs no commutators; order 4 takes 5 stages
    and 15 exponentials.

    Shapes: x is (batch, ..., *shape) with the shape of a point of the field's manifold.

    Source: Crouch and Grossman 1993; Jackiewicz, Marthinsen and Owren 2000 for order 4.

    Args:
        order: 2, 3 or 4.

    Raises:
        ValueError: if it is another one.

    Example:
        >>> import torch, darboux as dx
        >>> sphere = dx.manifolds.Sphere(3)
        >>> field = dx.fields.TangentField(sphere, lambda t, x: x.roll(1, -1))
        >>> flow = dx.Flow(field, dx.integrators.CrouchGrossman(3), steps=2)
        >>> flow(torch.tensor([[1.0, 0.0, 0.0]])).norm().round(decimals=5)
        tensor(1.)
    """

    @checked
    def __init__(self, order: Literal[2, 3, 4] = 3) -> None:
        super().__init__()
        a, b = _CROUCH_GROSSMAN[order]
        self.order = order
        self.nodes = tuple(map(sum, a))
        self.stages = tuple(map(_one_each, a))
        self.weights = _one_each(b)


@final
class CommutatorFree(ExponentialsMethod):
    """The commutator-free method of order 4: four stages and five exponentials.

    Some of the exponentials are of sums, h(k_3 - k_1/2) for instance, which takes fewer of
    them than `CrouchGrossman` and no commutators.

    Shapes: x is (batch, ..., *shape) with the shape of a point of the field's manifold.

    Source: Celledoni, Marthinsen and Owren 2003.

    Example:
        >>> import torch, darboux as dx
        >>> sphere = dx.manifolds.Sphere(3)
        >>> field = dx.fields.TangentField(sphere, lambda t, x: x.roll(1, -1))
        >>> flow = dx.Flow(field, dx.integrators.CommutatorFree(), steps=2)
        >>> flow(torch.tensor([[1.0, 0.0, 0.0]])).norm().round(decimals=5)
        tensor(1.)
    """

    order = 4
    nodes = (0.0, 0.5, 0.5, 1.0)
    stages: tuple[Factors, ...] = ((), ((0.5,),), ((0.0, 0.5),), ((0.5,), (-0.5, 0.0, 1.0)))
    weights: Factors = (
        (1 / 4, 1 / 6, 1 / 6, -1 / 12),
        (-1 / 12, 1 / 6, 1 / 6, 1 / 4),
    )


def _product(
    manifold: HomogeneousSpace, factors: Factors, slopes: Sequence[Tensor], h: StepSize, x: Tensor
) -> Tensor:
    for row in factors:
        u = combined(row, slopes, h)
        x = x if u is None else manifold.move(u, x)
    return x


def _one_each(row: Sequence[float]) -> Factors:
    """Return one factor for each coefficient."""
    return tuple((0.0,) * j + (c,) for j, c in enumerate(row))


# The five stages of order 4 have no closed form.
_CROUCH_GROSSMAN: dict[int, tuple[tuple[tuple[float, ...], ...], tuple[float, ...]]] = {
    2: (((), (1 / 2,)), (0.0, 1.0)),
    3: (((), (3 / 4,), (119 / 216, 17 / 108)), (13 / 51, -2 / 3, 24 / 17)),
    4: (
        (
            (),
            (0.8177227988124852,),
            (0.3199876375476427, 0.0659864263556022),
            (0.9214417194464946, 0.4997857776773573, -1.0969984448371582),
            (0.3552358559023322, 0.2390958372307326, 1.3918565724203246, -1.1092979392113565),
        ),
        (
            0.1370831520630755,
            -0.0183698531564020,
            0.7397813985370780,
            -0.1907142565505889,
            0.3322195591068374,
        ),
    ),
}
