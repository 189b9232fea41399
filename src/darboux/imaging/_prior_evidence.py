"""What the energy takes for true of a prior, attacked on a part of the reconstructed images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, final

import torch
from torch import Tensor, nn

from darboux.certification import Effort, Row, Target
from darboux.certification._engine import claim_row, premise_row
from darboux.certification._nodes import Located, grow
from darboux.imaging._energy import LeastSquares
from darboux.structure import Claim, Kind, Smooth, WeaklyConvex, claims_of, gradient_of_values

_SIDE = 16  # of the part


def prior_rows(energy: LeastSquares, image: Tensor) -> list[Row]:
    """Return rows about the constants of a prior and its gradient: the run alone sees little."""
    if not image.numel() or not energy.weight:
        return []
    window = (slice(2), slice(None), *(slice(_SIDE),) * (image.ndim - 2))
    part, called = image[window].contiguous(), _Called(energy)
    target = Target(called, part, Effort.named("quick"), torch.Generator().manual_seed(0))
    said, name = claims_of(energy.prior), type(energy.prior).__name__
    constants: list[Any] = [WeaklyConvex(energy.rho)]
    if not energy.by_prox:
        constants.append(Smooth(float(energy.prior.lipschitz())))
    rows = []
    with torch.enable_grad():
        for constant in constants:
            known = said.find(type(constant))
            kind, reason = (known.kind, known.reason) if known else (Kind.MEASURED, "")
            claim = Claim(constant, kind, reason)
            rows.append(claim_row(claim, target, path=name, level="part"))
        if not energy.by_prox and called(part.clone().requires_grad_()).requires_grad:
            place = Located(name, gradient_of_values(called), grow("", called, called, part))
            row = premise_row(place, target)
            rows.append(replace(row, statement=gradient_of_values(energy.prior).statement()))
    return rows


@final
class _Called(nn.Module):
    """A prior at one of its noise levels, as a function of one argument."""

    def __init__(self, energy: LeastSquares) -> None:
        super().__init__()
        self.prior = energy.prior
        given = energy.sigma
        self.sigma = None if given is None else float(torch.as_tensor(given).reshape(-1)[0])

    def forward(self, x: Tensor) -> Tensor:
        """Return its values."""
        values: Tensor = self.prior.g(x, self.sigma)
        return values

    def grad(self, x: Tensor) -> Tensor:
        """Return its gradient."""
        gradient: Tensor = self.prior.grad(x, self.sigma)
        return gradient
