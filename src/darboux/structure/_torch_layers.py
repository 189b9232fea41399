"""The claims of layers of `torch.nn` that keep, drop, normalise or look up entries."""

from __future__ import annotations

from importlib import import_module

import torch
from torch import Tensor, nn

from darboux.structure._claim import Claim, Claims, Gap, Kind
from darboux.structure._metric import Averaged, Isometric, Lipschitz
from darboux.structure._registry import claims_of

_Norm = nn.LayerNorm | nn.GroupNorm | nn.RMSNorm | nn.modules.batchnorm._NormBase

_INFLATED = 1 + 4 * torch.finfo(torch.float64).eps


@claims_of.register(nn.Linear)
@claims_of.register(nn.Conv1d)
@claims_of.register(nn.Conv2d)
@claims_of.register(nn.Conv3d)
@claims_of.register(nn.ConvTranspose1d)
@claims_of.register(nn.ConvTranspose2d)
@claims_of.register(nn.ConvTranspose3d)
def _(module: nn.Module) -> Claims:
    # Norms are bounded by `linear`, a room above, which may not have been imported yet.
    claims: Claims = import_module("darboux.linear._torch_rules").claims_of_weights(module)
    return claims


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
@claims_of.register(nn.ChannelShuffle)
@claims_of.register(nn.Flatten)
@claims_of.register(nn.Unflatten)
def _(module: nn.Module) -> Claims:
    reason = f"{type(module).__name__} permutes entries"
    return Claims((Claim(Isometric(), Kind.CONSTRUCTION, reason),))


@claims_of.register(nn.Dropout)
@claims_of.register(nn.Dropout1d)
@claims_of.register(nn.Dropout2d)
@claims_of.register(nn.Dropout3d)
@claims_of.register(nn.AlphaDropout)
@claims_of.register(nn.FeatureAlphaDropout)
def _(module: nn.Module) -> Claims:
    if module.training:
        return Claims(gaps=(Gap("", "dropout is random in training mode; call eval()"),))
    return claims_of(nn.Identity())


@claims_of.register(nn.Embedding)
@claims_of.register(nn.EmbeddingBag)
def _(module: nn.Module) -> Claims:
    name = type(module).__name__
    return Claims(
        gaps=(Gap("", f"{name} looks up indices, no vectors; certify the network behind it"),)
    )


@claims_of.register(nn.BatchNorm1d)
@claims_of.register(nn.BatchNorm2d)
@claims_of.register(nn.BatchNorm3d)
def _(module: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) -> Claims:
    variance = module.running_var
    if module.training or variance is None:
        reason = "batch statistics make the map depend on the batch; call eval()"
        return Claims(gaps=(Gap("", reason),))
    return _normalised(module, variance.double() + module.eps, "running_var + eps")


@claims_of.register(nn.InstanceNorm1d)
@claims_of.register(nn.InstanceNorm2d)
@claims_of.register(nn.InstanceNorm3d)
def _(module: nn.InstanceNorm1d | nn.InstanceNorm2d | nn.InstanceNorm3d) -> Claims:
    if module.running_var is None or module.training:
        return _normalised(module, module.eps, "eps")
    return _normalised(module, module.running_var.double() + module.eps, "running_var + eps")


@claims_of.register(nn.LayerNorm)
@claims_of.register(nn.GroupNorm)
def _(module: nn.LayerNorm | nn.GroupNorm) -> Claims:
    return _normalised(module, module.eps, "eps")


@claims_of.register
def _(module: nn.RMSNorm) -> Claims:
    if module.eps is None:
        reason = "eps=None is another number for every dtype; use eps=1e-6"
        return Claims(gaps=(Gap("", reason),))
    return _normalised(module, module.eps, "eps")


def _normalised(module: _Norm, square: Tensor | float, under: str) -> Claims:
    """Return the claims of w (x - mean)/√(variance + eps), where variance + eps >= square."""
    # With statistics of the input itself, z = x - mean and v = ‖z‖²/n, the Jacobian is
    # (C - z zᵀ/(n (v + eps)))/√(v + eps), C the projection on mean 0: its eigenvalues are at most
    # 1/√eps, which they are at z = 0, whatever the input is elsewhere. So with C = 1, mean 0.
    square = torch.as_tensor(square, dtype=torch.float64)
    weight = square.new_ones(1) if module.weight is None else module.weight
    gain = (weight.detach().double().abs() / square.sqrt()).flatten()
    if not bool((square > 0).all()) or not bool(gain.isfinite().all()):
        reason = f"expected {under} > 0 and finite weights, or the values are not finite"
        return Claims(gaps=(Gap("", reason),))
    constant = float(gain.max()) * _INFLATED
    reason = f"max |weight| / √({under})"
    return Claims((Claim(Lipschitz(constant), Kind.BOUND, reason),))
