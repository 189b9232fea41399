"""Checks of what fields on phase space declare, each against automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from darboux.fields import halves, join
from darboux.structure._arguments import checked
from darboux.testing._checks._call import probe, require, rounding_size
from darboux.testing._tolerance import assert_close, tolerance

_TIMES = (0.0, 0.7, -1.9)

_STEP = 0.3

_C = 64.0  # antiderivatives and derivatives take several passes


@checked
def check_canonical(field: Any, x: Tensor) -> None:
    """Check f = J∇energy, with the gradient by automatic differentiation.

    Args:
        field: a field with ``energy(t, x)``, in float64.
        x: states, (batch, channels, *space), float64, away from kinks.

    Raises:
        AssertionError: if the field does not say that it is canonical, or is not.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.SecondOrderField(dx.linear.Dense(2, 5), dx.activations.Tanh())
        >>> check_canonical(field.double(), torch.ones(2, 4, dtype=torch.float64))
    """
    require(field.canonical, f"{type(field).__name__} does not say that it is canonical.")
    for t in _TIMES:
        by_position, by_momentum = halves(_slope(field, t, x))
        expected = join(by_momentum, -by_position)
        _close(field, x, field(t, x), expected, what=f"f against J∇energy at t = {t:g}")


@checked
def check_separable(field: Any, x: Tensor) -> None:
    """Check f = (drift, kick), that drift does not look at z, nor kick at p.

    Args:
        field: a field with drift and kick.
        x: states, (batch, channels, *space).

    Raises:
        AssertionError: if the field does not say that it is separable, or is not.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.SecondOrderField(dx.linear.Dense(2, 5), dx.activations.Tanh())
        >>> check_separable(field, torch.ones(2, 4))
    """
    require(field.separable, f"{type(field).__name__} does not say that it is separable.")
    z, p = halves(x)
    other = probe(z, seed=2)
    for t in _TIMES:
        drift, kick = field.drift(t, z, p), field.kick(t, z, p)
        require(torch.equal(field.drift(t, other, p), drift), "drift looks at the position.")
        require(torch.equal(field.kick(t, z, other), kick), "kick looks at the momentum.")
        _close(field, x, field(t, x), join(drift, kick), what="f against (drift, kick)")


@checked
def check_part_flows(field: Any, x: Tensor) -> None:
    """Check that the parts' flows are flows, and that their speeds add up to the field.

    A one-parameter group, Φ_h Φ_k = Φ_(h+k), whose derivative at h = 0 is g is the exact
    flow of g. The group is tried with k = -h and k = 2h. A part that can be called is g.

    Args:
        field: a field with ``parts()``, in float64.
        x: states, (batch, channels, *space), float64.

    Raises:
        AssertionError: if a part is no flow, or the speeds add up to something else.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.SecondOrderField(dx.linear.Dense(2, 5), dx.activations.Tanh())
        >>> check_part_flows(field.double(), torch.ones(2, 4, dtype=torch.float64))
    """
    for t in _TIMES:
        speeds = [_part_field(part, t)(x) for part in field.parts()]
        _close(field, x, torch.stack(speeds).sum(dim=0), field(t, x), what="speeds of the parts")
        for part, speed in zip(field.parts(), speeds, strict=True):
            name = type(part).__name__
            if callable(part):
                _close(field, x, part(t, x), speed, what=f"{name} against the speed of its flow")
            there = part.flow(t, _STEP, x)
            back = part.flow(t, -_STEP, there)
            _close(field, x, back, x, what=f"{name}: back and forth")
            further = part.flow(t, 2 * _STEP, there)
            _close(field, x, further, part.flow(t, 3 * _STEP, x), what=f"{name}: 2h after h")


@checked
def check_divergence_free(field: Any, x: Tensor) -> None:
    """Check that the Jacobian of the field, and of each of its parts, has trace 0.

    Args:
        field: a field with ``parts()``, in float64.
        x: states, (batch, channels, *space), float64, small.

    Raises:
        AssertionError: if the field does not say that it is divergence-free, or is not.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.CoupledField(dx.linear.Dense(2, 2), dx.activations.Tanh())
        >>> check_divergence_free(field.double(), torch.ones(2, 4, dtype=torch.float64))
    """
    name = type(field).__name__
    require(field.divergence_free, f"{name} does not say that it is divergence-free.")
    for t in _TIMES[:2]:
        _check_trace(name, partial(field, t), x)
        for part in field.parts():
            _check_trace(type(part).__name__, _part_field(part, t), x)


@checked
def check_reversible(field: Any, x: Tensor) -> None:
    """Check f(ρx) = -ρf(x) with the momentum flip ρ(z, p) = (z, -p).

    Args:
        field: the field, in float64.
        x: states, (batch, channels, *space), float64.

    Raises:
        AssertionError: if the field does not say that it is reversible, or is not.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.SecondOrderField(dx.linear.Dense(2, 5), dx.activations.Tanh())
        >>> check_reversible(field.double(), torch.ones(2, 4, dtype=torch.float64))
    """
    require(field.reversible, f"{type(field).__name__} does not say that it is reversible.")
    for t in _TIMES:
        _close(field, x, field(t, _flip(x)), -_flip(field(t, x)), what="f(ρx) against -ρf(x)")


@checked
def check_time(field: Any, x: Tensor) -> None:
    """Check that t may be a number, a tensor, or one for each sample, and `autonomous`.

    Args:
        field: the field, with an energy or without.
        x: states, (batch, channels, *space).

    Raises:
        AssertionError: if the kinds of t disagree, or an autonomous field looks at t.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.SecondOrderField(dx.linear.Dense(2, 5), dx.activations.Tanh())
        >>> check_time(field, torch.ones(2, 4))
    """
    functions = [field, field.energy] if hasattr(field, "energy") else [field]
    times = torch.linspace(-1.0, 2.0, len(x), dtype=x.dtype, device=x.device)
    for function in functions:
        one_by_one = [function(float(t), row) for t, row in zip(times, x.split(1), strict=True)]
        together = function(times.reshape(-1, *(1,) * (x.ndim - 1)), x)
        _close(field, x, together, torch.cat(one_by_one), what="one time for each sample")
        _close(field, x, function(times[0], x), function(float(times[0]), x), what="t as a tensor")
        for t in _TIMES if field.autonomous else ():
            _close(field, x, function(t, x), function(0.0, x), what=f"t = {t:g} against t = 0")


@checked
def check_gradient_form(field: Any, x: Tensor) -> None:
    """Check f = S∇H + supply, ∇H by automatic differentiation, and the sign of ⟨g, S g⟩.

    Args:
        field: a field with energy, gradient, steer and supply, in float64.
        x: states, (batch, channels, *space), float64, away from kinks.

    Raises:
        AssertionError: if one of them is wrong.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.Tanh())
        >>> check_gradient_form(field.double(), torch.ones(2, 4, dtype=torch.float64))
    """
    for t in _TIMES:
        slope = _slope(field, t, x)
        _close(field, x, field.gradient(t, x), slope, what="gradient against ∇energy")
        value, supply = field.steer(t, x, slope), field.supply(t, x)
        value = value if supply is None else value + supply
        _close(field, x, field(t, x), value, what="f against S∇H + supply")
        if field.passive or field.conservative:
            _check_power(field, t, x)


def _part_field(part: Any, t: float) -> Callable[[Tensor], Tensor]:
    """Return x -> d/dh of a part's flow at h = 0: the vector field of the part."""

    def speed(x: Tensor) -> Tensor:
        zero = torch.zeros((), dtype=x.dtype, device=x.device)
        return torch.func.jvp(lambda h: part.flow(t, h, x), (zero,), (torch.ones_like(zero),))[1]

    return speed


def _check_power(field: Any, t: float, x: Tensor) -> None:
    """Check ⟨g, S g⟩ <= 0, or = 0 where H is kept, for a g that is no gradient."""
    g = probe(x, seed=3)
    steered = field.steer(t, x, g)
    power = (g * steered).flatten(1).sum(dim=1)
    size = g.flatten(1).norm(dim=1) * steered.flatten(1).norm(dim=1)
    excess = (power.abs() if field.conservative else power) - size * tolerance(
        x.dtype, rounding_size(field, x)
    )
    worst = float(excess.detach().max())
    sign = "= 0" if field.conservative else "<= 0"
    require(worst <= 0, f"⟨g, S g⟩ {sign} fails by {worst:.3e}")


def _check_trace(name: str, function: Callable[[Tensor], Tensor], x: Tensor) -> None:
    for row in x:
        matrix = torch.func.jacrev(lambda y: function(y.unsqueeze(0)).squeeze(0))(row)
        matrix = matrix.reshape(row.numel(), row.numel())
        trace, size = float(matrix.trace().detach()), float(matrix.detach().norm())
        allowed = tolerance(x.dtype, len(matrix), c=_C) * size
        require(abs(trace) <= allowed, f"{name}: divergence {trace:.3e}, at most {allowed:.3e}")


def _slope(field: Any, t: float, x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(field.energy(t, x).sum(), x)
    return slope


def _flip(x: Tensor) -> Tensor:
    z, p = halves(x)
    return join(z, -p)


def _close(field: nn.Module, x: Tensor, actual: Tensor, expected: Tensor, *, what: str) -> None:
    """Compare two values that are sums of terms of the size of the field."""
    unit = max(float(part.detach().abs().max()) for part in (x, actual, expected))
    assert_close(actual, expected, size=rounding_size(field, x), c=_C, scale=unit, what=what)
