"""Checks of what a linear map says about itself, against its explicit matrix."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from darboux.linear import LinearMap
from darboux.structure._arguments import Count, checked
from darboux.testing._tolerance import assert_close, tolerance


@checked
def explicit_matrix(linear: LinearMap, size: Sequence[Count] = ()) -> Tensor:
    """Return the matrix of a map on images of one size, by applying it to a basis.

    Args:
        linear: the map, in any dtype; its rounding errors are part of the result.
        size: the spatial size, one number per axis.

    Example:
        >>> import darboux as dx
        >>> explicit_matrix(dx.linear.FiniteDifference(1, dim=1), (3,))
        tensor([[-1.,  1.,  0.],
                [ 0., -1.,  1.],
                [ 1.,  0., -1.]])
    """
    like = next(iter([*linear.parameters(), *linear.buffers()]), torch.empty(0))
    count = linear.in_features
    for n in size:
        count *= n
    basis = torch.eye(count, dtype=like.dtype, device=like.device)
    with torch.no_grad():
        return linear(basis.reshape(count, linear.in_features, *size)).reshape(count, -1).T


@checked
def check_adjoint(linear: LinearMap, x: Tensor) -> None:
    """Check ⟨A x, y⟩ = ⟨x, A* y⟩ for random y, up to rounding.

    Args:
        linear: the map.
        x: inputs, (batch, in_features, *space), in the dtype of the map.

    Raises:
        AssertionError: if the two differ.

    Example:
        >>> import torch, darboux as dx
        >>> check_adjoint(dx.linear.Dense(3, 5), torch.randn(2, 3))
    """
    with torch.no_grad():
        image = linear(x)
        y = torch.randn_like(image)
        back = linear.restore(y, size=x.shape[2:])
    left, right = (image.double() * y.double()).sum(), (x.double() * back.double()).sum()
    scale = float(linear.norm_bound().detach()) * float(x.norm() * y.norm())
    allowed = tolerance(x.dtype, _terms(linear, x), c=4) * scale
    if not abs(float(left - right)) <= allowed:
        msg = (
            f"⟨Ax, y⟩ = {float(left):.8g}, ⟨x, A*y⟩ = {float(right):.8g}; "
            f"at most {allowed:.3g} is rounding"
        )
        raise AssertionError(msg)


@checked
def check_norm_bound(linear: LinearMap, size: Sequence[Count] = ()) -> None:
    """Check that norm_bound() is no less than the largest singular value of the matrix.

    Args:
        linear: the map, best in float64.
        size: the spatial size.

    Raises:
        AssertionError: if it is less, by more than the rounding of the matrix.

    Example:
        >>> import darboux as dx
        >>> check_norm_bound(dx.linear.Dense(3, 5).double())
    """
    matrix = explicit_matrix(linear, size)
    true = float(torch.linalg.svdvals(matrix.double())[0])
    bound = float(linear.norm_bound().detach())
    if not bound * (1 + tolerance(matrix.dtype, min(matrix.shape), c=2)) >= true:
        msg = f"norm_bound() = {bound:.10g} < ‖A‖₂ = {true:.10g} on an image of size {tuple(size)}"
        raise AssertionError(msg)


@checked
def check_row_bound(linear: LinearMap, size: Sequence[Count] = ()) -> None:
    """Check that diag(T) - A A* is positive semidefinite, T = row_bound() or entry_bound(), T > 0.

    Args:
        linear: the map, best in float64.
        size: the spatial size; a lift needs one that its shuffle divides.

    Raises:
        AssertionError: if it has a negative eigenvalue, beyond rounding.

    Example:
        >>> import darboux as dx
        >>> check_row_bound(dx.linear.Dense(3, 5).double())
    """
    matrix = explicit_matrix(linear, size).double()
    for rows in (linear.row_bound().detach(), linear.entry_bound().detach()):
        if rows.shape != (linear.out_features,) or not bool((rows > 0).all()):
            msg = f"expected {linear.out_features} positive numbers; got {rows.tolist()}"
            raise AssertionError(msg)
        full = torch.diag(rows.repeat_interleave(len(matrix) // len(rows)))
        least = float(torch.linalg.eigvalsh(full - matrix @ matrix.T)[0])
        if not least >= -tolerance(matrix.dtype, len(matrix)) * float(rows.max()):
            msg = f"diag(T) - AA* has the eigenvalue {least:.3g}, T = {rows.tolist()}"
            raise AssertionError(msg)


@checked
def check_lower_bound(linear: LinearMap, size: Sequence[Count] = ()) -> None:
    """Check 0 <= μ and ‖A x‖ >= μ ‖x‖, μ = lower_bound().

    Args:
        linear: the map, best in float64.
        size: the spatial size.

    Raises:
        AssertionError: if μ exceeds the smallest singular value, beyond rounding.

    Example:
        >>> import darboux as dx
        >>> check_lower_bound(dx.linear.Dense(3, 5).double())
    """
    matrix = explicit_matrix(linear, size).double()
    values = torch.linalg.svdvals(matrix)
    least = float(values[-1]) if matrix.shape[0] >= matrix.shape[1] else 0.0
    allowed = least + tolerance(matrix.dtype, min(matrix.shape), c=2) * float(values[0])
    bound = float(linear.lower_bound().detach())
    if not 0 <= bound <= allowed:
        msg = f"lower_bound() = {bound:.10g}; the smallest singular value is {least:.10g}"
        raise AssertionError(msg)


@checked
def check_symbol(linear: LinearMap, n: Count) -> None:
    """Check that symbol(n) has the singular values of the matrix on an image of n^dim.

    True for dense and circular maps; zero padding has another matrix.

    Args:
        linear: the map, in float64.
        n: pixels per axis.

    Raises:
        AssertionError: if they differ beyond rounding.

    Example:
        >>> import darboux as dx
        >>> check_symbol(dx.linear.FiniteDifference(1, dim=1).double(), 5)
    """
    matrix = explicit_matrix(linear, (n,) * linear.dim)
    expected = torch.linalg.svdvals(matrix.double())
    found = torch.linalg.svdvals(linear.symbol(n).detach()).flatten().sort(descending=True).values
    assert_close(found, expected, size=len(expected), what="singular values of the symbol")


@checked
def check_fused(linear: LinearMap, x: Tensor) -> None:
    """Check affine(x, b) = A x + b and scaled_adjoint(y, s) = A* diag(s) y, prepared or not.

    Args:
        linear: the map.
        x: inputs, (batch, in_features, *space), in the dtype of the map.

    Raises:
        AssertionError: if they differ beyond rounding.

    Example:
        >>> import torch, darboux as dx
        >>> check_fused(dx.linear.Dense(3, 5), torch.randn(2, 3))
    """
    with torch.no_grad():
        image = linear(x)
        bias = torch.randn_like(linear.bias())
        scale = torch.rand(linear.out_features, dtype=torch.float64, device=x.device) + 0.5
        size = _terms(linear, x)
        shifted = image + linear.shift(bias)
        for affine in (lambda x: linear.affine(x, bias), linear.prepare(bias)):
            assert_close(affine(x), shifted, size=size, what="A x + b")
        assert_close(linear.prepare(None)(x), image, size=size, what="A x")
        rows = scale.to(x.dtype).reshape(-1, *(1,) * linear.dim)
        expected = linear.adjoint(image * rows)
        for pull in (lambda y: linear.scaled_adjoint(y, scale), linear.prepare_adjoint(scale)):
            assert_close(pull(image), expected, size=size, what="A* diag(s) y")
        back = linear.prepare_adjoint(None)(image)
        assert_close(back, linear.adjoint(image), size=size, what="A* y")


@checked
def check_estimate(linear: LinearMap) -> None:
    """Check norm_estimate() <= norm_bound(), up to the rounding of the map's own dtype.

    Args:
        linear: the map.

    Raises:
        AssertionError: if the estimate exceeds the bound.

    Example:
        >>> import darboux as dx
        >>> check_estimate(dx.linear.FiniteDifference(2, dim=2))
    """
    estimate, bound = linear.norm_estimate(), linear.norm_bound().detach()
    like = next(iter([*linear.parameters(), *linear.buffers()]), torch.empty(0))
    if not estimate <= bound * (1 + tolerance(like.dtype, linear.in_features)):
        msg = f"norm_estimate() = {float(estimate):.10g} > norm_bound() = {float(bound):.10g}"
        raise AssertionError(msg)


def _terms(linear: LinearMap, x: Tensor) -> int:
    return max(x[0].numel(), linear.out_features)
