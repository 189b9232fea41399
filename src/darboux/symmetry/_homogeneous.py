"""Equivariant linear maps between features on homogeneous spaces G/H₁ -> G/H₂."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.structure._arguments import checked, shown
from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._representations.cosets import cosets, subgroup_elements
from darboux.symmetry._representations.decompose import intertwiners
from darboux.symmetry._representations.representation import Representation


@checked
def mackey_kernels(group: FiniteGroup, first: Representation, second: Representation) -> Tensor:
    """Return a basis of the kernels with k(h₂ g h₁) = ρ₂(h₂) k(g) ρ₁(h₁).

    They are all equivariant linear maps of Mackey functions, F(x)(g) = Σ_g' k(g⁻¹g') x(g')/|H₁|.
    A kernel is free on each double coset H₂ g H₁ but for one condition at g: k(g) intertwines
    h -> ρ₁(g⁻¹hg) and ρ₂ on H₂ ∩ g H₁ g⁻¹. So the count is a sum over double cosets.

    Shapes: (count, order, n₂, n₁), float64, orthonormal.

    Source: section 5.1.2, equation (51) and what follows it.

    Args:
        group: G, finite.
        first: ρ₁ of a subgroup H₁, of size n₁.
        second: ρ₂ of a subgroup H₂, of size n₂.

    Raises:
        ValueError: if the groups of ρ₁ and ρ₂ are no subgroups of G.
        TypeError: if one of the groups is not finite.

    Example:
        >>> from darboux.symmetry import Cyclic, trivial
        >>> mackey_kernels(Cyclic(4), trivial(Cyclic(1)), trivial(Cyclic(2))).shape
        torch.Size([2, 4, 1, 1])
    """
    inner = subgroup_elements(group, first.group)
    outer = subgroup_elements(group, second.group)
    products = group.products()
    left, right = second.matrices(), first.matrices()
    free = torch.ones(group.order, dtype=torch.bool, device="cpu")
    found = [
        torch.zeros(0, group.order, second.size, first.size, dtype=torch.float64, device="cpu")
    ]
    for g in group.elements():
        if free[g]:
            spread = products[products[list(outer), g]][:, list(inner)]  # h₂ g h₁
            found.append(_on_double_coset(g, spread, left, right, group.order))
            free[spread.flatten()] = False
    return torch.cat(found)


def _on_double_coset(g: int, spread: Tensor, left: Tensor, right: Tensor, order: int) -> Tensor:
    """Return the kernels that vanish outside of H₂ g H₁."""
    second, first = (spread == g).nonzero(as_tuple=True)  # h₂ g h₁ = g: h₁⁻¹ = g⁻¹ h₂ g
    allowed = intertwiners(list(right[first].mT), list(left[second]))
    kernels = torch.zeros(
        len(allowed), order, left.shape[1], right.shape[1], dtype=torch.float64, device="cpu"
    )
    values = torch.einsum("aij,cjk,bkl->cabil", left, allowed, right)
    kernels[:, spread.flatten()] = values.flatten(1, 2)
    return kernels / len(spread.unique()) ** 0.5


@checked
def mackey_matrix(
    kernel: Tensor, group: FiniteGroup, first: Representation, second: Representation
) -> Tensor:
    """Return the matrix of F(x)(g) = Σ_g' k(g⁻¹g') x(g')/|H₁| on values at representatives.

    A Mackey function is given by its values at the smallest element of each coset, one after
    another, as `induced` has it. The sum over a coset is |H₁| times one term, so block (j, i)
    is k(s_j⁻¹ r_i); it commutes with the induced representations.

    Shapes: k is (..., order, n₂, n₁), the matrix (..., n₂ |G|/|H₂|, n₁ |G|/|H₁|).

    Source: section 5.1.2, equation (51).

    Args:
        kernel: k, a combination of `mackey_kernels`.
        group: G, finite.
        first: ρ₁ of H₁.
        second: ρ₂ of H₂.

    Raises:
        ValueError: if the shape of the kernel does not fit, or there is no subgroup.

    Example:
        >>> from darboux.symmetry import Cyclic, trivial
        >>> scalars = trivial(Cyclic(1))
        >>> shift = torch.tensor([0.0, 1.0, 0.0]).reshape(3, 1, 1)
        >>> mackey_matrix(shift, Cyclic(3), scalars, scalars).tolist()
        [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    expected = (group.order, second.size, first.size)
    if tuple(kernel.shape[-3:]) != expected:
        msg = (
            f"mackey_matrix: expected a kernel (..., order, n₂, n₁) with {expected}; got "
            f"{shown(kernel)}."
        )
        raise ValueError(msg)
    sources, targets = (
        cosets(group, subgroup_elements(group, each.group)).representatives
        for each in (first, second)
    )
    places = [[group.compose(group.inverse(s), r) for r in sources] for s in targets]
    blocks = kernel[..., torch.tensor(places, device=kernel.device), :, :]  # (..., j, i, n2, n1)
    return blocks.transpose(-3, -2).flatten(-4, -3).flatten(-2, -1)
