"""Dense networks that contract in l_p, by norms from one l_p to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

from darboux.activations import Activation, LipSwish
from darboux.bijections._contractive_network import Contraction, Map, Order, share
from darboux.linear import Dense
from darboux.linear._mixed_norms import norm_between
from darboux.structure import Claims, Gap, Kind
from darboux.structure._arguments import Count, Natural, Positive, checked
from darboux.structure._module import Module


@final
class MixedContractiveNetwork(Module):
    """A dense network f(x) = W_n σ(... σ(W_1 x + b_1) ...) + b_n with Lip(f) <= c in l_{p_0}.

    Each W_i is divided by max(1, bound/c_i), the bound that of ‖W_i‖_{p_{i-1}→p_i}, with Π c_i
    times the slopes equal to c; p_n = p_0. Bounds are exact, and cost next to nothing, where
    p_{i-1} = 1 or p_i = ∞. That holds for all parameters. Learned orders have estimates only,
    which license no inverse, so orders are fixed.

    Shapes: (batch, channels + context) -> (batch, channels).

    Source: section 4.3.2; Chen et al. 2019, Residual Flows, appendix D.

    Args:
        channels: of x and of f(x).
        hidden: channels between the layers.
        orders: p_0, ..., p_n, each from 1 to ∞, one more than there are matrices.
        constant: c > 0.
        activation: makes the activations, functions of one real variable.
        context_features: further channels of the input.

    Raises:
        ValueError: if the orders do not fit, or a number makes no sense.

    Example:
        >>> network = MixedContractiveNetwork(2, [16], orders=(torch.inf, torch.inf, torch.inf))
        >>> network.contraction().order
        inf
    """

    channels: int

    @checked
    def __init__(
        self,
        channels: Count,
        hidden: Sequence[Count],
        *,
        orders: Sequence[Order],
        constant: Positive = 0.9,
        activation: Callable[[], nn.Module] = LipSwish,
        context_features: Natural = 0,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.orders = _orders(orders, len(hidden) + 1)
        self.activations = nn.ModuleList(activation() for _ in hidden)
        for made in self.activations:
            if not (isinstance(made, Activation) and made.separable):
                msg = (
                    "MixedContractiveNetwork: expected activations of one real variable, which "
                    f"are Lipschitz in every l_p; got {type(made).__name__}. Use LipSwish."
                )
                raise ValueError(msg)
        self.constant = float(constant)
        self.norm = share("MixedContractiveNetwork", self.constant, list(self.activations))
        sizes = [channels + context_features, *hidden, channels]
        self.maps = nn.ModuleList(Dense(a, b) for a, b in pairwise(sizes))
        self.biases = nn.ParameterList(map.bias() for map in self._maps())

    def forward(self, x: Tensor) -> Tensor:
        """Return f(x)."""
        return self.prepare()(x)

    def prepare(self) -> Map:
        """Return f with its norms computed once, for many x with the same parameters."""
        weights = [
            _shrunk(map.weight, p, q, self.norm)
            for map, (p, q) in zip(self._maps(), pairwise(self.orders), strict=True)
        ]
        biases, activations = list(self.biases), [nn.Identity(), *self.activations]

        def prepared(x: Tensor) -> Tensor:
            for activation, weight, bias in zip(activations, weights, biases, strict=True):
                x = nn.functional.linear(activation(x), weight, bias)
            return x

        return prepared

    def contraction(self) -> Contraction:
        """Return that the network contracts with c in l_{p_0}, for all parameters."""
        orders = ", ".join(f"{order:g}" for order in self.orders)
        reason = f"mixed norms along the orders {orders} multiply to at most {self.constant:g}"
        return Contraction(self.constant, self.orders[0], Kind.CONSTRUCTION, reason)

    def claims(self) -> Claims:
        """Return nothing: the constant is one of l_{p_0}, see `contraction`."""
        return Claims(gaps=(Gap("", f"contracts in l_{self.orders[0]:g}, see contraction()"),))

    def extra_repr(self) -> str:
        """Return the constant and the orders."""
        return f"constant={self.constant:g}, orders={self.orders}"

    def _maps(self) -> list[Dense]:
        return [map for map in self.maps if isinstance(map, Dense)]


def _orders(orders: Sequence[float], maps: int) -> tuple[float, ...]:
    found = tuple(float(order) for order in orders)
    if len(found) != maps + 1 or found[0] != found[-1]:
        msg = (
            f"MixedContractiveNetwork: expected {maps + 1} orders from 1 to ∞, the last one equal "
            f"to the first; got {found}. Use, for instance, ∞ for all."
        )
        raise ValueError(msg)
    return found


def _shrunk(weight: Tensor, p: float, q: float, norm: float) -> Tensor:
    """Return W c/max(c, bound), rounded down."""
    ratio = norm / norm_between(weight, p, q).clamp(min=norm)
    margin = 1 - 4 * torch.finfo(weight.dtype).eps
    return weight * torch.where(ratio < 1, ratio * margin, ratio).to(weight.dtype)
