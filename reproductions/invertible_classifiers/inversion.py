"""Images from the last invertible features of a classifier, and what memory inversion saves."""

from __future__ import annotations

import copy
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darboux.bijections import Chain
from darboux.gradients import Memory
from darboux.linear import Lift
from reproductions.common.classification import LabelledImages
from reproductions.common.sizes import kept_bytes


@torch.no_grad()
def restored(network: nn.Sequential, images: Tensor) -> Tensor:
    """Return the images that the features before the head come from.

    Example:
        >>> import darboux as dx
        >>> net = dx.models.coupling_classifier(1, 3, channels=4, depth=(1, 1)).eval()
        >>> x = torch.rand(2, 1, 9, 9)
        >>> torch.testing.assert_close(restored(net, x), x)
    """
    chain, lift = cast("Chain", network.chain), cast("nn.Sequential", network.lift)
    features = chain(lift(images))
    found = cast("Lift", lift[1]).adjoint(cast("Tensor", chain.inverse(features)))
    return found[..., : images.shape[-2], : images.shape[-1]]


def bytes_kept(network: nn.Sequential, data: LabelledImages, memory: Memory) -> int:
    """Return what the loss of a batch keeps for its gradient, in a memory mode."""
    own = _with_memory(network, memory)
    return kept_bytes(own, lambda: F.cross_entropy(own(data.images), data.classes))


def gradient_difference(network: nn.Sequential, data: LabelledImages) -> float:
    """Return how far gradients without activations are from those of autograd, relatively."""
    modes: tuple[Memory, Memory] = ("autograd", "constant")
    exact, found = (_gradient(_with_memory(network, memory), data) for memory in modes)
    return float((found - exact).norm() / exact.norm())


def _gradient(network: nn.Module, data: LabelledImages) -> Tensor:
    F.cross_entropy(network(data.images), data.classes).backward()
    return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])


def _with_memory(network: nn.Sequential, memory: Memory) -> nn.Sequential:
    """Return a copy in training mode whose chain has another memory mode."""
    own = copy.deepcopy(network).train()
    own.zero_grad()
    chain = Chain(list(cast("Chain", own.chain).layers), memory=memory)
    own.chain = chain
    return own
