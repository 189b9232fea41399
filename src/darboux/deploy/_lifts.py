"""Frozen lifts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darboux.compose import Lifted
from darboux.deploy._fields import stencil_of_map
from darboux.deploy._layers import layer
from darboux.deploy._registry import finish, freeze
from darboux.linear import Lift
from darboux.structure._arguments import checked
from darboux.structure._module import Module


@final
class FrozenLift(Module):
    """A lift whose frame is a constant: pixels are moved, then channels are embedded.

    Shapes: as those of `darboux.linear.Lift`.

    Args:
        lift: the lift, which is left alone.

    Example:
        >>> lift = FrozenLift(Lift(1, 8, dim=2, shuffle=2))
        >>> lift.restore(lift(torch.ones(1, 1, 3, 3)), size=(3, 3)).shape
        torch.Size([1, 1, 3, 3])
    """

    columns: Tensor | None

    @checked
    def __init__(self, lift: Lift) -> None:
        super().__init__()
        # Unshuffling alone is a lift to as many features as there are pixels in a block.
        self.pixels = Lift(lift.in_features, lift.blocks, dim=lift.dim, shuffle=lift.shuffle)
        self.added = lift.out_features - lift.blocks
        tight = lift.frame == "tight"
        columns = lift.columns(lift.weight.dtype).detach().clone() if tight else None
        self.register_buffer("columns", columns)

    def forward(self, x: Tensor) -> Tensor:
        """Return L x."""
        blocks = self.pixels(x)
        if self.columns is not None:
            return torch.einsum("fc,bc...->bf...", self.columns, blocks)
        return F.pad(blocks, [0, 0] * self.pixels.dim + [0, self.added])

    def restore(self, y: Tensor, *, size: Sequence[int]) -> Tensor:
        """Return L* y, cropped to a size."""
        if self.columns is not None:
            blocks = torch.einsum("fc,bf...->bc...", self.columns, y)
        else:
            blocks = y[:, : self.pixels.out_features]
        return self.pixels.restore(blocks, size=size)


@final
class FrozenLifted(Module):
    """The map x -> L* φ(L x) of frozen parts.

    Shapes: as those of `darboux.compose.Lifted`.

    Args:
        lift: L.
        inner: φ.

    Example:
        >>> lifted = FrozenLifted(FrozenLift(Lift(1, 4, dim=1, shuffle=2)), nn.Identity())
        >>> lifted(torch.ones(1, 1, 3)).shape
        torch.Size([1, 1, 3])
    """

    @checked
    def __init__(self, lift: FrozenLift, inner: nn.Module) -> None:
        super().__init__()
        self.lift = lift
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """Return L* φ(L x)."""
        return self.lift.restore(self.inner(self.lift(x)), size=x.shape[2:])


@freeze.register
def _(module: Lifted) -> nn.Module:
    if isinstance(module.lift, Lift):
        return finish(FrozenLifted(FrozenLift(module.lift), freeze(module.inner)))
    stencil = stencil_of_map(module.lift)
    return finish(nn.Sequential(layer(stencil), freeze(module.inner), layer(stencil.adjoint())))


@freeze.register
def _(module: Lift) -> nn.Module:
    return finish(FrozenLift(module))
