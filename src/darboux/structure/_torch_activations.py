"""The claims of the activations of `torch.nn`, from the ranges of their slopes."""

from __future__ import annotations

import math

from torch import nn

from darboux.structure._claim import Claims, Gap, Kind
from darboux.structure._registry import claims_of
from darboux.structure._slopes import slopes_prove

# Extreme slopes, rounded outwards, are where φ'' = 0; g(x) + g(-x) = 1 for the slope g of
# x times a sigmoid, so they add to 1.
_RANGES: dict[type[nn.Module], tuple[float, float]] = {
    nn.ReLU: (0.0, 1.0),
    nn.ReLU6: (0.0, 1.0),
    nn.Hardtanh: (0.0, 1.0),
    nn.Tanh: (0.0, 1.0),
    nn.Softshrink: (0.0, 1.0),
    nn.Softsign: (0.0, 1.0),  # 1/(1 + |x|)²
    nn.LogSigmoid: (0.0, 1.0),
    nn.Tanhshrink: (0.0, 1.0),  # tanh² x
    nn.Sigmoid: (0.0, 0.25),
    nn.Hardsigmoid: (0.0, 1 / 6),
    nn.Hardswish: (-0.5, 1.5),  # (2x + 3)/6 for |x| < 3
    nn.SiLU: (-0.09983932012886693, 1.09983932012886693),  # x = ±2.3994
    nn.Mish: (-0.11252612238946257, 1.08849816125171788),  # x = -2.2564, 1.4906
    # scale · α e^x <= 1.0507 · 1.6733 for x < 0, scale for x > 0
    nn.SELU: (0.0, 1.75809934084737678),
}

_GELU = {
    "none": (-0.12890414518515480, 1.12890414518515480),  # x = ±√2
    "tanh": (-0.12899306865877178, 1.12899306865877178),  # x = ±1.4185
}


_FLOAT32 = 2.0**-24  # half a unit in the last place, relative


def _by_slopes(module: nn.Module, lower: float, upper: float, kind: Kind) -> Claims:
    """Return the claims of an elementwise map, if it leaves its input alone."""
    if getattr(module, "inplace", False):
        return _gap("inplace=True overwrites its input; use inplace=False")
    return slopes_prove(f"the slopes of {type(module).__name__}", lower, upper, kind=kind)


def _hull(*slopes: float) -> tuple[float, float]:
    """Return the least and the largest, or no bounds where one is NaN or infinite."""
    finite = all(map(math.isfinite, slopes))
    return (min(slopes), max(slopes)) if finite else (-math.inf, math.inf)


def _gap(reason: str) -> Claims:
    return Claims(gaps=(Gap("", reason),))


def _fixed(module: nn.Module) -> Claims:
    known = next(cls for cls in type(module).__mro__ if cls in _RANGES)
    return _by_slopes(module, *_RANGES[known], Kind.CONSTRUCTION)


for _activation in _RANGES:
    claims_of.register(_activation, _fixed)


@claims_of.register
def _(module: nn.GELU) -> Claims:
    return _by_slopes(module, *_GELU[module.approximate], Kind.CONSTRUCTION)


@claims_of.register
def _(module: nn.ELU) -> Claims:
    return _by_slopes(module, *_hull(0.0, 1.0, module.alpha), Kind.CONSTRUCTION)  # α e^x for x < 0


@claims_of.register
def _(module: nn.CELU) -> Claims:
    # e^(x/α) for x < 0
    return _by_slopes(module, 0.0, 1.0 if module.alpha > 0 else math.inf, Kind.CONSTRUCTION)


@claims_of.register
def _(module: nn.LeakyReLU) -> Claims:
    return _by_slopes(module, *_hull(1.0, module.negative_slope), Kind.CONSTRUCTION)


@claims_of.register
def _(module: nn.RReLU) -> Claims:
    if module.training:
        return _gap("its slopes are random in training mode; call eval()")
    return _by_slopes(module, *_hull(1.0, (module.lower + module.upper) / 2), Kind.CONSTRUCTION)


@claims_of.register
def _(module: nn.PReLU) -> Claims:
    return _by_slopes(module, *_hull(1.0, *module.weight.flatten().tolist()), Kind.BOUND)


@claims_of.register
def _(module: nn.Softplus) -> Claims:
    # Above βx = threshold it returns x, less than log(1 + e^(βx))/β by a jump.
    top = module.threshold
    jump = math.log1p(math.exp(-top)) if top > 0 else math.inf
    if not module.beta or jump > _FLOAT32 * top:
        size = jump / abs(module.beta or 1)
        return _gap(
            f"it jumps down by {size:.1g} where beta x = threshold = {top:g}; use threshold=20 or "
            "more, or dx.activations.Softplus"
        )
    return _by_slopes(module, 0.0, 1.0, Kind.CONSTRUCTION)


@claims_of.register
def _(module: nn.Threshold) -> Claims:
    if module.value != module.threshold:
        return _gap(f"it jumps at {module.threshold:g}; use value=threshold")
    return _by_slopes(module, 0.0, 1.0, Kind.CONSTRUCTION)


@claims_of.register
def _(module: nn.Hardshrink) -> Claims:
    return _gap(f"it jumps at ±{module.lambd:g}; use nn.Softshrink")


@claims_of.register
def _(module: nn.GLU) -> Claims:
    del module
    return _gap("GLU multiplies two halves of its input: no constant for all inputs")


@claims_of.register(nn.Softmax)
@claims_of.register(nn.Softmax2d)
def _(module: nn.Module) -> Claims:
    # diag(p) - p pᵀ: v ↦ the variance of v under p, at most a quarter of (max v - min v)², that
    # is, at most ‖v‖²/2; sharp where two classes share p.
    return slopes_prove(f"the eigenvalues of the Jacobian of {type(module).__name__}", 0.0, 0.5)


@claims_of.register(nn.Softmin)
def _(module: nn.Module) -> Claims:
    del module
    return slopes_prove("the eigenvalues of the Jacobian of Softmin", -0.5, 0.0)


@claims_of.register(nn.LogSoftmax)
def _(module: nn.Module) -> Claims:
    # 1 - 𝟙 pᵀ is a projection of norm √n ‖p‖ <= √n, sharp where one class has all of p.
    del module
    return _gap(
        "the constant of LogSoftmax is √n for n classes, which the module does not tell; certify "
        "the network before it, or with nn.Softmax, whose constant is 1/2"
    )
