"""Losses as likelihoods: their curvature in the output of a model, without targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn

_MOST = 256  # outputs of a sample, of a loss of which only values are known

_MODULES = (nn.MSELoss, nn.CrossEntropyLoss, nn.BCEWithLogitsLoss)


@final
class Likelihood:
    """L(z) with H = ∂²L, which for the losses of torch here is free of targets, and a root of H.

    H is the Fisher information of the output where L is the negative log-likelihood of an
    exponential family with natural parameters z: normal, categorical, Bernoulli.
    """

    def __init__(self, owner: str, loss: nn.Module | Callable[[Tensor], Tensor]) -> None:
        _check(owner, loss)
        self._owner = owner
        self._loss = loss

    def cost(self, z: Tensor) -> Tensor:
        """Return L up to terms without curvature, ()."""
        if isinstance(self._loss, nn.CrossEntropyLoss):
            value = self._loss(z, z.detach().argmax(dim=_classes(z)))
        elif isinstance(self._loss, _MODULES):
            value = self._loss(z, torch.zeros_like(z))
        else:
            value = self._loss(z)
        if value.ndim > 0:
            msg = (
                f"{self._owner}: expected a loss that is one number; got shape "
                f"{tuple(value.shape)}. Use reduction='mean', or return its mean() or sum()."
            )
            raise ValueError(msg)
        return value

    def root(self, z: Tensor) -> Callable[[Tensor], Tensor]:
        """Return u -> S u with S Sᵀ = H, sample by sample, for u of the shape of z."""
        z = z.detach()
        if isinstance(self._loss, nn.CrossEntropyLoss):
            return _categorical(z, self._scale(z.numel() // z.shape[_classes(z)]))
        if isinstance(self._loss, nn.MSELoss):
            factor = (2 * self._scale(z.numel())) ** 0.5
            return lambda u: factor * u
        if isinstance(self._loss, nn.BCEWithLogitsLoss):
            p = z.sigmoid()
            spread = (self._scale(z.numel()) * p * (1 - p)).sqrt()
            return lambda u: spread * u
        return self._by_values(z)

    def _scale(self, count: int) -> float:
        return 1 / count if getattr(self._loss, "reduction", "sum") == "mean" else 1.0

    def _by_values(self, z: Tensor) -> Callable[[Tensor], Tensor]:
        """Return the product with a root of the Hessian of each sample, from derivatives."""
        n = z[0].numel()
        if n > _MOST:
            msg = (
                f"{self._owner}: expected at most {_MOST} outputs a sample for a loss that is a "
                f"function; got {n}. Use torch.nn.MSELoss, CrossEntropyLoss or BCEWithLogitsLoss."
            )
            raise ValueError(msg)
        with torch.enable_grad():
            at = z.clone().requires_grad_()
            (slope,) = torch.autograd.grad(self.cost(at), at, create_graph=True)
            rows = slope.reshape(len(z), n).sum(dim=0)
            bends = [torch.autograd.grad(r, at, retain_graph=True)[0].flatten(1) for r in rows]
        values, vectors = torch.linalg.eigh(torch.stack(bends, dim=1))
        roots = vectors * values.clamp(min=0).sqrt().unsqueeze(1)
        return lambda u: (roots @ u.reshape(len(z), n, 1)).reshape(z.shape)


def _categorical(z: Tensor, scale: float) -> Callable[[Tensor], Tensor]:
    """Return the product with S = diag(√p) - p √pᵀ, for which S Sᵀ = diag p - p pᵀ."""
    axis = _classes(z)
    p = z.softmax(dim=axis)
    root = p.sqrt()
    return lambda u: scale**0.5 * (root * u - p * (root * u).sum(dim=axis, keepdim=True))


def _classes(z: Tensor) -> int:
    return min(z.ndim - 1, 1)


def _check(owner: str, loss: object) -> None:
    """Refuse losses whose curvature depends on targets."""
    if isinstance(loss, _MODULES) and loss.reduction in ("mean", "sum"):
        weights = (getattr(loss, name, None) for name in ("weight", "pos_weight"))
        if all(w is None for w in weights) and getattr(loss, "ignore_index", -100) < 0:
            return
    if not isinstance(loss, nn.modules.loss._Loss) and callable(loss):
        return
    msg = (
        f"{owner}: expected the loss to be torch.nn.MSELoss, CrossEntropyLoss or BCEWithLogitsLoss "
        f"without weights, with reduction 'mean' or 'sum'; got {loss!r}. Give a function of the "
        "output whose second derivative is that of the loss."
    )
    raise ValueError(msg)
