"""Many fields prepared at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from darboux.fields._field import Prepared, VectorField
from darboux.fields._gradient import GradientField, PreparedGradientField, inverse_rows
from darboux.linear import CombinedMap, Stencil, StencilMap
from darboux.linear._rows import row_bounds
from darboux.solvers._transforms import are_constant


def prepare_together(fields: Sequence[VectorField]) -> list[Prepared]:
    """Return `prepare` of every field, with the bounds of equal shape computed in one batch.

    The bounds of a flow do not depend on z, so all of them are known before the first step;
    a field that occurs many times is prepared once.

    Args:
        fields: the fields, in the order of the result.

    Example:
        >>> import torch, darboux as dx
        >>> linear = [dx.linear.Dense(4, 6) for _ in range(2)]
        >>> fields = [dx.fields.GradientField(a, dx.activations.ReLU()) for a in linear]
        >>> z = torch.ones(1, 4)
        >>> torch.testing.assert_close(prepare_together(fields)[1](0.0, z), fields[1](0.0, z))
    """
    distinct = {id(field): field for field in fields}
    # Without gradients, or frozen, maps keep their bounds from one call to the next.
    if len(distinct) == 1 or not torch.is_grad_enabled():
        prepared = {key: field.prepare() for key, field in distinct.items()}
        return [prepared[id(field)] for field in fields]
    prepared = {}
    groups: dict[object, list[tuple[GradientField, Stencil]]] = {}
    for field in distinct.values():
        stencil = _stencil(field)
        if stencil is not None and isinstance(field, GradientField):
            weight = stencil.weight
            key = (weight.shape, weight.dtype, weight.device)
            groups.setdefault(key, []).append((field, stencil))
        else:
            prepared[id(field)] = field.prepare()
    for group in groups.values():
        rows = row_bounds([stencil for _, stencil in group])
        for (field, _), row in zip(group, rows.unbind(), strict=True):
            scale = inverse_rows(field.activation.tie(field.map.tie(row)))
            prepared[id(field)] = PreparedGradientField(field, scale)
    return [prepared[id(field)] for field in fields]


def _stencil(field: VectorField) -> Stencil | None:
    """Return the stencil of a gradient field in the row metric whose map does not keep its bound.

    None for other fields.
    """
    if not isinstance(field, GradientField) or field.metric != "rows":
        return None
    linear = field.map
    if isinstance(linear, CombinedMap) and not linear.one_stencil:
        return None
    stencil = linear.stencil() if isinstance(linear, StencilMap) else None
    return None if stencil is None or are_constant(stencil.weight) else stencil
