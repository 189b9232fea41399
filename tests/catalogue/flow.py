"""Named flows and composed maps: name -> factory."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from darboux.activations import Clip, Identity, ReLU, Tanh
from darboux.compose import Average, Lifted, Residual, Translated
from darboux.fields import AntisymmetricField, GradientField, ResidualField
from darboux.flow import ContractiveSteps, Flow
from darboux.integrators import (
    Euler,
    ImprovedEuler,
    Kutta3,
    Kutta4,
    PostActivation,
    Ralston2,
    Ralston3,
)
from darboux.linear import Conv, Dense, Lift


def _gradient(metric: str = "rows") -> GradientField:
    return GradientField(Dense(4, 6), ReLU(), metric=metric)  # type: ignore[arg-type]


def _convolutional() -> GradientField:
    return GradientField(
        Conv(4, 5, kernel_size=3, dim=2, padding_mode="zeros"), Clip(5, threshold=0.3)
    )


CASES: dict[str, Callable[[], nn.Module]] = {
    "euler-rows": lambda: Flow([_gradient() for _ in range(3)], Euler(), steps=ContractiveSteps()),
    "euler-norm": lambda: Flow(
        [_gradient("norm") for _ in range(3)], Euler(), steps=ContractiveSteps()
    ),
    "euler-conv-clip": lambda: Flow(
        [_convolutional() for _ in range(2)], Euler(), steps=ContractiveSteps()
    ),
    "improved-euler-shared": lambda: Flow(
        _gradient(), ImprovedEuler(), steps=ContractiveSteps(count=3, fraction=0.5)
    ),
    "kutta3-limit": lambda: Flow(
        _gradient("norm"), Kutta3(), steps=ContractiveSteps(count=3, fraction=1.0)
    ),
    "kutta4-horizon": lambda: Flow(
        _gradient(), Kutta4(), horizon=5.0, steps=ContractiveSteps(fraction=0.9)
    ),
    "ralston2-uniform": lambda: Flow(ResidualField(Dense(4, 4), Tanh()), Ralston2(), steps=4),
    "ralston3-uniform": lambda: Flow(
        AntisymmetricField(Dense(4, 4), Tanh(), damping=0.1), Ralston3(), steps=4, horizon=2.0
    ),
    "linear-damped": lambda: Flow(
        AntisymmetricField(Dense(4, 4), Identity(), damping=0.5),
        Kutta4(),
        steps=ContractiveSteps(count=3),
    ),
    "post-activation": lambda: Flow(
        _gradient(), PostActivation(Euler()), steps=ContractiveSteps(count=3)
    ),
    "lifted": lambda: Translated(
        Lifted(
            Lift(1, 4, dim=2, shuffle=2),
            Flow([_convolutional()], Euler(), steps=ContractiveSteps()),
        ),
        offset=0.5,
    ),
    "average": lambda: Average(
        [Flow(_gradient(), Euler(), steps=ContractiveSteps(count=1)), nn.Identity()],
        weights=(0.25, 0.75),
    ),
    "residual": lambda: Residual(
        Flow(_gradient(), Euler(), steps=ContractiveSteps(count=1)), scale=-0.5
    ),
}

SPACE: dict[str, tuple[int, ...]] = {
    "euler-conv-clip": (4, 7, 6),
    "lifted": (1, 7, 6),
}


def example_shape(name: str) -> tuple[int, ...]:
    """Return (features, *space) of the inputs of a case.

    Example:
        >>> example_shape("euler-rows"), example_shape("lifted")
        ((4,), (1, 7, 6))
    """
    return SPACE.get(name, (4,))
