"""The claims of a module and the maps that it is made of, with rules for `torch.nn`."""

from __future__ import annotations

import inspect
from functools import singledispatch

import torch
from torch import nn

from darboux.structure._claim import Claim, Claims, Gap, Kind
from darboux.structure._compose import composition
from darboux.structure._energy import Dissipative, EnergyPreserving
from darboux.structure._metric import Averaged, Isometric, Lipschitz


@singledispatch
def claims_of(module: nn.Module) -> Claims:
    """Return the claims of a module, and the gaps where nothing is known.

    A module of one's own joins in by a method ``claims()`` that returns `Claims` (or
    a list of `Claim`); a class of another library by ``claims_of.register``.

    Args:
        module: any module.

    Example:
        >>> from torch import nn
        >>> [c.structure for c in claims_of(nn.Sequential(nn.ReLU(), nn.Identity()))]
        [Averaged(alpha=0.5)]
    """
    own = getattr(module, "claims", None)
    if own is None:
        return Claims(gaps=(Gap("", f"no claims are known for {type(module).__name__}"),))
    result = own()
    return result if isinstance(result, Claims) else Claims(tuple(result))


@singledispatch
def maps_of(module: nn.Module) -> tuple[tuple[str, nn.Module], ...]:
    """Return the named maps that a module applies one after another.

    `certify` attacks each of them at its own input. The default reads a method
    ``maps()`` of the module; a module without one is atomic.

    Example:
        >>> from torch import nn
        >>> [name for name, _ in maps_of(nn.Sequential(nn.ReLU(), nn.Tanh()))]
        ['0', '1']
    """
    own = getattr(module, "maps", None)
    if not inspect.isroutine(own) or inspect.signature(own).parameters:
        return ()  # something else by that name
    named = tuple(own())
    if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in named):
        msg = (
            f"{type(module).__name__}.maps(): expected (name, module) pairs, in the order in which "
            f"they are applied; got {named!r}. Return, for instance, [('first', self.first)]."
        )
        raise TypeError(msg)
    return named


@maps_of.register
def _(module: nn.Sequential) -> tuple[tuple[str, nn.Module], ...]:
    return tuple(module._modules.items())  # named_children() leaves out what comes again


@claims_of.register
def _(module: nn.Sequential) -> Claims:
    whole = composition([(name, claims_of(child)) for name, child in module._modules.items()])
    # A Sequential has no energy of its own, even around a single map that has one.
    energies = (Dissipative, EnergyPreserving)
    kept = tuple(claim for claim in whole if not isinstance(claim.structure, energies))
    return Claims(kept, whole.gaps)


@claims_of.register(nn.Identity)
def _(module: nn.Module) -> Claims:
    del module
    identity = "the identity"
    return Claims(
        (
            Claim(Averaged(0.0), Kind.CONSTRUCTION, identity),
            Claim(Isometric(), Kind.CONSTRUCTION, identity),
        )
    )


@claims_of.register(nn.PixelShuffle)
@claims_of.register(nn.PixelUnshuffle)
@claims_of.register(nn.Flatten)
@claims_of.register(nn.Unflatten)
def _(module: nn.Module) -> Claims:
    reason = f"{type(module).__name__} permutes entries"
    return Claims((Claim(Isometric(), Kind.CONSTRUCTION, reason),))


@claims_of.register(nn.ReLU)
@claims_of.register(nn.Hardtanh)
@claims_of.register(nn.ReLU6)
@claims_of.register(nn.Tanh)
@claims_of.register(nn.Sigmoid)
@claims_of.register(nn.Softplus)
@claims_of.register(nn.Softshrink)
@claims_of.register(nn.Softsign)
@claims_of.register(nn.LogSigmoid)
def _(module: nn.Module) -> Claims:
    if isinstance(module, (nn.ReLU, nn.ReLU6, nn.Hardtanh)) and module.inplace:
        return Claims(gaps=(Gap("", "inplace=True overwrites its input; use inplace=False"),))
    name = type(module).__name__
    constant = 0.25 if isinstance(module, nn.Sigmoid) else 1.0
    lipschitz = Claim(
        Lipschitz(constant), Kind.CONSTRUCTION, f"the slopes of {name} lie in [0, {constant:g}]"
    )
    # φ' in [0, 1] elementwise: φ = ½ id + ½ N with N' = 2φ' - 1 in [-1, 1].
    firm = Claim(Averaged(0.5), Kind.CONSTRUCTION, f"the slopes of {name} lie in [0, 1]")
    return Claims((firm, lipschitz) if constant < 1 else (firm,))


@claims_of.register
def _(module: nn.LeakyReLU) -> Claims:
    slope = module.negative_slope
    constant = max(1.0, abs(slope))
    reason = f"the slopes of LeakyReLU are {slope:g} and 1"
    return Claims((Claim(Lipschitz(constant), Kind.CONSTRUCTION, reason),))


@claims_of.register(nn.Dropout)
@claims_of.register(nn.Dropout1d)
@claims_of.register(nn.Dropout2d)
@claims_of.register(nn.Dropout3d)
def _(module: nn.Module) -> Claims:
    if module.training:
        return Claims(gaps=(Gap("", "dropout is random in training mode; call eval()"),))
    return claims_of(nn.Identity())


@claims_of.register(nn.BatchNorm1d)
@claims_of.register(nn.BatchNorm2d)
@claims_of.register(nn.BatchNorm3d)
def _(module: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) -> Claims:
    variance = module.running_var
    if module.training or variance is None:
        reason = "batch statistics make the map depend on the batch; call eval()"
        return Claims(gaps=(Gap("", reason),))
    gain = (variance.detach().double() + module.eps).rsqrt()
    if module.affine:
        gain = gain * module.weight.detach().double().abs()
    constant = float(gain.max()) * (1 + 4 * torch.finfo(torch.float64).eps)
    reason = "max |weight| / √(running_var + eps)"
    return Claims((Claim(Lipschitz(constant), Kind.BOUND, reason),))


@claims_of.register(nn.AvgPool1d)
@claims_of.register(nn.AvgPool2d)
@claims_of.register(nn.AvgPool3d)
@claims_of.register(nn.MaxPool1d)
@claims_of.register(nn.MaxPool2d)
@claims_of.register(nn.MaxPool3d)
def _(module: nn.Module) -> Claims:
    kernel, stride = _tuple(module.kernel_size), _tuple(module.stride)
    dilation = _tuple(getattr(module, "dilation", 1))
    if set(dilation) != {1} or any(s < k for k, s in zip(kernel, stride, strict=False)):
        reason = "windows overlap, so that one entry may be counted many times"
        return Claims(gaps=(Gap("", reason),))
    reason = "windows do not overlap: each output is 1-Lipschitz in its own window"
    return Claims((Claim(Lipschitz(1.0), Kind.CONSTRUCTION, reason),))


def _tuple(value: object) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (int(value),) * 3  # type: ignore[call-overload]
