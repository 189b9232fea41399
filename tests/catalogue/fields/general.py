"""Named fields without more structure than their constants: name -> factory."""

from __future__ import annotations

from collections.abc import Callable

from torch.nn.utils import parametrize

from darboux.activations import Clip, Identity, LeakyReLU, ReLU, Sigmoid, Softplus, Tanh
from darboux.fields import (
    AntisymmetricField,
    GradientField,
    ResidualField,
    VectorField,
    ZhangSchaefferField,
)
from darboux.linear import Conv, Dense, FiniteDifference, LinearMap, Nonnegative, Stacked


def _stacked() -> GradientField:
    maps = Stacked(Conv(2, 3, kernel_size=3, dim=2), FiniteDifference(2, dim=2))
    return GradientField(maps, Tanh())


def _nonnegative() -> ZhangSchaefferField:
    outer = Dense(6, 4)
    parametrize.register_parametrization(outer, "weight", Nonnegative())
    return ZhangSchaefferField(Dense(4, 6), ReLU(), outer)


CASES: dict[str, Callable[[], VectorField]] = {
    "residual-dense-tanh": lambda: ResidualField(Dense(4, 4), Tanh()),
    "residual-conv1d-leaky": lambda: ResidualField(Conv(3, 3, kernel_size=3, dim=1), LeakyReLU()),
    "antisymmetric-dense-tanh": lambda: AntisymmetricField(Dense(4, 4), Tanh()),
    "antisymmetric-conv2d-damped": lambda: AntisymmetricField(
        Conv(2, 2, kernel_size=3, dim=2), ReLU(), damping=0.3
    ),
    "antisymmetric-linear-damped": lambda: AntisymmetricField(Dense(4, 4), Identity(), damping=0.5),
    "gradient-rows-dense-relu": lambda: GradientField(Dense(4, 6), ReLU()),
    "gradient-rows-conv2d-clip": lambda: GradientField(
        Conv(2, 5, kernel_size=3, dim=2, padding_mode="zeros"), Clip(5, dim=2, threshold=0.3)
    ),
    "gradient-rows-conv3d-softplus": lambda: GradientField(
        Conv(1, 2, kernel_size=3, dim=3), Softplus()
    ),
    "gradient-rows-stacked": _stacked,
    "gradient-entries-dense": lambda: GradientField(Dense(4, 6), Tanh(), metric="entries"),
    "gradient-entries-conv2d-clip": lambda: GradientField(
        Conv(2, 5, kernel_size=3, dim=2), Clip(5, dim=2, threshold=0.3), metric="entries"
    ),
    "gradient-norm-dense-sigmoid": lambda: GradientField(Dense(4, 6), Sigmoid(), metric="norm"),
    "gradient-norm-conv1d-leaky": lambda: GradientField(
        Conv(2, 4, kernel_size=5, dim=1), LeakyReLU(slope=0.2), metric="norm"
    ),
    "gradient-norm-dense-identity": lambda: GradientField(Dense(4, 4), Identity(), metric="norm"),
    "gradient-even-kernel": lambda: GradientField(Conv(2, 3, kernel_size=2, dim=2), ReLU()),
    "zhang-schaeffer-dense": lambda: ZhangSchaefferField(Dense(4, 6), ReLU(), Dense(6, 4)),
    "zhang-schaeffer-nonnegative": _nonnegative,
    "zhang-schaeffer-symmetric": lambda: ZhangSchaefferField.symmetric(Dense(4, 6), ReLU()),
}


def features_of(field: VectorField) -> tuple[int, int]:
    """Return (features, dim) of the states of a field: those of its first map, or else (4, 0).

    Example:
        >>> features_of(CASES["residual-conv1d-leaky"]())
        (3, 1)
    """
    maps = (part for part in field.children() if isinstance(part, LinearMap))
    linear = next(maps, None)
    return (4, 0) if linear is None else (linear.in_features, linear.dim)
