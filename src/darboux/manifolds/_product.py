"""Products of manifolds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, final

import torch
from torch import Generator, Tensor

from darboux.manifolds._homogeneous import HomogeneousSpace
from darboux.manifolds._manifold import Manifold, safe_sqrt
from darboux.structure._arguments import checked


@final
@dataclass(frozen=True, init=False)
class Product(HomogeneousSpace):
    """The product of manifolds, with the sum of their metrics.

    A point is one vector: the entries of the parts one after the other, so that ordinary layers
    take it and return it. `unpack` and `pack` translate from and to a tuple of points. The group
    is the product of the groups, and elements of its algebra are packed alike; it needs parts
    that are homogeneous spaces.

    Shapes: points and tangent vectors are (*batch, total), total the number of entries of all.

    Args:
        parts: the manifolds, at least one.

    Raises:
        TypeError: if a part is no manifold, or a group is asked for that a part doesn't have.
        ValueError: if there are no parts.

    Example:
        >>> import torch, darboux as dx
        >>> pose = dx.manifolds.Product(dx.manifolds.Sphere(3), dx.manifolds.Circle())
        >>> direction, angle = pose.unpack(pose.random_point(5))
        >>> direction.shape, angle.shape
        (torch.Size([5, 3]), torch.Size([5]))
    """

    parts: tuple[Manifold, ...]

    @checked
    def __init__(self, *parts: Manifold) -> None:
        if not parts:
            raise ValueError("Product: expected at least one manifold; got none.")
        object.__setattr__(self, "parts", parts)

    def __repr__(self) -> str:
        return f"Product({', '.join(map(repr, self.parts))})"

    def unpack(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the points of the parts, each (*batch, *shape)."""
        return _unpacked(x, [part.shape for part in self.parts])

    def pack(self, points: Sequence[Tensor]) -> Tensor:
        """Return points of the parts as one vector, (*batch, total)."""
        return _packed(points, [part.shape for part in self.parts])

    @property
    def shape(self) -> tuple[int, ...]:
        """(total,)."""
        return (sum(math.prod(part.shape) for part in self.parts),)

    @property
    def dim(self) -> int:
        """The sum of the dimensions."""
        return sum(part.dim for part in self.parts)

    @property
    def flat(self) -> bool:
        """Whether all parts are."""
        return all(part.flat for part in self.parts)

    @property
    def parallel(self) -> bool:
        """Whether that of all parts is."""
        return all(part.parallel for part in self.parts)

    @property
    def geodesic_exp(self) -> bool:
        """Whether that of all parts is."""
        return all(part.geodesic_exp for part in self.parts)

    @property
    def injectivity(self) -> float:
        """The smallest of the parts."""
        return min(part.injectivity for part in self.parts)

    def defect(self, x: Tensor) -> Tensor:
        """Return the largest defect of a part."""
        return reduce(torch.maximum, self._each("defect", x))

    def rounding(self, dtype: torch.dtype) -> float:
        """Return the most that rounding leaves in a part."""
        return max(part.rounding(dtype) for part in self.parts)

    def nearest(self, x: Tensor) -> Tensor:
        """Return the nearest points of the parts."""
        return self.pack(self._each("nearest", x))

    def project(self, x: Tensor, u: Tensor) -> Tensor:
        """Return the projections of the parts."""
        return self.pack(self._each("project", x, u))

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> Tensor:
        """Return the sum of the inner products."""
        return sum(self._each("inner", x, u, v), start=x.new_zeros(()).real)

    def exp(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the ends of the geodesics."""
        return self.pack(self._each("exp", x, v))

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the velocities of the shortest geodesics."""
        return self.pack(self._each("log", x, y))

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the root of the sum of squared distances."""
        return safe_sqrt(self.dist2(x, y))

    def dist2(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the sum of the squared distances."""
        return sum(self._each("dist2", x, y), start=x.new_zeros(()).real)

    def gradient(self, x: Tensor, g: Tensor) -> Tensor:
        """Return the gradients of the parts."""
        return self.pack(self._each("gradient", x, g))

    def retract(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the retractions of the parts."""
        return self.pack(self._each("retract", x, v))

    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Return the transported vectors of the parts."""
        return self.pack(self._each("transport", x, y, v))

    def random_point(
        self,
        *batch: int,
        generator: Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> Tensor:
        """Return random points of the parts."""
        options: dict[str, Any] = {"generator": generator, "dtype": dtype, "device": device}
        return self.pack([part.random_point(*batch, **options) for part in self.parts])

    @property
    def algebra(self) -> tuple[int, ...]:
        """(total,), of the algebras."""
        return (sum(math.prod(group.algebra) for group in self._groups()),)

    def project_algebra(self, xi: Tensor) -> Tensor:
        """Return the projections of the parts."""
        each = zip(self._groups(), self._algebras(xi), strict=True)
        return self._packed_algebra([group.project_algebra(part) for group, part in each])

    def killing(self, xi: Tensor) -> Tensor:
        """Return what keeps distances of the parts."""
        each = zip(self._groups(), self._algebras(xi), strict=True)
        return self._packed_algebra([group.killing(part) for group, part in each])

    def move(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return exp(ξ)·x of the parts."""
        return self.pack(self._acted("move", xi, x))

    def infinitesimal(self, xi: Tensor, x: Tensor) -> Tensor:
        """Return ξ·x of the parts."""
        return self.pack(self._acted("infinitesimal", xi, x))

    def generator(self, x: Tensor, v: Tensor) -> Tensor:
        """Return the generators of the parts."""
        return self._packed_algebra(self._each("generator", x, v))

    def polish(self, x: Tensor) -> Tensor:
        """Return the polished points of the parts."""
        return self.pack(self._each("polish", x))

    def bracket(self, xi: Tensor, eta: Tensor) -> Tensor:
        """Return the brackets of the parts."""
        pairs = zip(self._algebras(xi), self._algebras(eta), strict=True)
        groups = self._groups()
        return self._packed_algebra([g.bracket(*p) for g, p in zip(groups, pairs, strict=True)])

    def _each(self, name: str, *points: Tensor) -> list[Tensor]:
        """Return what a method returns for each part."""
        parts = self.parts if hasattr(Manifold, name) else self._groups()
        columns = zip(*map(self.unpack, points), strict=True)
        return [getattr(p, name)(*column) for p, column in zip(parts, columns, strict=True)]

    def _acted(self, name: str, xi: Tensor, x: Tensor) -> list[Tensor]:
        rows = zip(self._groups(), self._algebras(xi), self.unpack(x), strict=True)
        return [getattr(group, name)(part, point) for group, part, point in rows]

    def _groups(self) -> list[HomogeneousSpace]:
        return [acted_on(part, "Product") for part in self.parts]

    def _algebras(self, xi: Tensor) -> tuple[Tensor, ...]:
        return _unpacked(xi, [group.algebra for group in self._groups()])

    def _packed_algebra(self, elements: Sequence[Tensor]) -> Tensor:
        return _packed(elements, [group.algebra for group in self._groups()])


def acted_on(part: Manifold, who: str) -> HomogeneousSpace:
    """Return the part, or refuse one without a group."""
    if not isinstance(part, HomogeneousSpace):
        msg = f"{who}: expected parts that are homogeneous spaces; got {part}, without a group."
        raise TypeError(msg)
    return part


def _unpacked(x: Tensor, shapes: Sequence[tuple[int, ...]]) -> tuple[Tensor, ...]:
    sizes = [math.prod(shape) for shape in shapes]
    if x.shape[-1:] != (sum(sizes),):
        msg = f"Product: expected (*batch, {sum(sizes)}); got {tuple(x.shape)}."
        raise ValueError(msg)
    rows = zip(x.split(sizes, -1), shapes, strict=True)
    return tuple(part.reshape((*x.shape[:-1], *shape)) for part, shape in rows)


def _packed(points: Sequence[Tensor], shapes: Sequence[tuple[int, ...]]) -> Tensor:
    batches = [p.shape[: p.ndim - len(s)] for p, s in zip(points, shapes, strict=True)]
    batch = torch.broadcast_shapes(*batches)
    if len({p.is_complex() for p in points}) > 1:
        msg = (
            "Product: expected parts that are all real, or all complex, to be one tensor; got "
            f"{', '.join(str(p.dtype) for p in points)}. Keep those of one kind in a tuple."
        )
        raise TypeError(msg)
    rows = [
        p.expand((*batch, *s)).reshape(*batch, math.prod(s))
        for p, s in zip(points, shapes, strict=True)
    ]
    return torch.cat(rows, -1)
