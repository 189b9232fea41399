"""Named manifolds, the maps that keep their metrics, and points that are hard for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from darboux.manifolds import (
    GL,
    SE,
    SO,
    SPD,
    Affine,
    Circle,
    Euclidean,
    Grassmann,
    Manifold,
    Power,
    Product,
    Sphere,
    Stiefel,
    Symplectic,
    Torus,
    U,
)

METRICS = ("affine", "log-euclidean", "log-cholesky", "bures")

CASES: dict[str, Callable[[], Manifold]] = {
    "euclidean": lambda: Euclidean(3),
    "circle": Circle,
    "torus": lambda: Torus(3),
    "sphere-2": lambda: Sphere(2),
    "sphere-3": lambda: Sphere(3),
    "sphere-10": lambda: Sphere(10),
    **{
        f"spd-{metric}-{n}": lambda n=n, metric=metric: SPD(n, metric=metric)
        for metric in METRICS
        for n in (1, 3, 4)
    },
    **{f"so-{n}": lambda n=n: SO(n) for n in (2, 3, 4)},
    **{f"u-{n}": lambda n=n: U(n) for n in (1, 3)},
    **{f"se-{n}": lambda n=n: SE(n) for n in (2, 3, 4)},
    **{f"gl-{n}": lambda n=n: GL(n) for n in (1, 3)},
    "affine-2": lambda: Affine(2),
    **{f"sp-{size}": lambda size=size: Symplectic(size) for size in (2, 4)},
    "stiefel-3-1": lambda: Stiefel(3, 1),
    "stiefel-5-2-euclidean": lambda: Stiefel(5, 2),
    "stiefel-5-2-canonical": lambda: Stiefel(5, 2, metric="canonical"),
    "stiefel-complex": lambda: Stiefel(3, 2, field="complex", metric="canonical"),
    "grassmann-5-2": lambda: Grassmann(5, 2),
    "grassmann-4-3": lambda: Grassmann(4, 3, retraction="qr"),
    "product": lambda: Product(Sphere(3), Circle(), SPD(2)),
    "product-groups": lambda: Product(SO(3), Euclidean(2)),
    "power": lambda: Power(SPD(2), 2, 3),
    "power-sphere": lambda: Power(Sphere(3), 4),
    "grassmann-complex": lambda: Grassmann(4, 2, field="complex", retraction="polar"),
}

# Manifolds whose exponential is not that of their metric: of these the round trip alone is meant.
ROUND_TRIP_ONLY = {name for name, case in CASES.items() if not case().geodesic_exp}


def rotation(n: int) -> Tensor:
    """Return an orthogonal matrix."""
    generator = torch.Generator().manual_seed(1)
    return torch.linalg.qr(torch.randn(n, n, dtype=torch.float64, generator=generator))[0]


def congruence(a: Tensor) -> Callable[[Tensor], Tensor]:
    """Return x -> a x aᵀ."""
    return lambda x: a @ x @ a.mT


_float64 = partial(torch.tensor, dtype=torch.float64)

_INVERTIBLE = _float64([[2.0, 1.0, 0.0], [0.0, 1.0, -1.0], [0.5, 0.0, 1.0]])

# Name of a case -> maps that leave its distances as they are.
ISOMETRIES: dict[str, dict[str, Callable[[Tensor], Tensor]]] = {
    "euclidean": {"rigid motion": lambda x: x @ rotation(3) + 1},
    "circle": {"turn": lambda x: Circle().nearest(x + 2), "reflection": lambda x: -x},
    "torus": {"turns": lambda x: Torus(3).nearest(x + torch.tensor([1.0, 2.0, 3.0]))},
    "sphere-3": {"rotation": lambda x: x @ rotation(3)},
    "spd-affine-3": {"congruence": congruence(_INVERTIBLE), "inverse": torch.linalg.inv},
    "spd-log-euclidean-3": {
        "rotation": congruence(rotation(3)),
        "scaling": lambda x: 7 * x,
        "inverse": torch.linalg.inv,
    },
    "spd-log-cholesky-3": {
        "stretching of the first axis": congruence(torch.diag(_float64([2.0, 1.0, 1.0]))),
        "reflection": congruence(torch.diag(_float64([1.0, -1.0, 1.0]))),
    },
    "spd-bures-3": {"rotation": congruence(rotation(3))},
    "so-3": {
        "from the left": lambda x: rotation(3) @ x,
        "from the right": lambda x: x @ rotation(3),
        "inverse": lambda x: x.mT,
    },
    "so-4": {
        "from the left": lambda x: rotation(4) @ x,
        "from the right": lambda x: x @ rotation(4),
        "inverse": lambda x: x.mT,
    },
    "u-3": {"from the left": lambda x: rotation(3).to(x) @ x, "conjugate": lambda x: x.conj()},
    "gl-3": {"from the left": lambda x: _INVERTIBLE @ x},
    "stiefel-5-2-euclidean": {
        "rotation": lambda x: rotation(5) @ x,
        "of the columns": lambda x: x @ rotation(2),
    },
    "stiefel-5-2-canonical": {
        "rotation": lambda x: rotation(5) @ x,
        "of the columns": lambda x: x @ rotation(2),
    },
    "grassmann-5-2": {
        "rotation": lambda x: rotation(5) @ x,
        "another basis": lambda x: x @ rotation(2),
    },
}

# Name of a case -> two points with several shortest geodesics between them.
CUT: dict[str, tuple[Tensor, Tensor]] = {
    "circle": (_float64(0.0), _float64(math.pi)),
    "torus": (_float64([0.0, 1.0, 2.0]), _float64([0.0, 1.0, 2.0 - math.pi])),
    "sphere-2": (_float64([0.6, 0.8]), _float64([-0.6, -0.8])),
    "sphere-3": (_float64([0.0, 0.6, 0.8]), _float64([0.0, -0.6, -0.8])),
    "so-2": (torch.eye(2, dtype=torch.float64), -torch.eye(2, dtype=torch.float64)),
    "so-3": (torch.eye(3, dtype=torch.float64), torch.diag(_float64([-1.0, -1.0, 1.0]))),
    "so-4": (torch.eye(4, dtype=torch.float64), torch.diag(_float64([1.0, -1.0, -1.0, 1.0]))),
    "u-3": (
        torch.eye(3, dtype=torch.complex128),
        torch.diag(_float64([1.0, -1.0, 1.0])).to(torch.complex128),
    ),
    "grassmann-5-2": (
        torch.eye(5, dtype=torch.float64)[:, :2],
        torch.eye(5, dtype=torch.float64)[:, 1:3],
    ),
}


def pairs(manifold: Manifold, count: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    """Return points x and y, at up to 0.9 of the injectivity radius from each other."""
    generator = torch.Generator().manual_seed(0)
    if isinstance(manifold, SPD):
        # the eigenvalues of x⁻¹y spread as far as those of x and of y together
        hard = torch.arange(count) % 2 == 0
        spreads = (torch.where(which, 4.0, 1.0) for which in (hard, ~hard))
        return tuple(_spd_points(manifold.n, s, generator).to(dtype) for s in spreads)
    if isinstance(manifold, Stiefel):
        count = min(count, 8 if count <= 100 else 200)  # its logarithm takes milliseconds a point
    x = manifold.random_point(count, dtype=torch.float64, generator=generator)
    if math.isinf(manifold.injectivity):
        return x.to(dtype), manifold.random_point(
            count, dtype=torch.float64, generator=generator
        ).to(dtype)
    v = manifold.random_tangent(x, generator=generator)
    wide = (count, *[1] * len(manifold.shape))
    share = torch.rand(count, dtype=torch.float64, generator=generator)
    share[: count // 8] = 1.0  # at the limit
    length = (0.9 * manifold.injectivity * share / manifold.norm(x, v)).reshape(wide)
    y = manifold.nearest(manifold.exp(x, length * v))  # short tangent vectors are made long
    dtype = dtype.to_complex() if x.is_complex() else dtype
    return x.to(dtype), y.to(dtype)


def _spd_points(n: int, spreads: Tensor, generator: torch.Generator) -> Tensor:
    """Return matrices with condition numbers up to 10^spread, half with repeated eigenvalues."""
    draw = torch.randn(len(spreads), n, n, dtype=torch.float64, generator=generator)
    q = torch.linalg.qr(draw)[0]
    part = torch.rand(len(spreads), n, dtype=torch.float64, generator=generator) - 0.5
    part[0::8, 0], part[0::8, -1] = -0.5, 0.5  # the largest one
    part[1::8, 1:] = part[1::8, :1]
    part[2::8, 1:] = part[2::8, :1]
    part[3::8, : n // 2 + 1] = part[3::8, :1]
    part[4::8, : n // 2 + 1] = part[4::8, :1]
    exponents = spreads[:, None] * part
    x = (q * 10 ** exponents[:, None]) @ q.mT
    return (x + x.mT) / 2
