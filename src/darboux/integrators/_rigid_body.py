"""The discrete rigid body: a variational method on SO(3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from darboux.integrators._integrator import StepSize
from darboux.integrators._rattle import MOST, UNSEEN, Mechanical, MechanicalMethod
from darboux.linear._orthonormal import polish
from darboux.manifolds._domain import seen, within
from darboux.manifolds._rotations import cross_matrix
from darboux.solvers._nested import solved


@final
@dataclass(frozen=True)
class VariationalRigidBody(MechanicalMethod):
    """The variational method of Moser and Veselov for rigid bodies: order 2, symplectic.

    The momentum π in the body takes half a kick, the turn F of SO(3) with
    F D - D Fᵀ = h π̂ moves both, R' = R F and π' = Fᵀπ, and half a kick follows. F is the Cayley
    transform of three unknowns, found by Newton's method, so that R stays a rotation up to
    rounding. It is the map of `Rattle` on SO(3), computed faster: momentum maps are kept
    exactly, and the energy stays within O(h²) of its first value.

    Shapes: x = (R, P) is (batch, 6, 3), see `CotangentBundle`.

    Source: Moser and Veselov 1991; Lee, Leok and McClamroch 2007; Hairer, Lubich and Wanner,
    Geometric Numerical Integration, VII.5.3.

    Example:
        >>> import torch, darboux as dx
        >>> body = dx.fields.MechanicalField.rigid_body(
        ...     dx.manifolds.SO(3), (1.0, 2.0, 2.5), lambda r: 0 * r[:, 0, 0]
        ... )
        >>> flow = dx.Flow(body, dx.integrators.VariationalRigidBody(), horizon=5.0, steps=50)
        >>> x = body.manifold.nearest(torch.randn(1, 6, 3))
        >>> bool((flow.energy(flow(x)) / flow.energy(x) - 1).abs() < 0.05)
        True
    """

    def require(self, field: Any) -> None:
        """Refuse a field that is no rigid body."""
        manifold = getattr(field, "manifold", None)
        masses = getattr(manifold, "masses", None)
        if getattr(manifold, "shape", None) == (6, 3) and masses is not None:
            return
        msg = (
            f"VariationalRigidBody: expected a rigid body; got {type(field).__name__} on "
            f"{manifold!r}. Use MechanicalField.rigid_body(SO(3), inertia, potential), or Rattle() "
            "for other mechanical systems."
        )
        raise TypeError(msg)

    def _moved(self, field: Mechanical, h: StepSize, x: Tensor) -> Tensor:
        masses = field.manifold.mass(x).expand(3)
        inertia = masses.sum() - masses
        turn, momentum = field.manifold.halves(x)
        kicked = _axis(turn, momentum + h / 2 * field.force(turn))
        move = _cayley(_solved(h * kicked, inertia))
        turn = polish(turn @ move)
        kicked = (move.mT @ kicked.unsqueeze(-1)).squeeze(-1)
        kicked = kicked + _axis(turn, h / 2 * field.force(turn))
        return field.manifold.join(turn, turn @ cross_matrix(kicked / inertia) * masses)


def _axis(turn: Tensor, momentum: Tensor) -> Tensor:
    """Return w with ŵ = RᵀP - PᵀR."""
    product = turn.mT @ momentum
    skew = product - product.mT
    return torch.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], dim=-1)


def _cayley(f: Tensor) -> Tensor:
    """Return (1 + f̂)(1 - f̂)⁻¹."""
    square = (f * f).sum(-1)[..., None, None]
    skew = cross_matrix(f)
    eye = torch.eye(3, dtype=f.dtype, device=f.device)
    return eye + 2 / (1 + square) * (skew + skew @ skew)


def _solved(g: Tensor, inertia: Tensor) -> Tensor:
    """Return f with g + g x f + (g·f) f - 2 J f = 0."""
    eye, skew = torch.eye(3, dtype=g.dtype, device=g.device), cross_matrix(g)
    limit, f = 4 * torch.finfo(g.dtype).eps, g / (2 * inertia)
    for k in range(MOST):
        along = (g * f).sum(-1, keepdim=True)
        value = g + torch.linalg.cross(g, f) + along * f - 2 * inertia * f
        slope = skew + along.unsqueeze(-1) * eye + f.unsqueeze(-1) * g.unsqueeze(-2)
        slope = slope - 2 * torch.diag_embed(inertia)
        way = solved(slope, value.unsqueeze(-1)).squeeze(-1)
        far = (way.norm(dim=-1) / f.norm(dim=-1).clamp(min=1.0)).detach()
        f = f - way
        if bool((far <= limit**0.5 / 8).all()) if seen(g) else k == UNSEEN:
            break
    return within(f, far <= limit**0.5 / 8, lambda: _LOST.format(float(far.max())))


_LOST = (
    "VariationalRigidBody: expected steps whose equation has a solution; got none by Newton's "
    "method, it stays {:.2g} away. Take shorter steps."
)
