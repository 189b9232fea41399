"""Plain layers that nonlinearities, poolings and resampling of features become."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from darboux.deploy._registry import freeze
from darboux.linear._stencil import Padding
from darboux.symmetry._nonlinear.common import (
    Runs,
    join_fields,
    joined,
    norms,
    split_fields,
)
from darboux.symmetry._nonlinear.gated import GatedActivation
from darboux.symmetry._nonlinear.norm import NormActivation
from darboux.symmetry._nonlinear.resample import halve, spread
from darboux.symmetry._nonlinear.shrink import shrink
from darboux.symmetry._nonlinear.tensor_product import TensorProductActivation, squares


@final
class FrozenNormActivation(nn.Module):
    """Fields shortened by fixed numbers."""

    def __init__(self, activation: NormActivation) -> None:
        super().__init__()
        self.runs: Runs = activation.runs
        self.bias = nn.Buffer(activation.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Return max(1 + b_f/‖x_f‖, 0) x_f."""
        return shrink(x, self.bias, self.runs)


@final
class FrozenGate(nn.Module):
    """Fields scaled by gates, with a frozen activation for trivial fields."""

    def __init__(self, gated: GatedActivation) -> None:
        super().__init__()
        self.channels = gated.target.channels
        self.marks: Runs = gated.marks
        self.activation = freeze(gated.activation)

    def forward(self, x: Tensor) -> Tensor:
        """Return the fields, scaled by their gates."""
        gates, start = torch.sigmoid(x[:, self.channels :]), 0
        runs = tuple((count, max(size, 1)) for count, size in self.marks)
        parts = []
        for part, (count, size) in zip(
            split_fields(x[:, : self.channels], runs), self.marks, strict=True
        ):
            if size:
                gate = gates[:, start : start + count].unsqueeze(2)
                parts.append((part * gate).flatten(1, 2))
                start += count
            else:
                parts.append(self.activation(part.flatten(1, 2)))
        return joined(parts)


@final
class ChannelMatrices(nn.Module):
    """One fixed matrix for all fields of a run, run by run: a grouped 1x1 convolution."""

    def __init__(self, matrices: list[Tensor], counts: list[int]) -> None:
        super().__init__()
        pairs = zip(counts, matrices, strict=True)
        self.runs: Runs = tuple((count, matrix.shape[1]) for count, matrix in pairs)
        self.matrices = _fixed(matrices)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the matrices make of the fields."""
        pairs = zip(self.matrices, split_fields(x, self.runs), strict=True)
        return join_fields(
            [torch.einsum("ij,bcj...->bci...", m.to(part.dtype), part) for m, part in pairs]
        )


def _fixed(matrices: list[Tensor]) -> nn.ParameterList:
    """Return copies that need no gradient."""
    copies = [m.detach().clone() for m in matrices]
    return nn.ParameterList(nn.Parameter(m, requires_grad=False) for m in copies)


@final
class FrozenPooling(nn.Module):
    """One number per field: its largest entry, or its norm."""

    def __init__(self, runs: Runs, *, how: str) -> None:
        super().__init__()
        self.runs, self.how = runs, how

    def forward(self, x: Tensor) -> Tensor:
        """Return one number per field."""
        parts = split_fields(x, self.runs)
        if self.how == "max":
            return joined([part.amax(2) for part in parts])
        return joined([norms(part) for part in parts])


@final
class FrozenResample(nn.Module):
    """Half or twice as many pixels along each axis."""

    def __init__(self, padding_mode: Padding, *, larger: bool) -> None:
        super().__init__()
        self.padding_mode: Padding = padding_mode
        self.larger = larger

    def forward(self, x: Tensor) -> Tensor:
        """Return the image of the other size."""
        for axis in range(2, x.ndim):
            if self.larger:
                x = 2 * spread(x, axis, 2 * x.shape[axis], self.padding_mode)
            else:
                x = _halved(x, axis, self.padding_mode)
        return x


def _halved(x: Tensor, axis: int, padding_mode: Padding) -> Tensor:
    """Return what `Downsample` makes of an axis: the taps depend on the parity of its size."""
    # [1, 2, 1]/4 for odd n, [1, 3, 3, 1]/8 for even n. Where an export does not know n, a branch
    # would be that of its example: there by numbers.
    n = x.shape[axis]
    if known((n,)):
        return halve(x, axis, padding_mode)
    around, before = padded(x, axis, (1, 2), padding_mode), (slice(None),) * axis
    first, second, third, fourth = (around[(*before, slice(k, k + n, 2))] for k in range(4))
    odd = n % 2
    total = (1 + odd) * first + (3 + odd) * second + (3 - odd) * third + (1 - odd) * fourth
    return 0.125 * total


def known(sizes: Iterable[object]) -> bool:
    """Return whether sizes are numbers, not the symbols or tensors of an export."""
    return all(isinstance(n, int) for n in sizes)


def padded(x: Tensor, axis: int, pads: tuple[int, int], padding_mode: str) -> Tensor:
    """Return x with pixels before and after along an axis."""
    if padding_mode == "circular":
        n = x.shape[axis]
        places = torch.arange(-pads[0], n + pads[1], device=x.device)
        # ONNX has no remainder by a size
        return x.index_select(axis, torch.remainder(places, torch.full_like(places, n)))
    return functional.pad(x, [0, 0] * (x.ndim - 1 - axis) + list(pads))


@final
class FrozenProducts(nn.Module):
    """The quadratic map x -> W (x ⊗ x) with fixed W."""

    order: Tensor

    def __init__(self, module: TensorProductActivation) -> None:
        super().__init__()
        self.pairs = module.pairs
        self.blocks = tuple(module.blocks)
        self.matrices = _fixed(module.matrices())
        self.order = nn.Buffer(module.order.clone())

    def forward(self, x: Tensor) -> Tensor:
        """Return W (x ⊗ x)."""
        products = [squares(x, pairs) for pairs in self.pairs]
        results, k = [], 0
        for block in self.blocks:
            parts = []
            for which in block:
                matrix = self.matrices[k].to(x.dtype)
                parts.append(torch.einsum("oi,bi...->bo...", matrix, products[which]))
                k += 1
            results.append(torch.stack(parts).sum(0))
        return torch.cat(results, dim=1).index_select(1, self.order)
