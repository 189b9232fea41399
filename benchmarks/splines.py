"""The same spline coupling flow in Darboux, nflows and normflows, with the same parameters."""

from __future__ import annotations

import math

import torch
from nflows.transforms import PiecewiseRationalQuadraticCouplingTransform
from normflows.flows.neural_spline.coupling import PiecewiseRationalQuadraticCoupling
from torch import Tensor, nn

from darboux.bijections import SplineCoupling

BINS, TAIL, SLOPE = 8, 3.0, 1e-3


def conditioner(inputs: int, outputs: int, hidden: int) -> nn.Sequential:
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )


def darboux_flow(features: int, layers: int, hidden: int) -> nn.ModuleList:
    """Couplings of alternating halves."""
    half = features // 2
    return nn.ModuleList(
        SplineCoupling(
            conditioner(half, (3 * BINS - 1) * half, hidden),
            swap=k % 2 == 1,
            bins=BINS,
            tail=TAIL,
            min_slope=SLOPE,
        )
        for k in range(layers)
    )


def peer_flow(flow: nn.ModuleList, library: str) -> nn.ModuleList:
    """The layers of a peer, without its options that cost more, with our parameters."""
    return nn.ModuleList(_peer_layer(layer, library) for layer in flow)


def log_prob(flow: nn.ModuleList, x: Tensor, *, ours: bool) -> Tensor:
    """Log-density of x under a normal law of the flow's values."""
    total = torch.zeros(len(x))
    for layer in flow:
        x, part = layer.forward_and_log_det(x) if ours else layer(x)
        total = total + part
    return total - 0.5 * x.square().sum(1) - 0.5 * x.shape[1] * math.log(2 * math.pi)


def sample(flow: nn.ModuleList, x: Tensor) -> Tensor:
    """What the flow maps to x, without gradients."""
    with torch.no_grad():
        for layer in reversed(flow):
            x = layer.inverse(x)
            x = x[0] if isinstance(x, tuple) else x
    return x


class _WithContext(nn.Module):
    """A conditioner that is called as those of the peers are."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        del context
        return self.network(x)


def _peer_layer(layer: SplineCoupling, library: str) -> nn.Module:
    last = layer.network[-1]
    half = last.out_features // (3 * BINS - 1)
    mask = torch.ones(2 * half)
    mask[half:] = 0.0
    mask = mask if layer.swap else 1 - mask

    def create(inputs: int, outputs: int) -> nn.Module:
        network = conditioner(inputs, outputs, last.in_features)
        network.load_state_dict(_reordered(layer.network.state_dict(), half))
        return _WithContext(network)

    if library == "nflows":
        return PiecewiseRationalQuadraticCouplingTransform(
            mask, create, num_bins=BINS, tails="linear", tail_bound=TAIL
        )
    return PiecewiseRationalQuadraticCoupling(
        mask, create, num_bins=BINS, tails="linear", tail_bound=TAIL
    )


def _reordered(state: dict[str, Tensor], half: int) -> dict[str, Tensor]:
    """Peers want the parameters of a feature side by side, and slope 1 is not their zero."""
    count = 3 * BINS - 1
    order = torch.arange(count * half).view(count, half).t().flatten()
    offset = torch.zeros(half, count)
    offset[:, 2 * BINS :] = math.log(math.expm1(1 - SLOPE))
    return {
        **state,
        "4.weight": state["4.weight"][order],
        "4.bias": state["4.bias"][order] + offset.flatten(),
    }
