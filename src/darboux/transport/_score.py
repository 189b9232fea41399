"""How close a map of samples is to the optimal transport of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from darboux.structure._arguments import checked
from darboux.transport._states import points_of, rounding_of
from darboux.transport._wasserstein import distance, pairing


@final
@dataclass(frozen=True)
class TransportScore:
    """Three scores of a map x_i -> y_i, 1 where it is optimal, and what they rest on.

    Example:
        >>> import torch, darboux as dx
        >>> x = torch.randn(100, 2)
        >>> print(dx.transport.transport_score(x, x + 1e-4 * torch.randn(100, 2)))
        cost 1.000, match 1.000, gain 1.000: saturated, each sample is nearest to itself
    """

    cost: float  # least mean of squared distances / that of the map, in [0, 1]
    match: float  # share of samples whose best partner is their own image
    gain: float  # (mean cost of random pairings - cost of the map) / (the same for the best), <= 1
    displacement: float  # root mean square of ‖y_i - x_i‖
    spacing: float  # median distance of an x_i to the nearest other one
    nearest: float  # share of samples that are nearest to their own image, both clouds centred

    @property
    def saturated(self) -> bool:
        """Whether every sample is nearest to its own image: the scores are 1 of necessity."""
        return self.nearest == 1

    def __str__(self) -> str:
        """Return the scores, and what they are worth."""
        scores = f"cost {self.cost:.3f}, match {self.match:.3f}, gain {self.gain:.3f}"
        if self.saturated:
            return f"{scores}: saturated, each sample is nearest to itself"
        return f"{scores}: moves by {self.displacement:.3g} at a spacing of {self.spacing:.3g}"


@checked
def transport_score(x0: Tensor, xT: Tensor) -> TransportScore:  # noqa: N803
    """Return how close the map that takes the rows of x0 to those of xT is to optimal transport.

    With C(σ) = Σ_i ‖y_σ(i) - x_i‖², the identity e, the best permutation σ* and the mean C̄ of C
    over all permutations,

        cost = C(σ*) / C(e),   match = #{i : σ*(i) = i} / n,   gain = (C̄ - C(e)) / (C̄ - C(σ*)).

    All are 1 exactly where C(e) is least: the map is, on these samples, the gradient of a convex
    function. These definitions are ours: the formula of Gai and Zhang's optimal transport
    score is not public. Pairs that are as good as the best up to rounding count as best.

    The scores saturate. Where samples move by less than half of their spacing, any map has 1, and
    in many dimensions the spacing is large: look at `saturated`, `displacement` and `spacing`,
    take many samples, and the whole network rather than a layer. `cost` also tends to 1 for any
    map that adds a large constant or makes points much larger; `gain` changes with neither, is 0
    for a random pairing, and negative for worse ones.

    Shapes: x0 and xT are (count, *features), 2 to 5000 samples.

    Source: Gai and Zhang 2021 for the question.

    Args:
        x0: samples before the map.
        xT: the same samples after it.

    Raises:
        TypeError: if one is no tensor of real floating-point numbers.
        ValueError: if shapes differ, there are fewer than 2 samples or too many, or a feature is
            not finite.

    Example:
        >>> import math, torch, darboux as dx
        >>> x, angle = torch.randn(200, 2), torch.tensor(2.0)  # more than a quarter turn
        >>> c, s = angle.cos(), angle.sin()
        >>> turned = dx.transport.transport_score(x, x @ torch.stack([c, s, -s, c]).reshape(2, 2))
        >>> stretched = dx.transport.transport_score(x, 3 * x + x.relu())
        >>> (turned.cost < 0.5, turned.gain < 0), (stretched.cost, stretched.match)
        ((True, True), (1.0, 1.0))
    """
    x, y = (points_of("transport_score", points, least=2) for points in (x0.detach(), xT.detach()))
    products, partners = pairing("transport_score", x, y, rounding_of(x0, xT))
    rows = torch.arange(len(x), device=x.device)
    own, best = products.trace(), products[rows, partners].sum()
    fixed = bool((partners == rows).all())
    total = (x - y).square().sum()
    return TransportScore(
        cost=1.0 if fixed else float((1 - 2 * (best - own) / total).clamp(0, 1)),
        match=float((partners == rows).double().mean()),
        gain=1.0 if fixed else min(1.0, float(own / best)),
        displacement=float(distance(x, y)),
        spacing=float(_spacing(x)),
        nearest=_nearest(x, y),
    )


def _spacing(x: Tensor) -> Tensor:
    """Return the median distance to the nearest other point."""
    apart = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    return apart.fill_diagonal_(float("inf")).amin(dim=1).median()


def _nearest(x: Tensor, y: Tensor) -> float:
    """Return the share of points with no image nearer than their own, or of images, centred."""
    a, b = x - x.mean(dim=0), y - y.mean(dim=0)
    apart = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    own = apart.diagonal()
    return max(float((own <= apart.amin(dim=dim)).double().mean()) for dim in (0, 1))
