"""Normalising flows of vectors, made of couplings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import torch
from torch import nn

from darboux.bijections import ActNorm, Chain, LULinear, Permutation
from darboux.density import NormalizingFlow, StandardNormal
from darboux.gradients import Memory
from darboux.models._couplings import Law, coupling_of
from darboux.models._networks import Build, Depth, Width, dense_network
from darboux.structure._arguments import Count, Within, checked

Mixing = Literal["lu", "permutation", "reverse"]


@checked
def coupling_flow(
    features: Annotated[int, Within("an integer from 2 to 32768", least=2, most=2**15)],
    *,
    context: Count | None = None,
    layers: Depth = 6,
    hidden: Sequence[Width] = (64, 64),
    law: Law = "spline",
    mixing: Mixing = "lu",
    normalize: bool = False,
    activation: Build = nn.ReLU,
    memory: Memory = "autograd",
    generator: torch.Generator | None = None,
    **options: Any,
) -> NormalizingFlow:
    """Return a normalising flow: couplings with linear maps in between, onto a normal law.

    Each layer is [an activation normalisation,] a linear map that mixes the features and a
    coupling of halves, which halves alternate. The couplings begin at the identity.

    Shapes: x is (batch, features), the context (batch, context).

    Source: sections 4.1.1 and 4.2.3; Durkan et al. 2019, neural spline flows; Kingma and
    Dhariwal 2018, Glow, for the LU mixing.

    Args:
        features: of x, two at least.
        context: features of what the density is conditioned on, or None.
        layers: the number of couplings.
        hidden: features of each hidden layer of the conditioners.
        law: "spline" (monotone rational-quadratic), "affine" or "additive".
        mixing: "lu" (learned), "permutation" (drawn once) or "reverse".
        normalize: whether activation normalisations precede; call
            `darboux.models.initialise` with data first.
        activation: a factory of the conditioners' activation.
        memory: of the chain: "autograd", "checkpoint" or "constant".
        generator: of the permutations; torch's own if None.
        **options: of the couplings: `bins` and `tail` of splines, `bound` of affine ones.

    Raises:
        ValueError: if an option is unknown, there are no layers, or one feature only.

    Example:
        >>> import torch
        >>> flow = coupling_flow(2, layers=2, hidden=(8,))
        >>> flow().log_prob(torch.zeros(3, 2)).shape
        torch.Size([3])
    """

    def network(inputs: int, outputs: int) -> nn.Module:
        return dense_network(inputs, outputs, hidden=hidden, activation=activation)

    parts: list[nn.Module] = []
    for k in range(layers):
        parts += [ActNorm(features)] if normalize else []
        parts.append(_mixing(mixing, features, generator))
        parts.append(
            coupling_of(
                law,
                features,
                network,
                swap=bool(k % 2),
                context_features=context,
                **options,
            )
        )
    return NormalizingFlow(Chain(parts, memory=memory), StandardNormal(features))


def _mixing(mixing: Mixing, features: int, generator: torch.Generator | None) -> nn.Module:
    if mixing == "lu":
        return LULinear(features)
    if mixing == "reverse":
        return Permutation.reverse(features)
    return Permutation.random(features, generator=generator)
