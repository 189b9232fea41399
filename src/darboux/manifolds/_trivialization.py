"""Weights that stay on a manifold, for any optimizer."""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor, nn

from darboux.manifolds._homogeneous import HomogeneousSpace
from darboux.manifolds._manifold import Manifold
from darboux.manifolds._so import SO
from darboux.manifolds._stiefel import Stiefel
from darboux.solvers._transforms import without_autocast
from darboux.structure import Claim, Isometric, Kind, Premise, adjoint_of, isometry_of
from darboux.structure._arguments import checked
from darboux.structure._module import Module


@final
class Trivialization(Module):
    """Parametrise a weight by W = retract(B, P(X)), a point of a manifold for every X.

    B is a point, a buffer, chosen when the constraint is registered so that X = 0 gives the
    point nearest to the weight; P projects X onto the tangent space at B. Any optimizer works
    on X, as it does on other parameters, and W can be assigned. Weights may be batches of
    points: for rows of length 1, say, the manifold is Sphere(in_features).

    Half precision and autocast are computed in float32. Matrices with orthonormal columns or
    rows are cheaper by `darboux.linear.Orthogonal`.

    Shapes: W, X and B are (*batch, *shape) with the shape of a point.

    Source: section 6.2.1; Lezcano-Casado 2019.

    Args:
        manifold: where the weight lives.
        map: "retract", or "exp" for the exponential.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if the map is unknown, or the weight has another shape than points have.

    Example:
        >>> import torch, darboux as dx
        >>> from torch.nn.utils import parametrize
        >>> dense = torch.nn.Linear(3, 5)
        >>> rows = Trivialization(dx.manifolds.Sphere(3))
        >>> _ = parametrize.register_parametrization(dense, "weight", rows)
        >>> bool(torch.allclose(dense.weight.norm(dim=1), torch.ones(5)))
        True
    """

    base: Tensor | None

    @checked
    def __init__(self, manifold: Manifold, *, map: Literal["retract", "exp"] = "retract") -> None:
        super().__init__()
        self.manifold, self.map = manifold, map
        self.register_buffer("base", None)

    def forward(self, raw: Tensor) -> Tensor:
        """Return the point."""
        if self.base is None or raw.shape != self.base.shape:
            shape = None if self.base is None else tuple(self.base.shape)
            msg = (
                f"Trivialization: expected the X of a registered constraint, of shape {shape}; got "
                f"{tuple(raw.shape)}. Use parametrize.register_parametrization(module, 'weight', "
                "Trivialization(manifold))."
            )
            raise ValueError(msg)
        with without_autocast(raw):
            wide = torch.promote_types(raw.dtype, torch.float32)
            base, x = self.base.to(wide), raw.to(wide)
            if raw.dtype not in (torch.float32, torch.complex64):  # B may have been rounded
                base = self.manifold.nearest(base)
            move = self.manifold.exp if self.map == "exp" else self.manifold.retract
            point = move(base, self.manifold.project(base, x))
            if isinstance(self.manifold, HomogeneousSpace):
                point = self.manifold.polish(point)
            return point.to(raw.dtype)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Choose B for a weight, and return X = 0.

        Raises:
            ValueError: if the weight isn't made of points of the manifold's shape.
        """
        shape = self.manifold.shape
        if weight.shape[weight.ndim - len(shape) :] != shape:
            msg = (
                f"Trivialization: expected a weight of shape (*batch, {shape}) for "
                f"{self.manifold}; got {tuple(weight.shape)}."
            )
            raise ValueError(msg)
        wide = torch.promote_types(weight.dtype, torch.float32)
        self.base = self.manifold.nearest(weight.detach().to(wide)).to(weight.dtype)
        return torch.zeros_like(weight)

    def claim(self, module: nn.Module, premises: tuple[Premise, ...]) -> Claim | None:
        """Return that a map with this matrix is isometric, where its columns are orthonormal."""
        del premises
        if not isinstance(self.manifold, SO | Stiefel):
            return None
        reason = f"the weight is a point of {self.manifold} for every X"
        return Claim(
            Isometric(), Kind.CONSTRUCTION, reason, (adjoint_of(module), isometry_of(module))
        )

    def extra_repr(self) -> str:
        """Return manifold and map."""
        return f"{self.manifold}, map={self.map!r}"
