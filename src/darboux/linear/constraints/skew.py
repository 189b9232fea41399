"""The constraint that a map is skew."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn


@final
class Skew(nn.Module):
    """Parametrise a kernel by its skew part, W -> W - W*.

    For a matrix W* is the transpose; for a kernel with an odd number of taps on every
    axis the taps are mirrored as well, so that the convolution is skew.

    Shapes: (features, features, *kernel), kept.

    Source: section 2.1.1.

    Example:
        >>> import darboux as dx
        >>> from torch.nn.utils import parametrize
        >>> dense = dx.linear.Dense(3, 3)
        >>> _ = parametrize.register_parametrization(dense, "weight", Skew())
        >>> bool((dense.weight == -dense.weight.T).all())
        True
    """

    def forward(self, weight: Tensor) -> Tensor:
        """Return W - W*.

        Raises:
            ValueError: if W is not square, or has an even number of taps.
        """
        if weight.shape[0] != weight.shape[1] or any(k % 2 == 0 for k in weight.shape[2:]):
            msg = (
                "Skew: expected a square weight with odd kernels; got shape "
                f"{tuple(weight.shape)}. Use SkewPart for even kernels."
            )
            raise ValueError(msg)
        mirrored = weight.transpose(0, 1)
        if weight.ndim > 2:
            mirrored = mirrored.flip(tuple(range(2, weight.ndim)))
        return weight - mirrored

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return W/2, which becomes W if W is skew, and else its skew part."""
        return weight / 2
