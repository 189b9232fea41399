"""Residual blocks that are discretised partial differential equations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from torch import nn

from darboux.activations import Activation, ReLU, Tanh
from darboux.compose import Lifted
from darboux.fields import GradientField, HamiltonianField, SecondOrderField
from darboux.flow import ContractiveSteps, Flow
from darboux.integrators import Euler, StormerVerlet, SymplecticEuler
from darboux.linear import Conv, Lift
from darboux.linear._sizes import Axes, Taps
from darboux.models._networks import CONV, MEAN, POOL, Depth, Width, normalizations
from darboux.structure._arguments import Positive, checked

Build = Callable[[], Activation]


@checked
def parabolic_block(
    features: Width,
    *,
    depth: Depth = 3,
    units: Width | None = None,
    kernel_size: Taps = 3,
    dim: Axes = 2,
    activation: Build = ReLU,
    fraction: float = 0.9,
) -> Flow:
    """Return a block like the heat equation, ż = -A*T⁻¹σ(Az + b): nonexpansive.

    Euler steps inside the contractivity radius, so that no input perturbation grows, for any
    parameters.

    Shapes: z is (batch, features, *space), kept.

    Source: section 2.1.1, equation (16); Ruthotto and Haber 2018, parabolic networks.

    Args:
        features: channels of z.
        depth: the number of steps K, each with a field of its own.
        units: rows of each A; as many as features if left out.
        kernel_size: the width of the filters.
        dim: spatial axes, 1 to 3.
        activation: a factory of σ, nondecreasing.
        fraction: of the largest contractive step.

    Example:
        >>> import torch, darboux as dx
        >>> block = parabolic_block(4, depth=2)
        >>> block.claims().find(dx.Lipschitz).structure.constant
        1.0
    """
    fields = [
        GradientField(_conv(features, units, kernel_size, dim), activation()) for _ in range(depth)
    ]
    return Flow(fields, Euler(), steps=ContractiveSteps(fraction=fraction))


@checked
def hamiltonian_block(
    features: Width,
    *,
    depth: Depth = 3,
    units: Width | None = None,
    kernel_size: Taps = 3,
    dim: Axes = 2,
    activation: Build = Tanh,
    horizon: Positive = 1.0,
) -> Flow:
    """Return a block that is a Hamiltonian system on halves of the channels: symplectic.

    ż = A1*σ(A1 p + b1), ṗ = -A2*σ(A2 z + b2), Störmer-Verlet steps. It has an inverse in closed
    form, and no gradient through it can vanish: ‖DΦ‖₂ >= 1.

    Shapes: (z, p) is (batch, features, *space), kept; z and p have features/2 channels.

    Source: section 2.1.2; Chang et al. 2018; Ruthotto and Haber 2018, Hamiltonian networks.

    Args:
        features: channels of (z, p), an even number.
        depth: the number of steps K, each with a field of its own.
        units: rows of each A; as many as its columns if left out.
        kernel_size: the width of the filters.
        dim: spatial axes, 1 to 3.
        activation: a factory of σ.
        horizon: T; steps are T/K.

    Raises:
        ValueError: if the number of features is odd.

    Example:
        >>> import torch, darboux as dx
        >>> block, z = hamiltonian_block(4, depth=2), torch.rand(1, 4, 5, 5)
        >>> torch.testing.assert_close(block.inverse(block(z)), z)
    """
    if features % 2:
        msg = (
            f"hamiltonian_block: expected an even number of features, halves for position and "
            f"momentum; got {features}. Use {features + 1}."
        )
        raise ValueError(msg)
    half = features // 2
    fields = [
        HamiltonianField(
            _conv(half, units, kernel_size, dim), _conv(half, units, kernel_size, dim), activation()
        )
        for _ in range(depth)
    ]
    return Flow(fields, StormerVerlet(), horizon=horizon)


@checked
def hyperbolic_block(
    features: Width,
    *,
    depth: Depth = 3,
    units: Width | None = None,
    kernel_size: Taps = 3,
    dim: Axes = 2,
    activation: Build = Tanh,
    horizon: Positive = 1.0,
) -> nn.Module:
    """Return a block like the wave equation, z̈ = -A*σ(Az + b), that starts at rest.

    Leapfrog steps z_{k+1} = 2z_k - z_{k-1} - h² A*σ(A z_k + b), z_{-1} = z_0: a symplectic Euler
    step of ż = p, ṗ = -A*σ(Az + b), kick first, from p = 0. Inside, phase space is (z, p);
    the block gives z back.

    Shapes: z is (batch, features, *space), kept.

    Source: section 2.1.2; Ruthotto and Haber 2018, second-order networks.

    Args:
        features: channels of z.
        depth: the number of steps K, each with a field of its own.
        units: rows of each A; as many as features if left out.
        kernel_size: the width of the filters.
        dim: spatial axes, 1 to 3.
        activation: a factory of σ.
        horizon: T; steps are T/K.

    Example:
        >>> import torch
        >>> hyperbolic_block(4, depth=2)(torch.rand(1, 4, 5, 5)).shape
        torch.Size([1, 4, 5, 5])
    """
    fields = [
        SecondOrderField(_conv(features, units, kernel_size, dim), activation())
        for _ in range(depth)
    ]
    flow = Flow(fields, SymplecticEuler(first="kick"), horizon=horizon)
    return Lifted(Lift(features, 2 * features, dim=dim), flow)


def _conv(features: int, units: int | None, kernel_size: int, dim: int) -> Conv:
    return Conv(features, units or features, kernel_size=kernel_size, dim=dim, padding_mode="zeros")


Kind = Literal["parabolic", "hyperbolic", "hamiltonian"]

_BLOCKS: dict[str, Callable[..., nn.Module]] = {
    "parabolic": parabolic_block,
    "hyperbolic": hyperbolic_block,
    "hamiltonian": hamiltonian_block,
}


@checked
def pde_network(
    kind: Kind,
    *,
    in_channels: Width,
    classes: Width,
    widths: Sequence[Width] = (16, 32, 64),
    depth: Depth = 3,
    dim: Axes = 2,
) -> nn.Sequential:
    """Return a classifier: opening, blocks of one kind, connectors that halve the image, mean.

    Opening: 3-wide convolution, normalisation, ReLU. Connectors: 1-wide convolution to the next
    width, normalisation, ReLU, average pooling. The structure is that of each block; the
    opening and the connectors have none, and a certificate says so.

    Shapes: (batch, in_channels, *space) -> logits (batch, classes).

    Source: Ruthotto and Haber 2018; sections 2.1.1 and 2.1.2.

    Args:
        kind: "parabolic", "hyperbolic" or "hamiltonian".
        in_channels: of the image.
        classes: the number of logits.
        widths: channels of each block, even numbers for "hamiltonian".
        depth: steps in each block.
        dim: spatial axes, 1 to 3.

    Raises:
        ValueError: if the kind is unknown or there are no widths.

    Example:
        >>> import torch
        >>> net = pde_network("parabolic", in_channels=1, classes=10, widths=(4, 8), depth=2)
        >>> net(torch.rand(2, 1, 9, 9)).shape
        torch.Size([2, 10])
    """
    if not widths:
        msg = f"pde_network: expected one width at least; got {widths}. Use (16, 32, 64)."
        raise ValueError(msg)
    layers = _opening(in_channels, widths[0], dim)
    for here, there in zip(widths, (*widths[1:], None), strict=True):
        layers.append(_BLOCKS[kind](here, depth=depth, dim=dim))
        if there is not None:
            layers += _connector(here, there, dim)
    head = [MEAN[dim](1), nn.Flatten(), nn.Linear(widths[-1], classes)]
    return nn.Sequential(*layers, *head)


def _opening(channels: int, width: int, dim: int) -> list[nn.Module]:
    opening = CONV[dim](channels, width, 3, padding=1, bias=False)
    return [opening, *normalizations("batch", width, dim=dim), nn.ReLU()]


def _connector(here: int, there: int, dim: int) -> list[nn.Module]:
    return [
        CONV[dim](here, there, 1, bias=False),
        *normalizations("batch", there, dim=dim),
        nn.ReLU(),
        POOL[dim](2, ceil_mode=True),
    ]
