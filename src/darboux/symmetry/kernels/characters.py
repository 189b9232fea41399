"""How often harmonics carry one irreducible representation to another, from characters."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from darboux.symmetry.groups import O2, SO2, FiniteGroup, Group
from darboux.symmetry.groups.o3 import O3
from darboux.symmetry.groups.so3 import SO3
from darboux.symmetry.representations.representation import Representation


def characters(representation: Representation) -> Tensor:
    """Return tr ρ(g) for all elements of a finite group, (order,).

    Example:
        >>> from darboux.symmetry import Cyclic, regular
        >>> characters(regular(Cyclic(3))).tolist()
        [3.0, 0.0, 0.0]
    """
    return representation.matrices().diagonal(dim1=1, dim2=2).sum(dim=1)


def harmonic_characters(group: FiniteGroup, frequency: int) -> Tensor:
    """Return the trace of g on harmonics of a frequency f, for all g, (order,).

    In the plane, 2 cos fθ for the rotation by θ, 0 for reflections, and 1 where f = 0. In space,
    1 + 2 Σ_{k<=f} cos kθ for the rotation by θ, and (-1)^f times that for its negative.

    Example:
        >>> from darboux.symmetry import Cyclic
        >>> harmonic_characters(Cyclic(2), 1).tolist()
        [2.0, -2.0]
    """
    actions = torch.stack([group.action(g) for g in group.elements()])
    signs = torch.linalg.det(actions).sign()
    trace = actions.diagonal(dim1=1, dim2=2).sum(dim=1)
    if not frequency:
        return torch.ones_like(signs)
    if group.dim == 2:
        angle = (trace / 2).clamp(-1, 1).acos()
        return torch.where(signs > 0, 2 * (frequency * angle).cos(), 0.0)
    angle = ((signs * trace - 1) / 2).clamp(-1, 1).acos()
    waves = 2 * torch.stack([(k * angle).cos() for k in range(1, frequency + 1)]).sum(dim=0)
    return signs**frequency * (1 + waves)


def count_between(group: Group, source: str, target: str, frequency: int) -> int:
    """Return the multiplicity of 1 in ψ₂ ⊗ ψ₁ ⊗ harmonics, of SO(2), O(2), SO(3) or O(3).

    The integral of the product of their characters. In the plane it counts the weights
    a ± b ± f = 0; in space the degrees must form a triangle. The reflections of O(2) add
    products of signs, -I in O(3) asks for equal parities.

    Raises:
        TypeError: for another group.

    Example:
        >>> count_between(SO3(), "1", "1", 2)
        1
    """
    if isinstance(group, SO2):
        return _weights(int(source), int(target), frequency)
    if isinstance(group, O2):
        signs = [0 if name[-1] not in "+-" else int(name[-1] + "1") for name in (source, target)]
        turns = _weights(int(source.rstrip("+-")), int(target.rstrip("+-")), frequency)
        return (turns + signs[0] * signs[1] * (frequency == 0)) // 2
    if isinstance(group, SO3):
        return int(abs(int(source) - int(target)) <= frequency <= int(source) + int(target))
    if isinstance(group, O3):
        even = ((source[-1] == "o") + (target[-1] == "o") + frequency) % 2 == 0
        return count_between(SO3(), source[:-1], target[:-1], frequency) if even else 0
    msg = (
        f"Expected a finite group, SO(2), O(2), SO(3) or O(3); got {group.describe()}, whose "
        "characters are not known."
    )
    raise TypeError(msg)


def _weights(*frequencies: int) -> int:
    """Return how many choices of signs make frequencies add to zero; 0 has one sign."""
    weights = [(f, -f) if f else (0,) for f in frequencies]
    return sum(sum(choice) == 0 for choice in itertools.product(*weights))
