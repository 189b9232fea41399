"""Premises, each once, with the place in the network that they are about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from torch import nn

from darboux.certify.nodes import Node
from darboux.structure import Premise


@final
@dataclass(frozen=True)
class Located:
    """A premise with its place.

    Args:
        path: the dotted name of what the premise is about.
        premise: the condition.
        node: the innermost part of the network that rests on it.
    """

    path: str
    premise: Premise
    node: Node


def locate(root: Node) -> list[Located]:
    """Return the premises of the whole and of its parts, each once, parts first.

    Example:
        >>> import torch
        >>> from darboux.certify.nodes import grow
        >>> net = nn.Sequential(nn.ReLU())
        >>> locate(grow("", net, net, torch.zeros(1, 2)))
        []
    """
    found: dict[tuple[object, ...], Located] = {}
    for node in _innermost_first(root):
        for premise in node.premises:
            key = _key(premise)
            if key not in found:
                found[key] = Located(_place(node, premise.subject), premise, node)
    order = {node.path: k for k, node in enumerate([*root.below(), root])}
    return sorted(found.values(), key=lambda located: order[located.node.path])


def _innermost_first(node: Node) -> Iterator[Node]:
    for child in node.children:
        yield from _innermost_first(child)
    yield node


def _place(node: Node, subject: nn.Module) -> str:
    for name, module in node.exact.named_modules():
        if module is subject:
            return ".".join(part for part in (node.path, name) if part)
    return node.path


def _key(premise: Premise) -> tuple[object, ...]:
    """Return what makes premises equal: class, values, and what their subject is made of.

    Steps of a flow are made anew whenever they are asked for; two of them are the same if
    their attributes are.
    """
    rest = tuple(value for name, value in vars(premise).items() if name != "subject")
    subject = premise.subject
    owned = any(True for _ in subject.children()) and not any(
        True for _ in subject.parameters(recurse=False)
    )
    return (type(premise), _made_of(subject) if owned else id(subject), *rest)


def _made_of(module: nn.Module) -> tuple[object, ...]:
    parts: list[object] = [type(module)]
    parts += [id(child) for child in module.children()]
    for name, value in sorted(vars(module).items()):
        if not name.startswith("_"):
            parts.append(value if isinstance(value, (bool, int, float, str)) else id(value))
    return tuple(parts)
