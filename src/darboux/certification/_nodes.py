"""The network as a tree of maps, each with its claims and the input that it receives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn

from darboux.certification._copies import Watch, copied, work_on_copies
from darboux.flow import Step
from darboux.structure import Claims, Gap, Premise, branches_of, claims_of, maps_of
from darboux.structure._registry import Maps


@final
@dataclass(frozen=True)
class Node:
    """One map of the network."""

    path: str
    native: nn.Module
    exact: nn.Module
    inputs: Tensor
    claims: Claims
    premises: tuple[Premise, ...]
    children: tuple[Node, ...]
    facts: dict[object, Any] = field(default_factory=dict)

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
    """Return the tree of a module, running it on its input to find those of its parts."""
    claims = claims_of(native)
    twin = claims if exact is native else claims_of(exact)
    premises = tuple(premise for claim in twin for premise in claim.premises)
    children, z = [], inputs
    for name, part, double in _paired(native, exact, branches_of):
        children.append(grow(_under(path, name), part, double, inputs))
    for name, part, double in _paired(native, exact, maps_of):
        children.append(grow(_under(path, name), part, double, z))
        with torch.no_grad():
            z = copied(part(copied(z)))
    return Node(path, native, exact, inputs, claims, premises, tuple(children))


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _paired(
    native: nn.Module, exact: nn.Module, parts_of: Callable[[nn.Module], Maps]
) -> list[tuple[str, nn.Module, nn.Module]]:
    parts = parts_of(native)
    twins = parts if exact is native else parts_of(exact)
    if [name for name, _ in parts] != [name for name, _ in twins]:
        twins = parts  # the number of steps may depend on rounding
    return [
        (name, part, twin)
        for (name, part), (_, twin) in zip(parts, twins, strict=True)
        if part is not native
    ]


def shield(root: Node, watch: Watch) -> None:
    """Let parts that write into their inputs, or return one buffer every time, work on copies."""
    # After the claims are known: a module with hooks is another one to the rules for them.
    for node in (root, *root.below()):
        if node.exact not in watch.careless:  # no module that was called when the whole ran
            watch.run(node.exact, node.exact_inputs)
    for part, writes in watch.careless.items():
        if writes:
            work_on_copies(part)


def all_gaps(root: Node) -> tuple[Gap, ...]:
    """Return the gaps of the whole and of its parts, each place and reason once."""
    found = list(root.claims.gaps)
    for node in root.below():
        found += [gap.under(node.path) for gap in node.claims.gaps]
    return tuple(dict.fromkeys(found))


@final
@dataclass(frozen=True)
class Located:
    """A premise with its place."""

    path: str
    premise: Premise
    node: Node


def locate(root: Node) -> list[Located]:
    """Return the premises of the whole and of its parts, each once, parts first.

    What depends on time is attacked in every step that rests on it.
    """
    found: dict[tuple[object, ...], Located] = {}
    known: set[tuple[object, ...]] = set()
    for node in _innermost_first(root):
        step = step_of(node.exact)
        for premise in node.premises:
            key = _key(premise)
            timed = step is not None and not getattr(premise.subject, "autonomous", True)
            place = (*key, step.time) if step is not None and timed else key
            if place not in found and (timed or key not in known):
                found[place] = Located(_place(node, premise.subject), premise, node)
            known.add(key)
    order = {node.path: k for k, node in enumerate([*root.below(), root])}
    return sorted(found.values(), key=lambda located: order[located.node.path])


def step_of(module: nn.Module) -> Step | None:
    """Return the step of a flow that a module is, also as a bijection, None for others."""
    step = getattr(module, "step", module)
    return step if isinstance(step, Step) else None


def _innermost_first(node: Node) -> Iterator[Node]:
    for child in node.children:
        yield from _innermost_first(child)
    yield node


def _place(node: Node, subject: object) -> str:
    for name, module in node.exact.named_modules():
        if module is subject:
            return ".".join(part for part in (node.path, name) if part)
    return node.path


def _key(premise: Premise) -> tuple[object, ...]:
    """Return what makes premises equal: condition, values, what their subject is made of."""
    # Steps of a flow are made anew whenever they are asked for; two of them are the same if
    # their attributes are.
    subject = premise.subject
    owned = (
        isinstance(subject, nn.Module)
        and any(True for _ in subject.children())
        and not any(True for _ in subject.parameters(recurse=False))
    )
    made_of = _made_of(subject) if owned else id(subject)
    return (premise.condition, made_of, *premise.values.items())


def _made_of(module: nn.Module) -> tuple[object, ...]:
    parts: list[object] = [type(module)]
    parts += [id(child) for child in module.children()]
    for name, value in sorted(vars(module).items()):
        if not name.startswith("_"):
            parts.append(value if isinstance(value, (bool, int, float, str)) else id(value))
    return tuple(parts)
