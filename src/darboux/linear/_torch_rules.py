"""Claims of the layers of `torch.nn` that have weights: rigorous bounds of their norms."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils.spectral_norm import SpectralNorm

from darboux.linear._spectral import kernel_bound
from darboux.structure import Claim, Claims, Gap, Kind, Lipschitz, claims_of

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)

_PLAIN = (
    nn.Linear,
    *_CONVOLUTIONS,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


@claims_of.register(nn.Linear)
@claims_of.register(nn.Conv1d)
@claims_of.register(nn.Conv2d)
@claims_of.register(nn.Conv3d)
@claims_of.register(nn.ConvTranspose1d)
@claims_of.register(nn.ConvTranspose2d)
@claims_of.register(nn.ConvTranspose3d)
def _(module: nn.Module) -> Claims:
    """Bound what the layer computes with its present weight."""
    # A stride keeps some outputs only, and a dilation stretches the frequencies: neither
    # raises the supremum of the symbol. Groups are diagonal blocks, so the largest counts. A
    # transposed convolution is the adjoint of a strided one, seen through a window.
    reason = _unknown(module)
    if reason is not None:
        return Claims(gaps=(Gap("", reason),))
    groups = getattr(module, "groups", 1)
    try:
        weight = _weight(module)
        norms = [float(kernel_bound(block.detach())) for block in weight.chunk(groups)]
    except ValueError as error:
        return Claims(gaps=(Gap("", f"no norm bound: {error}"),))
    what = "singular value" if weight.ndim == 2 else "singular value of the symbol"
    said = f"the largest {what} is at most {max(norms):.6g}"
    return Claims((Claim(Lipschitz(max(norms)), Kind.BOUND, said),))


def _unknown(module: nn.Module) -> str | None:
    """Return why nothing is known about a layer, or None."""
    own, plain = type(module), next(cls for cls in _PLAIN if isinstance(module, cls))
    if any(
        getattr(own, name, None) is not getattr(plain, name, None)
        for name in ("forward", "_conv_forward")
    ):
        return f"{own.__name__} has a forward of its own; give it a method claims()"
    if isinstance(module._parameters.get("weight"), UninitializedParameter):
        return f"{own.__name__} has no weight before its first call"
    mode = getattr(module, "padding_mode", "zeros")
    if mode not in ("zeros", "circular"):
        return f"padding_mode={mode!r} repeats pixels at the border; use 'zeros' or 'circular'"
    if mode == "circular" and isinstance(module, _CONVOLUTIONS) and not _wraps_once(module):
        return (
            "circular padding beyond the size of the image repeats outputs; use padding_mode='same'"
        )
    return None


def _wraps_once(module: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> bool:
    """Return whether circular padding gives each output pixel at most once."""
    if isinstance(module.padding, str):
        return True
    sizes = zip(module.padding, module.dilation, module.kernel_size, strict=True)
    return all(2 * p <= step * (k - 1) for p, step, k in sizes)


def _weight(module: nn.Module) -> Tensor:
    """Return the weight that the next call uses."""
    # The old `torch.nn.utils.spectral_norm` writes it in a hook just before the call.
    with torch.no_grad():
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm) and hook.name == "weight":
                return hook.compute_weight(module, do_power_iteration=False)
        return cast("Tensor", module.weight)
