"""Subgroups inside a group: their elements and cosets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, final

import torch
from torch import Tensor

from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.group import Element, Group


def locate_elements(group: Group, subgroup: Group, elements: Sequence[Element]) -> list[Element]:
    """Return which elements of a group move points as given elements of a subgroup do."""
    # Groups that move no points are compared by their faithful matrices.
    size, own = len(_matrix(group, group.generators()[0])), len(_matrix(subgroup, elements[0]))
    if (group.dim, size) != (subgroup.dim, own):
        msg = (
            f"Expected a subgroup of {group.describe()}, whose matrices are {size} by {size}; got "
            f"{subgroup.describe()} with matrices {own} by {own}. Use groups that move the same "
            "points."
        )
        raise ValueError(msg)
    return [_located(group, subgroup, element) for element in elements]


def _located(group: Group, subgroup: Group, element: Element) -> Element:
    """Return the element of the larger group with the matrix of one of the smaller."""
    try:
        return group.locate(_matrix(subgroup, element))
    except ValueError as error:
        msg = (
            f"Expected a subgroup of {group.describe()}; got {subgroup.describe()}, whose element "
            f"{element} moves points as none of {group.describe()} does."
        )
        raise ValueError(msg) from error


def _matrix(group: Group, element: Element) -> Tensor:
    if group.dim or not isinstance(group, FiniteGroup):
        return group.action(element)
    return group.faithful()[element]


def subgroup_elements(group: FiniteGroup, subgroup: Group | Sequence[int]) -> tuple[int, ...]:
    """Return a subgroup as elements of the larger group, in its own order."""
    whole: Group = group
    for each in (whole, subgroup):
        if isinstance(each, Group) and not isinstance(each, FiniteGroup):
            msg = f"Expected finite groups; got {each.describe()}. Use restrict, or a finite one."
            raise TypeError(msg)
    if isinstance(subgroup, FiniteGroup):
        return tuple(locate_elements(group, subgroup, subgroup.elements()))
    members = tuple(cast("Sequence[int]", subgroup))
    if any(a not in range(group.order) for a in members) or not _closed(group, members):
        msg = (
            f"Expected the elements of a subgroup of {group.describe()}, closed under products and "
            f"none twice; got {list(members)}. Use Subgroup for the group that they generate."
        )
        raise ValueError(msg)
    return members


def _closed(group: FiniteGroup, members: Sequence[int]) -> bool:
    """Return whether products stay inside; a finite set of elements is then a group."""
    chosen = list(members)
    products = group.products()[chosen][:, chosen].unique().tolist()
    return bool(chosen) and products == sorted(chosen)


@final
@dataclass(frozen=True)
class Cosets:
    """The cosets g H: every g is the product of a representative r of its coset and an h of H."""

    representatives: tuple[int, ...]
    coset: Tensor
    remainder: Tensor


def cosets(group: FiniteGroup, members: Sequence[int]) -> Cosets:
    """Return the cosets of a subgroup."""
    spread = group.products()[:, list(members)]  # entry (g, k) is g h_k
    smallest = spread.amin(dim=1)
    representatives, coset = smallest.unique(return_inverse=True)
    # the k with r h_k = g
    remainder = (
        (spread[smallest] == torch.arange(group.order, device="cpu")[:, None]).long().argmax(dim=1)
    )
    return Cosets(tuple(representatives.tolist()), coset, remainder)
