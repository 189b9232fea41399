"""Orthogonal bijections: fixed ones, and learned mixings of channels."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, final

import torch
from torch import Tensor, nn

from darboux.bijections._bijection import Bijection, Pull, Pulled, bijective, wide, zeros
from darboux.bijections._linear_bijection import LinearBijection, Operator
from darboux.bijections._matrices import Side, mix
from darboux.linear._orthogonal import Retraction, orthonormal_columns
from darboux.structure import Claims
from darboux.structure._arguments import Within, checked


class OrthogonalBijection(Bijection, ABC):
    """A fixed orthogonal map without parameters: gradients go back by the inverse."""

    @abstractmethod
    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return φ(x)."""

    @abstractmethod
    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return φ⁻¹(y), which is the adjoint applied to y."""

    def forward_and_log_det(
        self, x: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return y and zeros."""
        return self.forward(x, context), zeros(x)

    def inverse_and_log_det(
        self, y: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return x and zeros."""
        return self.inverse(y, context), zeros(y)

    def retrace(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Pull]:
        """Return x; gradients go the same way: the inverse is the adjoint."""

        def pull(gradient: Tensor, weight: Tensor | None, wanted: Sequence[Tensor]) -> Pulled:
            del weight
            return self.inverse(gradient, context), tuple(None for _ in wanted)

        return self.inverse(y, context), pull


class OrthogonalMixing(LinearBijection, ABC):
    """y(p) = Q x(p) with an orthogonal matrix Q: the inverse is its transpose."""

    @abstractmethod
    def matrix(self) -> Tensor:
        """Return Q, (features, features), in float32 at least."""

    def operator(self) -> Operator:
        """Return Q."""
        return (self.matrix(),)

    def act(self, operator: Operator, x: Tensor) -> Tensor:
        """Return Q x."""
        return mix(operator[0], x)

    def solve(self, operator: Operator, y: Tensor) -> Tensor:
        """Return Qᵀ y."""
        return mix(operator[0].T, y)

    def log_modulus(self, operator: Operator, size: Sequence[int]) -> None:
        """Return None: |det Q| = 1."""
        del operator, size

    def claims(self) -> Claims:
        """Return that the mixing is isometric for all parameters."""
        reason = "the channels are mixed by a matrix that is orthogonal for all parameters"
        return bijective(reason, volume=True, isometric=True)

    def extra_repr(self) -> str:
        """Return the number of channels."""
        return f"{self.channels}"


@final
class OrthogonalLinear(OrthogonalMixing):
    """y(p) = Q x(p), Q = exp(S) or (1 - S/2)⁻¹(1 + S/2), S = X - Xᵀ skew.

    Q is orthogonal for every X. The exponential reaches every rotation, the Cayley transform
    all but those that turn something by π.

    Shapes: x and y are (batch, features, *space); X is (features, features).

    Source: section 4.1.3.

    Args:
        features: channels of x.
        map: "exp" or "cayley".

    Raises:
        ValueError: if the map is unknown, or the number is not positive.

    Example:
        >>> layer, x = OrthogonalLinear(3), torch.ones(1, 3, 4)
        >>> bool(torch.allclose(layer(x).norm(), x.norm(), rtol=1e-5))
        True
    """

    @checked
    def __init__(self, features: Side, *, map: Retraction = "exp") -> None:
        super().__init__()
        self.channels = features
        self.map: Retraction = map
        self.weight = nn.Parameter(torch.randn(features, features) / features**0.5)

    def matrix(self) -> Tensor:
        """Return Q, (features, features), in float32 at least."""
        return orthonormal_columns(wide(self.weight), self.channels, self.map)

    def extra_repr(self) -> str:
        """Return the number of channels and the map."""
        return f"{self.channels}, map={self.map!r}"


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

    @checked
    def __init__(
        self,
        features: Annotated[int, Within("an integer from 2 to 32768", least=2, most=2**15)],
        *,
        layers: Side | None = None,
    ) -> None:
        super().__init__()
        self.channels = features
        self.layers = features if layers is None else layers
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
