"""Frozen flows and sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor, nn

from darboux.compose import Average, Residual, Translated
from darboux.deploy._fields import increment
from darboux.deploy._registry import finish, freeze, refused
from darboux.deploy._shears import FrozenShears, shear_layers
from darboux.flow import Flow, Step, as_float
from darboux.integrators import Integrator, PostActivation, RungeKutta
from darboux.integrators._integrator import add_scaled
from darboux.integrators._shears import Shears
from darboux.structure._arguments import checked
from darboux.structure._module import Module
from darboux.structure._rules import ours, overridden


@final
class FrozenStep(Module):
    """One explicit Runge-Kutta step with fixed numbers, k_i = h f(z + Σ a_ij k_j).

    Args:
        increment: z -> h f(z).
        a: the rows of the tableau.
        b: its weights.

    Example:
        >>> import torch
        >>> FrozenStep(nn.Identity(), a=((0.0,),), b=(1.0,))(torch.ones(1))
        tensor([2.])
    """

    @checked
    def __init__(
        self, increment: nn.Module, *, a: Sequence[Sequence[float]], b: Sequence[float]
    ) -> None:
        super().__init__()
        self.increment = increment
        self.a = a
        self.b = b

    def forward(self, z: Tensor) -> Tensor:
        """Return z + Σ b_i k_i."""
        stages: list[Tensor] = []
        for row in self.a:
            stages.append(self.increment(_add(z, row, stages)))
        return _add(z, self.b, stages)


def _add(z: Tensor, weights: Sequence[float], stages: list[Tensor]) -> Tensor:
    for weight, stage in zip(weights, stages, strict=False):
        if weight == 1:
            z = z + stage
        elif weight != 0:
            z = add_scaled(z, stage, weight)
    return z


@freeze.register
def _(module: Step) -> nn.Module:
    for method in (module.integrator, getattr(module.integrator, "inner", module.integrator)):
        reason = overridden(type(method), ours(method), {"init", "step", "value"})
        if reason:
            refused(module, reason)
    shears = module.integrator.shears
    if isinstance(shears, Shears) and module.field.separable and module.field.autonomous:
        layers = shear_layers(module.field)
        return finish(FrozenShears(layers, shears, h=as_float(module.size())))
    inner = _explicit(module.integrator)
    tableau = inner.tableau
    step = FrozenStep(
        increment(module.field, as_float(module.size())),
        a=tuple(tuple(float(value) for value in row) for row in tableau.a),
        b=tuple(float(value) for value in tableau.b),
    )
    if isinstance(module.integrator, PostActivation):
        return finish(nn.Sequential(step, freeze(module.integrator.activation)))
    return finish(step)


def _explicit(integrator: Integrator) -> RungeKutta:
    inner = integrator.inner if isinstance(integrator, PostActivation) else integrator
    if not isinstance(inner, RungeKutta):
        msg = (
            f"freeze: expected an explicit Runge-Kutta method, or shears of a separable field; got "
            f"{integrator!r}. Implicit and two-step methods run as they are."
        )
        raise TypeError(msg)
    return inner


@freeze.register
def _(module: Flow) -> nn.Module:
    if module.integrator.doubled:
        _explicit(module.integrator)
    return finish(nn.Sequential(*(freeze(step) for _, step in module.maps())))


@freeze.register
def _(module: Residual) -> nn.Module:
    return finish(Residual(freeze(module.inner), scale=module.scale))


@freeze.register
def _(module: Average) -> nn.Module:
    return finish(Average([freeze(part) for part in module.parts], weights=module.weights))


@freeze.register
def _(module: Translated) -> nn.Module:
    return finish(Translated(freeze(module.inner), offset=module.offset))
