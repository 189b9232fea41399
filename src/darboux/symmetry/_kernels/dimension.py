"""The number of equivariant kernels, from characters."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from darboux.linear._sizes import Taps
from darboux.structure._arguments import checked
from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.group import Group
from darboux.symmetry._groups.planar import O2, SO2
from darboux.symmetry._groups.so3 import O3, SO3
from darboux.symmetry._kernels.basis import SpaceDim, check_request
from darboux.symmetry._kernels.irreducible import keeps_grid, moves_taps
from darboux.symmetry._kernels.rings import Rings, tap_permutations
from darboux.symmetry._representations.representation import Representation


@checked
def kernel_dimension(
    source: Representation, target: Representation, *, kernel_size: Taps, dim: SpaceDim
) -> int:
    """Return how many kernels `kernel_basis` has, without solving for them.

    Where the group maps the grid to itself, by the formula of Burnside,
    1/|G| Σ_g χ₂(g) χ₁(g) fix(g), where fix(g) counts the taps that g leaves; else by
    `steerable_count`: the functions of the default rings are independent on the taps.

    Source: section 5.1.2.

    Args:
        source: ρ₁.
        target: ρ₂, of the same group.
        kernel_size: taps per axis.
        dim: spatial axes.

    Raises:
        TypeError: if source or target is no representation, or the groups differ.
        ValueError: if a size is out of range, or the group does not act on `dim` axes.

    Example:
        >>> from darboux.symmetry import Dihedral, regular, trivial
        >>> kernel_dimension(trivial(Dihedral(4)), regular(Dihedral(4)), kernel_size=3, dim=2)
        9
    """
    check_request("kernel_dimension", source, target, kernel_size=kernel_size, dim=dim)
    group = source.group
    if not keeps_grid(group, kernel_size=kernel_size, dim=dim):
        return steerable_count(source, target, kernel_size=kernel_size, dim=dim)
    if not isinstance(group, FiniteGroup) or not moves_taps(
        group, kernel_size=kernel_size, dim=dim
    ):
        return kernel_size**dim * _by_content(source, target)
    moved = tap_permutations(group, group.elements(), kernel_size=kernel_size, dim=dim)
    fixed = (moved == moved[0]).sum(dim=1)  # the first element is the identity
    return round(float((_characters(source) * _characters(target) * fixed).mean()))


@checked
def steerable_count(
    source: Representation,
    target: Representation,
    *,
    kernel_size: Taps,
    dim: SpaceDim,
    rings: Rings | None = None,
) -> int:
    """Return how many steerable kernels of the plane or space there are on some rings.

    Each ring has the multiplicity of the trivial representation in ρ₂ ⊗ ρ₁ ⊗ harmonics for
    every frequency up to its largest: 1/|G| Σ_g χ₂(g) χ₁(g) χ_f(g), or the integral. These are
    functions before they are sampled: where a grid cannot tell them apart, it has fewer.

    Source: section 5.1.2.

    Args:
        source: ρ₁.
        target: ρ₂, of the same group.
        kernel_size: taps per axis.
        dim: 2 or 3, on which the group acts.
        rings: by default `Rings.default(kernel)`.

    Raises:
        TypeError: if source or target is no representation, or the groups differ; or if the
            characters of the group are not known.
        ValueError: if a size is out of range, or the group does not act on `dim` axes.

    Example:
        >>> from darboux.symmetry import Cyclic, regular
        >>> steerable_count(regular(Cyclic(8)), regular(Cyclic(8)), kernel_size=3, dim=2)
        48
    """
    check_request("steerable_count", source, target, kernel_size=kernel_size, dim=dim)
    if dim not in (2, 3) or source.group.dim != dim:
        msg = (
            f"steerable_count: expected a group that acts on the plane or on space, and dim to "
            f"match; got {source.group.describe()} and dim={dim}. Use kernel_dimension."
        )
        raise ValueError(msg)
    rings = Rings.default(kernel_size) if rings is None else rings
    frequencies = range(rings.largest + 1)
    return sum(rings.count(f) * _at_frequency(source, target, f) for f in frequencies)


def _at_frequency(source: Representation, target: Representation, frequency: int) -> int:
    """Return the multiplicity of the trivial representation in ρ₂ ⊗ ρ₁ ⊗ harmonics."""
    group = source.group
    if isinstance(group, FiniteGroup):
        product = _characters(source) * _characters(target) * _harmonic_characters(group, frequency)
        return round(float(product.mean()))
    return sum(
        count_between(group, first, second, frequency)
        for first in source.content
        for second in target.content
    )


def _by_content(source: Representation, target: Representation) -> int:
    """Return how many independent maps commute with the group, by Schur's lemma."""
    equal = [first for first in source.content for second in target.content if first == second]
    return sum(source.group.commutant(name) for name in equal)


def _characters(representation: Representation) -> Tensor:
    """Return tr ρ(g) for all elements of a finite group, (order,)."""
    return representation.matrices().diagonal(dim1=1, dim2=2).sum(dim=1)


def _harmonic_characters(group: FiniteGroup, frequency: int) -> Tensor:
    """Return the trace of g on harmonics of a frequency f, for all g, (order,)."""
    # In the plane, 2 cos fθ for the rotation by θ, 0 for reflections, and 1 where f = 0. In space,
    # 1 + 2 Σ_{k<=f} cos kθ for the rotation by θ, and (-1)^f times that for its negative.
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
    """Return the multiplicity of 1 in ψ₂ ⊗ ψ₁ ⊗ harmonics, of SO(2), O(2), SO(3) or O(3)."""
    # The integral of the product of their characters. In the plane it counts the weights
    # a ± b ± f = 0; in space the degrees must form a triangle. The reflections of O(2) add
    # products of signs, -I in O(3) asks for equal parities.
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
