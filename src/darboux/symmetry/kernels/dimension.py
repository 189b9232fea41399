"""How many equivariant kernels there are, from characters."""

from __future__ import annotations

from darboux.symmetry.groups import FiniteGroup
from darboux.symmetry.kernels.characters import characters, count_between, harmonic_characters
from darboux.symmetry.kernels.grid import keeps_grid, moves_taps
from darboux.symmetry.kernels.request import check_request
from darboux.symmetry.kernels.rings import Rings
from darboux.symmetry.kernels.taps import tap_permutations
from darboux.symmetry.representations.representation import Representation


def kernel_dimension(
    source: Representation, target: Representation, *, kernel: int, dim: int
) -> int:
    """Return how many kernels `kernel_basis` has, without solving for them.

    Where the group maps the grid to itself, by the formula of Burnside,
    1/|G| Σ_g χ₂(g) χ₁(g) fix(g), where fix(g) counts the taps that g leaves; else by
    `steerable_count`: the functions of the default rings are independent on the taps.

    Source: section 5.1.2.

    Args:
        source: ρ₁.
        target: ρ₂, of the same group.
        kernel: taps per axis.
        dim: spatial axes.

    Raises:
        TypeError: if source or target is no representation, or the groups differ.
        ValueError: if kernel < 1, or the group does not act on `dim` axes.

    Example:
        >>> from darboux.symmetry import Dihedral, regular, trivial
        >>> kernel_dimension(trivial(Dihedral(4)), regular(Dihedral(4)), kernel=3, dim=2)
        9
    """
    check_request("kernel_dimension", source, target, kernel=kernel, dim=dim)
    group = source.group
    if not keeps_grid(group, kernel=kernel, dim=dim):
        return steerable_count(source, target, kernel=kernel, dim=dim)
    if not isinstance(group, FiniteGroup) or not moves_taps(group, kernel=kernel, dim=dim):
        return kernel**dim * _by_content(source, target)
    moved = tap_permutations(group, group.elements(), kernel=kernel, dim=dim)
    fixed = (moved == moved[0]).sum(dim=1)  # the first element is the identity
    return round(float((characters(source) * characters(target) * fixed).mean()))


def steerable_count(
    source: Representation,
    target: Representation,
    *,
    kernel: int,
    dim: int,
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
        kernel: taps per axis.
        dim: 2 or 3, on which the group acts.
        rings: by default `Rings.default(kernel)`.

    Raises:
        TypeError: if source or target is no representation, or the groups differ; or if the
            characters of the group are not known.
        ValueError: if kernel < 1, or the group does not act on `dim` axes.

    Example:
        >>> from darboux.symmetry import Cyclic, regular
        >>> steerable_count(regular(Cyclic(8)), regular(Cyclic(8)), kernel=3, dim=2)
        48
    """
    check_request("steerable_count", source, target, kernel=kernel, dim=dim)
    if dim not in (2, 3) or source.group.dim != dim:
        msg = (
            f"steerable_count: expected a group that acts on the plane or on space, and dim to "
            f"match; got {source.group.describe()} and dim={dim}. Use kernel_dimension."
        )
        raise ValueError(msg)
    rings = Rings.default(kernel) if rings is None else rings
    frequencies = range(rings.largest + 1)
    return sum(rings.count(f) * _at_frequency(source, target, f) for f in frequencies)


def _at_frequency(source: Representation, target: Representation, frequency: int) -> int:
    """Return the multiplicity of the trivial representation in ρ₂ ⊗ ρ₁ ⊗ harmonics."""
    group = source.group
    if isinstance(group, FiniteGroup):
        product = characters(source) * characters(target) * harmonic_characters(group, frequency)
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
