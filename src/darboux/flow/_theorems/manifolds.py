"""Steps that stay on a manifold (sections 2.3 and 6.2.1)."""

from __future__ import annotations

from darboux.flow._step import Step
from darboux.manifolds import Manifold
from darboux.structure import Claim, Kind, OnManifold, PointSet, points_kept, tangent_field


def on_manifold(step: Step) -> list[Claim]:
    """Return that points go to points, for methods that move them by a group or project them."""
    method, field = step.integrator, step.field
    manifold: PointSet | None = getattr(method, "manifold", None) or field.manifold
    if not method.on_manifolds or manifold is None:
        return []
    # Whatever the field says, these methods return points; it is on the manifold all the same.
    own = field.manifold
    tangent = (tangent_field(field, manifold=own),) if isinstance(own, Manifold) else ()
    premises = (points_kept(method, manifold=manifold), *tangent)
    reason = f"{method!r} makes points of {manifold!r} of its points, whatever the step (6.2.1)"
    return [Claim(OnManifold(manifold), Kind.CONSTRUCTION, reason, premises)]
