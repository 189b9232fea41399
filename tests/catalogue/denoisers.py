"""Named denoisers of images: name -> factory."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

import darboux as dx
from darboux.activations import Activation, Clip
from darboux.fields import GradientField
from darboux.imaging import (
    BilevelDenoiser,
    GradientDenoiser,
    NonexpansiveDenoiser,
    ProximalDenoiser,
)
from darboux.linear import Conv
from tests.catalogue.priors import ridge

Build = Callable[[], nn.Module]


def averaged(**settings: float) -> NonexpansiveDenoiser:
    """Return a small averaged denoiser."""
    return NonexpansiveDenoiser(dx.models.denoiser(features=6, units=6, depth=2), **settings)


def field(metric: str = "rows", activation: Activation | None = None) -> GradientField:
    """Return a small gradient field on grey images."""
    filters = Conv(1, 6, kernel_size=3, dim=2, padding_mode="zeros")
    return GradientField(filters, activation or Clip(6, dim=2, threshold=0.05), metric=metric)


CASES: dict[str, Build] = {
    "averaged": averaged,
    "averaged-strong": lambda: averaged(strength=1.05),
    "averaged-weak": lambda: averaged(strength=0.3),
    "gradient": lambda: GradientDenoiser(field()),
    "gradient-norm": lambda: GradientDenoiser(field("norm"), fraction=0.5),
    "proximal": lambda: ProximalDenoiser(ridge(), gamma=0.5),
    "bilevel": lambda: BilevelDenoiser(ridge()),
}
