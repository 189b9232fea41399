"""The network as a tree of maps, each with its claims and the input that it receives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from darboux.structure import Claims, Gap, Premise, claims_of, parts_of


@final
@dataclass(frozen=True)
class Node:
    """One map of the network.

    Args:
        path: its dotted name, "" for the whole.
        native: the map as it is used.
        exact: its float64 copy, or the same map where there is none.
        inputs: what the native map receives when the example runs.
        claims: what the native map promises.
        premises: what those promises rest on, about submodules of `exact`.
        children: the maps that it applies one after another.

    Example:
        >>> node = grow("", nn.Tanh(), nn.Tanh(), torch.zeros(1, 2))
        >>> node.children, len(node.claims)
        ((), 1)
    """

    path: str
    native: nn.Module
    exact: nn.Module
    inputs: Tensor
    claims: Claims
    premises: tuple[Premise, ...]
    children: tuple[Node, ...]

    @property
    def exact_inputs(self) -> Tensor:
        """The inputs in the dtype of the exact copy."""
        return self.inputs if self.exact is self.native else self.inputs.double()

    def leaves(self) -> int:
        """Return the number of maps without parts of their own."""
        return sum(child.leaves() for child in self.children) or 1

    def below(self) -> Iterator[Node]:
        """Yield all parts, at all depths, in the order of application."""
        for child in self.children:
            yield child
            yield from child.below()


def grow(path: str, native: nn.Module, exact: nn.Module, inputs: Tensor) -> Node:
    """Return the tree of a module, running it on its input to find those of its parts.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        >>> [child.path for child in grow("", net, net, torch.zeros(1, 2)).below()]
        ['0', '1']
    """
    claims = claims_of(native)
    twin = claims if exact is native else claims_of(exact)
    premises = tuple(premise for claim in twin for premise in claim.premises)
    children, z = [], inputs
    for name, part, double in _paired(native, exact):
        child = grow(f"{path}.{name}" if path else name, part, double, z)
        children.append(child)
        with torch.no_grad():
            z = part(z)
    return Node(path, native, exact, inputs, claims, premises, tuple(children))


def _paired(native: nn.Module, exact: nn.Module) -> list[tuple[str, nn.Module, nn.Module]]:
    parts = parts_of(native)
    twins = parts if exact is native else parts_of(exact)
    if [name for name, _ in parts] != [name for name, _ in twins]:
        twins = parts  # the number of steps may depend on rounding
    return [
        (name, part, twin)
        for (name, part), (_, twin) in zip(parts, twins, strict=True)
        if part is not native
    ]


def all_gaps(root: Node) -> tuple[Gap, ...]:
    """Return the gaps of the whole and of its parts, each place and reason once.

    Example:
        >>> class Unknown(nn.Module):
        ...     def forward(self, x):
        ...         return x
        >>> net = nn.Sequential(Unknown())
        >>> [gap.path for gap in all_gaps(grow("", net, net, torch.zeros(1, 2)))]
        ['0']
    """
    found = list(root.claims.gaps)
    for node in root.below():
        found += [gap.under(node.path) for gap in node.claims.gaps]
    return tuple(dict.fromkeys(found))
