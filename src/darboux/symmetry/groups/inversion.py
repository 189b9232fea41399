"""Groups of space with the inversion x -> -x: rotations first, then their negatives."""

from __future__ import annotations

import torch
from torch import Tensor


def even_and_odd(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the representations that -I leaves ("g") or negates ("u").

    Example:
        >>> even_and_odd(("A", "E"))
        ('Ag', 'Eg', 'Au', 'Eu')
    """
    return tuple(f"{name}{parity}" for parity in "gu" for name in names)


def with_inversion(table: Tensor, *, parity: str) -> Tensor:
    """Return a table over rotations R continued to -R: by ψ(-R) = ψ(R) or -ψ(R).

    Args:
        table: ψ, (order, d, d).
        parity: "g" (even) or "u" (odd).

    Example:
        >>> with_inversion(torch.ones(1, 1, 1), parity="u").flatten().tolist()
        [1.0, -1.0]
    """
    return torch.cat([table, table if parity == "g" else -table]) + 0.0  # no negative zeros
