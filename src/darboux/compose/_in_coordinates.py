"""Maps of manifolds: networks in flat coordinates."""

from __future__ import annotations

from typing import TypeGuard, final

import torch
from torch import Tensor, nn

from darboux.manifolds import SPD, Euclidean, Manifold
from darboux.solvers._transforms import without_autocast
from darboux.structure import (
    Claim,
    Claims,
    Gap,
    Kind,
    Lipschitz,
    LipschitzOn,
    OnManifold,
    claims_of,
    isometric_chart,
)
from darboux.structure._arguments import checked
from darboux.structure._module import Module


@final
class InCoordinates(Module):
    """The map c⁻¹ ∘ φ ∘ c of a flat manifold, c its isometric coordinates.

    Whatever φ is, values are points. As d(x, y) = |c(x) - c(y)|, a constant of φ is one in the
    metric of the manifold: the theorems of section 2.2.1 carry over, and a nonexpansive φ
    gives a nonexpansive network of SPD matrices.

    Shapes: x is (batch, *space, *shape), kept; φ maps (batch, dim, *space) to the same.

    Source: sections 2.2.1 and 2.3.

    Args:
        manifold: ``SPD(n, metric="log-euclidean")`` or ``"log-cholesky"``, or ``Euclidean(n)``.
        inner: φ.

    Raises:
        TypeError: if the manifold has no flat coordinates.

    Example:
        >>> import torch, darboux as dx
        >>> tensors = dx.manifolds.SPD(3, metric="log-euclidean")
        >>> field = dx.fields.GradientField(
        ...     dx.linear.Conv(6, 8, kernel_size=3, dim=2), dx.activations.ReLU()
        ... )
        >>> inner = dx.Flow(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=2))
        >>> network = dx.compose.InCoordinates(tensors, inner)
        >>> network(tensors.random_point(1, 5, 5)).shape
        torch.Size([1, 5, 5, 3, 3])
        >>> network.claims().find(dx.LipschitzOn).structure.constant
        1.0
    """

    @checked
    def __init__(self, manifold: Manifold, inner: nn.Module) -> None:
        super().__init__()
        if not has_coordinates(manifold):
            msg = (
                f"InCoordinates: expected a manifold with flat coordinates; got {manifold!r}. Use "
                "SPD(n, metric='log-euclidean') or SPD(n, metric='log-cholesky')."
            )
            raise TypeError(msg)
        self.manifold: SPD | Euclidean = manifold
        self.chart = Chart(self.manifold)
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """Return c⁻¹(φ(c(x)))."""
        c = self.inner(self.chart(x)).movedim(1, -1)
        with without_autocast(x):
            return self.manifold.from_coordinates(wide(c)).to(x.dtype)

    def maps(self) -> list[tuple[str, nn.Module]]:
        """Return the coordinates and φ; the way back is their inverse, a premise."""
        return [("chart", self.chart), ("inner", self.inner)]

    def claims(self) -> Claims:
        """Return that values are points, and the constant of φ in the metric."""
        inner = claims_of(self.inner)
        gaps = tuple(gap.under("inner") for gap in inner.gaps)
        chart = isometric_chart(self, manifold=self.manifold)
        points = "values are points with coordinates, whatever the coordinates are"
        found = [Claim(OnManifold(self.manifold), Kind.CONSTRUCTION, points, (chart,))]
        known = inner.find(Lipschitz)
        if known is None or not isinstance(known.structure, Lipschitz):
            return Claims(tuple(found), gaps or (Gap("inner", "no Lipschitz constant is known"),))
        constant = LipschitzOn(self.manifold, known.structure.constant)
        reason = f"in isometric coordinates: {known.reason}"
        found.append(Claim(constant, known.kind, reason, (chart, *known.premises)))
        return Claims(tuple(found), gaps)


@final
class Chart(Module):
    """The coordinates of points, (batch, dim, *space)."""

    def __init__(self, manifold: SPD | Euclidean) -> None:
        super().__init__()
        self.manifold = manifold

    def forward(self, x: Tensor) -> Tensor:
        with without_autocast(x):
            return self.manifold.coordinates(wide(x)).movedim(-1, 1).to(x.dtype)

    def claims(self) -> Claims:
        """Return nothing: it leads from points to coordinates."""
        return Claims()


def wide(x: Tensor) -> Tensor:
    """Return numbers in float32 at least: logarithms and means take no less."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def has_coordinates(manifold: Manifold) -> TypeGuard[SPD | Euclidean]:
    """Return whether a manifold has isometric coordinates."""
    return isinstance(manifold, SPD | Euclidean) and manifold.flat
