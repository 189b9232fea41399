"""Mixing of channels by plane rotations."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

from darboux.bijections.mixing import wide
from darboux.bijections.orthogonal_mixing import OrthogonalMixing
from darboux.linear.sizes import positive


@final
class GivensLinear(OrthogonalMixing):
    """y(p) = G_m ... G_2 G_1 x(p), every G_l a layer of rotations of disjoint pairs of channels.

    Layers are laid like bricks: pairs (0, 1), (2, 3), ... and (1, 2), (3, 4), ... in turn, the
    last channel with the first where the number is even. The rotations of a layer are
    applied at once. `features` layers have at least as many angles as there are dimensions
    of rotations, features (features - 1)/2; l layers mix 2 l neighbours.

    Shapes: x and y are (batch, features, *space); angles are (layers, ⌊features / 2⌋).

    Source: section 4.1.3; Clements et al. 2016, Optimal design for universal multiport
    interferometers, for the order.

    Args:
        features: channels of x, at least 2.
        layers: m; `features` if None.

    Raises:
        ValueError: if there are fewer than 2 channels, or no layers.

    Example:
        >>> layer, x = GivensLinear(5), torch.randn(2, 5)
        >>> bool(torch.allclose(layer.inverse(layer(x)), x, atol=1e-5))
        True
    """

    def __init__(self, features: int, *, layers: int | None = None) -> None:
        super().__init__()
        self.channels = positive("features", features)
        if features < 2:
            msg = f"GivensLinear: expected features >= 2; got {features}. Use ActNorm for one."
            raise ValueError(msg)
        self.layers = features if layers is None else positive("layers", layers)
        pairs = features // 2
        self.angles = nn.Parameter((torch.rand(self.layers, pairs) - 0.5) * 2 * math.pi)

    def matrix(self) -> Tensor:
        """Return Q, (features, features), in float32 at least."""
        angles = wide(self.angles)
        n, even = self.channels, self.channels // 2 * 2
        c, s = angles.cos(), angles.sin()
        turns = torch.stack([c, -s, s, c], dim=-1).reshape(*angles.shape, 2, 2)
        q = torch.eye(n, dtype=angles.dtype, device=angles.device)
        for layer, turn in enumerate(turns.unbind(0)):
            if layer:  # every other layer is one channel further
                q = q.roll(-1 if layer % 2 else 1, dims=0)
            turned = torch.bmm(turn, q[:even].reshape(-1, 2, n)).reshape(even, n)
            q = torch.cat([turned, q[even:]])
        return q if self.layers % 2 else q.roll(1, dims=0)

    def extra_repr(self) -> str:
        """Return the numbers of channels and layers."""
        return f"{self.channels}, layers={self.layers}"
