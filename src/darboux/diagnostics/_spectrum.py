"""The eigenvalues of a field's Jacobian."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from darboux.integrators import Time
from darboux.structure._arguments import checked

_LARGEST = 1024  # a dense eigenvalue problem for each sample


@checked
def spectrum(field: Callable[[Time, Tensor], Tensor], z: Tensor, *, t: Time = 0.0) -> Tensor:
    """Return the eigenvalues of ∂f/∂z at each sample, those of largest real part first.

    The stability test of Haber and Ruthotto asks for real parts <= 0. It is a diagnostic,
    never a claim: eigenvalues of a Jacobian that varies, in time or along the solution, decide
    nothing. The field of the example has the eigenvalues (-1 ± i√7)/4 for every t, and its
    solution e^(t/2) (-cos t, sin t) grows. Bounds that hold are ν (14) and the claims of a flow.

    Shapes: z is (batch, features, *space); the result is complex, (batch, features · space),
    in the precision of z, at least single, without gradients.

    Source: section 2.1; Haber and Ruthotto 2017; Markus and Yamabe 1960 for the example.

    Args:
        field: (t, z) -> f(t, z), each sample on its own.
        z: where; at most 1024 entries in a sample.
        t: when.

    Raises:
        ValueError: if a sample has more entries, f(t, z) has another shape than z, or a
            derivative is not finite.

    Example:
        >>> def field(t, z):
        ...     c, s = torch.tensor(t).cos(), torch.tensor(t).sin()
        ...     rows = [[-1 + 1.5 * c * c, 1 - 1.5 * c * s], [-1 - 1.5 * c * s, -1 + 1.5 * s * s]]
        ...     return z @ torch.tensor(rows).T
        >>> spectrum(field, torch.zeros(1, 2), t=1.0)
        tensor([[-0.2500+0.6614j, -0.2500-0.6614j]])
    """
    _check_size(z)

    def single(sample: Tensor) -> Tensor:
        return _checked(field(t, sample.unsqueeze(0)), sample).flatten()

    jacobian = torch.func.vmap(torch.func.jacrev(single))(z.detach()).detach()
    size = z.flatten(1).shape[1]
    matrix = jacobian.reshape(len(z), size, size)
    if not matrix.isfinite().all():  # LAPACK may take the whole process down
        worst = int((~matrix.isfinite().flatten(1).all(dim=1)).int().argmax())
        msg = (
            f"spectrum: expected finite derivatives; got NaN or infinity at sample {worst}. Look "
            "at the field there."
        )
        raise ValueError(msg)
    values = torch.linalg.eigvals(matrix.to(torch.promote_types(z.dtype, torch.float32)))
    order = values.real.argsort(dim=1, descending=True, stable=True)
    return values.gather(1, order)


def _check_size(z: Tensor) -> None:
    if z.ndim < 2:
        msg = (
            f"spectrum: expected samples (batch, features, *space); got shape {tuple(z.shape)}. "
            "Use z.unsqueeze(0)."
        )
        raise ValueError(msg)
    size = z.flatten(1).shape[1]
    if size > _LARGEST:
        msg = (
            f"spectrum: expected at most {_LARGEST} entries in a sample, for its dense Jacobian; "
            f"got {size}, shape {tuple(z.shape)}. Use a smaller picture, or "
            "field.one_sided_lipschitz(), which bounds the real parts."
        )
        raise ValueError(msg)


def _checked(slope: Tensor, sample: Tensor) -> Tensor:
    if slope.shape[1:] != sample.shape:
        msg = (
            f"spectrum: expected field(t, z) of the shape of z; got {tuple(slope.shape[1:])} for "
            f"samples {tuple(sample.shape)}. Return one slope for each entry of z."
        )
        raise ValueError(msg)
    return slope
