"""The quadratic energy."""

from __future__ import annotations

import math
from typing import final

from torch import Tensor, nn

from darboux.linear import LinearMap


@final
class QuadraticEnergy(nn.Module):
    """The positive definite energy H(z) = ½ ‖A z‖² + ½ ε ‖z‖² = ½ ⟨z, Q z⟩, Q = A*A + ε.

    It grows in every direction, so that what does not raise it stays bounded.

    Shapes: z is (batch, features, *space), H is (batch,).

    Source: section 6.4.1.

    Args:
        map: A, from features to any number.
        floor: ε > 0, the smallest eigenvalue that Q may have.

    Raises:
        ValueError: if ε is not positive.

    Example:
        >>> import torch, darboux as dx
        >>> energy = dx.fields.QuadraticEnergy(dx.linear.Dense(4, 4), floor=0.5)
        >>> bool((energy(torch.ones(2, 4)) >= 0.5 * 0.5 * 4).all())
        True
    """

    def __init__(self, map: LinearMap, *, floor: float = 1e-3) -> None:
        super().__init__()
        if not 0 < floor < math.inf:
            msg = (
                f"QuadraticEnergy: expected 0 < floor < inf; got {floor}. Use a small number: "
                "it keeps H positive definite where A is singular."
            )
            raise ValueError(msg)
        self.map = map
        self.floor = float(floor)

    def forward(self, z: Tensor) -> Tensor:
        """Return H(z), (batch,)."""
        image = self.map(z).flatten(1).square().sum(dim=1)
        return 0.5 * (image + self.floor * z.flatten(1).square().sum(dim=1))

    def smoothness(self) -> Tensor:
        """Return a bound of the Lipschitz constant of ∇H, ‖Q‖ <= ‖A‖² + ε: float64, ()."""
        return self.map.norm_bound().square() + self.floor

    def extra_repr(self) -> str:
        """Return the floor."""
        return f"floor={self.floor:g}"
