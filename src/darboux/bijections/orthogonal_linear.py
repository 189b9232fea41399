"""Mixing of channels by an exponential or a Cayley transform."""

from __future__ import annotations

from typing import final, get_args

import torch
from torch import Tensor, nn

from darboux.bijections.mixing import wide
from darboux.bijections.orthogonal_mixing import OrthogonalMixing
from darboux.linear.orthonormal import Retraction, orthonormal_columns
from darboux.linear.sizes import positive


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

    def __init__(self, features: int, *, map: Retraction = "exp") -> None:
        super().__init__()
        self.channels = positive("features", features)
        if map not in get_args(Retraction):
            msg = f"OrthogonalLinear: expected map 'exp' or 'cayley'; got {map!r}. Use one of them."
            raise ValueError(msg)
        self.map: Retraction = map
        self.weight = nn.Parameter(torch.randn(features, features) / features**0.5)

    def matrix(self) -> Tensor:
        """Return Q, (features, features), in float32 at least."""
        return orthonormal_columns(wide(self.weight), self.channels, self.map)

    def extra_repr(self) -> str:
        """Return the number of channels and the map."""
        return f"{self.channels}, map={self.map!r}"
