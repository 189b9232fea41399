"""Vectors v with Σ v vᵀ = ∂²L in the output of a model, and squares of what they become."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from darboux.optim._likelihood import Likelihood


def roots(likelihood: Likelihood, z: Tensor, count: int | None, seed: int) -> Iterator[Tensor]:
    """Yield vectors v, of the shape of z, with Σ v vᵀ = H in expectation over random signs.

    Those of one sample are exact without a count: as many as it has outputs, one after the other.
    Samples have signs of their own, so that the square of Σ_n Jₙᵀvₙ has the expectation
    Σ_n (Jₙᵀvₙ)².
    """
    root, n = likelihood.root(z), z[0].numel()
    generator = torch.Generator().manual_seed(seed)

    def signs(*shape: int) -> Tensor:
        drawn = torch.randint(2, shape, generator=generator)
        return (2 * drawn - 1).to(z.device, z.dtype)

    if count is not None:
        for _ in range(count):
            yield root(signs(*z.shape)) / count**0.5
        return
    for entry in range(n):
        u = z.new_zeros(len(z), n)
        u[:, entry] = signs(len(z))
        yield root(u.reshape(z.shape))


def blended(old: Tensor | None, new: Tensor, count: int, decay: float) -> Tensor:
    """Return the mean of what was measured so far, which forgets at a rate of 1 - decay at last."""
    if old is None:
        return new
    kept = min(1 - 1 / (count + 1), decay)
    return old * kept + new * (1 - kept)
