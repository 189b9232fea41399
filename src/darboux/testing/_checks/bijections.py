"""Checks of bijections against their own Jacobians."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.bijections import Bijection
from darboux.bijections._bijection import pull_back, undo
from darboux.structure._arguments import Positive, checked
from darboux.testing._checks._call import probe, require
from darboux.testing._tolerance import assert_close

_LIMITS = {torch.float64: 1e-10, torch.float32: 2e-4}


@checked
def check_round_trip(
    bijection: Bijection, x: Tensor, context: Tensor | None = None, *, limit: Positive | None = None
) -> None:
    """Check φ⁻¹(φ(x)) = x and φ(φ⁻¹(x)) = x, and that both log-determinants cancel.

    Args:
        bijection: the layer, in the dtype of x.
        x: inputs, (batch, channels, *space); for the way back, outputs of the same shape as φ(x).
        context: what it is conditioned on.
        limit: the relative error that is allowed; 1e-10 in float64, 2e-4 in float32.

    Raises:
        AssertionError: if a point does not come back.

    Example:
        >>> import darboux as dx
        >>> layer = dx.bijections.AdditiveCoupling(torch.nn.Linear(2, 2))
        >>> check_round_trip(layer, torch.randn(3, 4))
    """
    allowed = _LIMITS[x.dtype] if limit is None else limit
    with torch.no_grad():
        y, there = bijection.forward_and_log_det(x, context)
        back, again = bijection.inverse_and_log_det(y, context)
        require(bool(y.isfinite().all()), "φ(x) is not finite.")
        _near(back, x, allowed, "φ⁻¹(φ(x)) against x")
        _near(
            again,
            -there,
            allowed * max(1, x[0].numel()) ** 0.5,
            "log|det Dφ⁻¹| against -log|det Dφ|",
        )
        _near(
            bijection.inverse(y, context), back, allowed, "inverse() against inverse_and_log_det()"
        )
        _near(bijection(x, context), y, allowed, "forward() against forward_and_log_det()")
        start = probe(y, seed=2)
        _near(
            bijection(bijection.inverse(start, context), context),
            start,
            allowed,
            "φ(φ⁻¹(y)) against y",
        )


@checked
def check_log_det(bijection: Bijection, x: Tensor, context: Tensor | None = None) -> None:
    """Check the log-determinants against slogdet of the Jacobian by automatic differentiation.

    Args:
        bijection: the layer, in float64.
        x: inputs, (batch, channels, *space), in float64.
        context: what it is conditioned on.

    Raises:
        AssertionError: if they differ by more than 1e-10, or the shape is not (batch,).

    Example:
        >>> import darboux as dx
        >>> layer = dx.bijections.AdditiveCoupling(torch.nn.Linear(2, 2)).double()
        >>> check_log_det(layer, torch.randn(3, 4, dtype=torch.float64))
    """
    _, found = bijection.forward_and_log_det(x, context)
    require(found.shape == (len(x),), f"log-determinants: expected {(len(x),)}; got {found.shape}.")
    exact = torch.stack(
        [_slogdet(bijection, x[k], None if context is None else context[k]) for k in range(len(x))]
    )
    _near(found.detach(), exact, 1e-10 * max(1.0, x[0].numel()), "log|det Dφ| against slogdet")


def _slogdet(bijection: Bijection, x: Tensor, context: Tensor | None) -> Tensor:
    """Return log|det Dφ(x)| at one point."""
    given = None if context is None else context.unsqueeze(0)

    def single(flat: Tensor) -> Tensor:
        return bijection(flat.reshape(1, *x.shape), given).reshape(-1)

    jacobian = torch.autograd.functional.jacobian(single, x.reshape(-1))
    return torch.linalg.slogdet(jacobian)[1]


@checked
def check_undo(bijection: Bijection, x: Tensor, context: Tensor | None = None) -> None:
    """Check that `retrace` returns x and pulls back the gradients that backpropagation gives.

    Args:
        bijection: the layer, in float64.
        x: inputs, (batch, channels, *space), in float64.
        context: what it is conditioned on.

    Raises:
        AssertionError: if a gradient differs by more than rounding.

    Example:
        >>> import darboux as dx
        >>> layer = dx.bijections.AdditiveCoupling(torch.nn.Linear(2, 2)).double()
        >>> check_undo(layer, torch.randn(3, 4, dtype=torch.float64))
    """
    given = None if context is None else context.detach().requires_grad_()
    wanted: list[Tensor] = [p for p in bijection.parameters() if p.requires_grad]
    wanted += [] if given is None else [given]
    with torch.no_grad():
        y, log_det = bijection.forward_and_log_det(x, context)
    for weight in (None, probe(log_det, seed=3)):
        gradient = probe(y, seed=4)
        expected = pull_back(bijection, x, gradient, weight, wanted, given)
        found = undo(bijection, y, gradient, weight, wanted, given)
        _near(found[0], x, 1e-10, "undo: x")
        require(not found[0].requires_grad, "undo: x has a graph.")
        _near(found[1], expected[0], 1e-8, "undo: gradient of x")
        require(len(found[2]) == len(wanted), f"undo: {len(found[2])} gradients for {len(wanted)}.")
        for tensor, one, other in zip(wanted, found[2], expected[1], strict=True):
            zero = torch.zeros_like(tensor)
            _near(
                zero if one is None else one,
                zero if other is None else other,
                1e-8,
                "undo: gradient",
            )


@checked
def check_tails(bijection: Bijection, x: Tensor, context: Tensor | None = None) -> None:
    """Check that inputs far in the tails, up to 1e4, stay finite and come back.

    Args:
        bijection: the layer.
        x: inputs, (batch, channels, *space); they are stretched.
        context: what it is conditioned on.

    Raises:
        AssertionError: if something is not finite, or does not come back.

    Example:
        >>> import darboux as dx
        >>> layer = dx.bijections.AdditiveCoupling(torch.nn.Linear(2, 2))
        >>> check_tails(layer, torch.randn(3, 4))
    """
    far = x * (1e4 / x.abs().amax().clamp(min=1e-6))
    with torch.no_grad():
        y, log_det = bijection.forward_and_log_det(far, context)
        require(bool(y.isfinite().all() and log_det.isfinite().all()), "values are not finite.")
        back = bijection.inverse(y, context)
    _near(back, far, _LIMITS[x.dtype], "φ⁻¹(φ(x)) against x, |x| up to 1e4")


def _near(actual: Tensor, expected: Tensor, relative: float, what: str) -> None:
    scale = max(1.0, float(expected.detach().abs().max())) if expected.numel() else 1.0
    eps = torch.finfo(expected.dtype).eps
    assert_close(actual, expected, size=1, c=relative / eps, scale=scale, what=what)
