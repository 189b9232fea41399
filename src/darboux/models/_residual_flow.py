"""Normalising flows of vectors, made of invertible residual blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import nn

from darboux.activations import LipSwish
from darboux.bijections import (
    ActNorm,
    Chain,
    ContractiveNetwork,
    InvertibleResidual,
    LogDetEstimator,
)
from darboux.bijections._matrices import Fraction
from darboux.density import NormalizingFlow, StandardNormal
from darboux.gradients import Memory
from darboux.models._networks import Build, Depth, Width
from darboux.structure._arguments import Count, checked


@checked
def residual_flow(
    features: Width,
    *,
    context: Count | None = None,
    blocks: Depth = 8,
    hidden: Sequence[Width] = (64, 64),
    constant: Fraction = 0.9,
    log_det: LogDetEstimator | Literal["auto"] = "auto",
    normalize: bool = False,
    activation: Build = LipSwish,
    memory: Memory = "autograd",
) -> NormalizingFlow:
    """Return a normalising flow of residual blocks x + f(x), Lip(f) <= c < 1, onto a normal law.

    Every block is invertible for all parameters; samples solve one fixed-point problem per block.

    Shapes: x is (batch, features), the context (batch, context).

    Source: sections 4.1.2 and 4.2.3; Chen, Behrmann, Duvenaud and Jacobsen 2019, Residual Flows.

    Args:
        features: of x.
        context: features of what the density is conditioned on, or None.
        blocks: the number of blocks.
        hidden: features of each hidden layer of f.
        constant: c; the closer to 1, the more a block can do, and the slower it is undone.
        log_det: how log-determinants are computed, as `InvertibleResidual` takes it; "auto" is
            exact up to 16 features.
        normalize: whether activation normalisations precede the blocks; call
            `darboux.models.initialise` with data first.
        activation: a factory of the activation, with a Lipschitz constant; a smooth one, as
            its second derivatives train the log-determinant.
        memory: of the chain: "autograd", "checkpoint" or "constant".

    Raises:
        ValueError: if there are no blocks, or c is not in (0, 1).

    Example:
        >>> import torch
        >>> flow = residual_flow(2, blocks=2, hidden=(8,))
        >>> flow().log_prob(torch.zeros(3, 2)).shape
        torch.Size([3])
    """
    layers: list[nn.Module] = []
    for _ in range(blocks):
        layers += [ActNorm(features)] if normalize else []
        network = ContractiveNetwork(
            features,
            hidden,
            constant=constant,
            activation=activation,
            context_features=context or 0,
        )
        layers.append(InvertibleResidual(network, log_det=log_det, context_features=context))
    return NormalizingFlow(Chain(layers, memory=memory), StandardNormal(features))
