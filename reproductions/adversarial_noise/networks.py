"""A plain residual network and a nonexpansive one of the same size."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal

import darboux as dx
from darboux.activations import ReLU
from darboux.integrators import Euler
from darboux.linear import Dense
from reproductions.common.classification import LabelledImages, labelled_digits

CLASSES = 10
_PIXELS = 64
_LAYERS, _HIDDEN = 5, 128
_HELD_OUT = 400


@final
class Classifier(nn.Module):
    """Scores V φ(x), φ a flow and V a matrix with orthonormal rows.

    Where φ has the Lipschitz constant L, differences of two scores have √2 L: an image keeps its
    class under all noise of norms below (largest - second score)/(√2 L).
    """

    def __init__(self, body: dx.Flow) -> None:
        super().__init__()
        self.body = body
        self.head = orthogonal(nn.Linear(_PIXELS, CLASSES, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores, (batch, classes)."""
        found: Tensor = self.head(self.body(x.flatten(1)))
        return found

    def lipschitz(self) -> float:
        """Return the bound L of the flow that its claims give."""
        claim = self.body.claims().find(dx.Lipschitz)
        assert claim is not None
        assert isinstance(claim.structure, dx.Lipschitz)
        return float(claim.structure.constant)

    @torch.no_grad()
    def radii(self, data: LabelledImages) -> Tensor:
        """Return the norms up to which images keep their right class; negative if it is wrong."""
        return margins(self(data.images), data.classes) / (2**0.5 * self.lipschitz())


def margins(scores: Tensor, classes: Tensor) -> Tensor:
    """Return the scores of the right classes minus the largest others."""
    right = scores.gather(1, classes[:, None])
    others = scores.scatter(1, classes[:, None], -torch.inf)
    return (right[:, 0] - others.amax(dim=1)).float()


def plain() -> Classifier:
    """Return a residual network of layers z - A₂ ReLU(A₁z + b₁) + b₂."""
    half = _HIDDEN // 2
    fields = [
        dx.fields.ZhangSchaefferField(Dense(_PIXELS, half), ReLU(), Dense(half, _PIXELS))
        for _ in range(_LAYERS)
    ]
    return Classifier(dx.Flow(fields, Euler(), horizon=float(_LAYERS)))


def nonexpansive() -> Classifier:
    """Return a network of steps z - hA*T⁻¹ReLU(Az + b) inside their contractivity radius."""
    fields = [dx.fields.GradientField(Dense(_PIXELS, _HIDDEN), ReLU()) for _ in range(_LAYERS)]
    return Classifier(dx.Flow(fields, Euler(), steps=dx.ContractiveSteps(fraction=1.0)))


def digits(seed: int) -> tuple[LabelledImages, LabelledImages]:
    """Return digits to learn from and to judge by, pixels in [0, 1]."""
    data = labelled_digits()
    rows = torch.randperm(len(data.images), generator=torch.Generator().manual_seed(seed))
    parts = rows[_HELD_OUT:], rows[:_HELD_OUT]
    training, held_out = (LabelledImages(data.images[r], data.classes[r]) for r in parts)
    return training, held_out
