"""Claims of the layers of `torch.nn` that have weights: rigorous bounds of their norms."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _SpectralNorm

from darboux.linear._spectral import kernel_bound
from darboux.structure import Claim, Claims, Gap, Kind, Lipschitz
from darboux.structure._torch_windows import repetitions

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def claims_of_weights(module: nn.Module) -> Claims:
    """Bound what the layer computes with its present weight."""
    # A stride keeps some outputs only, and a dilation stretches the frequencies: neither
    # raises the supremum of the symbol. Groups are diagonal blocks, so the largest counts. A
    # transposed convolution is the adjoint of a strided one, seen through a window.
    reason = _unknown(module)
    if reason is not None:
        return Claims(gaps=(Gap("", reason),))
    groups = getattr(module, "groups", 1)
    try:
        with torch.no_grad():
            weight = cast("Tensor", module.weight)
            norm = max(float(kernel_bound(block)) for block in weight.chunk(groups))
    except ValueError as error:
        return Claims(gaps=(Gap("", f"no norm bound: {error}"),))
    what = "singular value" if weight.ndim == 2 else "singular value of the symbol"
    said = f"the largest {what} is at most {norm:.6g}"
    copies = _copies(module)
    if copies > 1:
        said += f", and {module.padding_mode} padding repeats a pixel {copies} times at most"
    return Claims((Claim(Lipschitz(norm * math.sqrt(copies)), Kind.BOUND, said),))


def _unknown(module: nn.Module) -> str | None:
    """Return why nothing is known about a layer, or None."""
    if isinstance(module._parameters.get("weight"), UninitializedParameter):
        return f"{type(module).__name__} has no weight before its first call"
    if module.training and parametrize.is_parametrized(module, "weight"):
        constraints = module.get_submodule("parametrizations.weight").children()
        if any(isinstance(constraint, _SpectralNorm) for constraint in constraints):
            return "spectral_norm changes the weight with every call in training mode; call eval()"
    return None


def _copies(module: nn.Module) -> int:
    """Return how often padding repeats an entry for the convolution that follows it, at most."""
    if not isinstance(module, _CONVOLUTIONS) or module.padding_mode == "zeros":
        return 1
    if module.padding_mode == "circular" and _wraps_once(module):
        return 1  # one convolution on the torus, and some of its outputs
    return repetitions(module.padding_mode, tuple(module._reversed_padding_repeated_twice))


def _wraps_once(module: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> bool:
    """Return whether circular padding gives each output pixel at most once."""
    if isinstance(module.padding, str):
        return True
    sizes = zip(module.padding, module.dilation, module.kernel_size, strict=True)
    return all(2 * p <= step * (k - 1) for p, step, k in sizes)
