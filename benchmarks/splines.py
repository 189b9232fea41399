"""The same spline coupling flow in Darboux, nflows, normflows and zuko."""

from __future__ import annotations

import math
from functools import partial

import torch
import zuko
from nflows.transforms import PiecewiseRationalQuadraticCouplingTransform
from normflows.flows.neural_spline.coupling import PiecewiseRationalQuadraticCoupling
from torch import Tensor, nn

from darboux.bijections import SplineCoupling
from darboux.bijections._rational_quadratic import Bins

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


def constant(flow: nn.ModuleList) -> nn.ModuleList:
    """The flow with splines that do not depend on the input, but differ from entry to entry."""
    with torch.no_grad():
        for layer in flow:
            layer.network[-1].weight.zero_()
            layer.network[-1].bias.normal_(std=0.5)
    return flow


def zuko_flow(flow: nn.ModuleList) -> nn.ModuleList:
    """The layers of zuko: other raw parameters, but the same splines where they are constant."""
    return nn.ModuleList(_ZukoLayer(layer) for layer in flow)


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


class _ZukoLayer(nn.Module):
    """A coupling of zuko that is called as those of the other peers are."""

    def __init__(self, layer: SplineCoupling) -> None:
        super().__init__()
        last = layer.network[-1]
        half = last.out_features // (3 * BINS - 1)
        self.coupling = zuko.flows.coupling.GeneralCouplingTransform(
            2 * half,
            mask=(torch.arange(2 * half) < half) != layer.swap,
            univariate=partial(zuko.transforms.MonotonicRQSTransform, bound=TAIL, slope=SLOPE),
            shapes=[(BINS,), (BINS,), (BINS - 1,)],
            hidden_features=(last.in_features, last.in_features),
        )
        state = _reordered(layer.network.state_dict(), half)
        state["4.bias"] = _for_zuko(state["4.bias"].view(half, -1), layer.law.bins).flatten()
        self.coupling.hyper.load_state_dict(state)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.coupling().call_and_ladj(x)


def _for_zuko(raw: Tensor, bins: Bins) -> Tensor:
    """Return the raw parameters with which zuko, which bounds them smoothly, has our splines."""
    *sizes, slopes = raw.split((BINS, BINS, BINS - 1), 1)
    most = -math.log(SLOPE)
    found = []
    for size, least in zip(sizes, bins.smallest(), strict=True):
        powers = (least + (1 - BINS * least) * size.softmax(1)).log()
        powers = powers - powers.mean(1, keepdim=True)
        found.append(powers / (1 - powers.abs() * (2 / most)))
    powers = (nn.functional.softplus(slopes) + SLOPE).log()
    return torch.cat((*found, powers / (1 - powers.abs() / most)), 1)


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
