"""The base of optimisers: parameters grouped by manifold, stacked, checked and stepped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from operator import is_
from typing import Any, NamedTuple

import torch
from torch import Tensor

from darboux.manifolds import Euclidean, Manifold
from darboux.optim._base import BaseOptimizer, evaluated, require_numbers
from darboux.optim._base import Group as Group
from darboux.optim._base import Parameters as Parameters
from darboux.optim._manifold_parameter import claimed_manifold
from darboux.optim._motions import motion_of
from darboux.optim._stacks import Stack, kind_of
from darboux.solvers._transforms import without_autocast

Step = tuple[Tensor, dict[str, Tensor]]

_NAMED = {"manifold": "on", "kinetic": "with"}  # options that are objects, and how they are told

_OPTIONS = ("manifold", "foreach", "shared_storage")


class Grouped(NamedTuple):
    """How the parameters of one group are stepped, those that have gradients."""

    parameters: list[Tensor]
    absent: list[bool]
    options: tuple[Any, ...]
    stacks: list[Stack]
    flat: list[Tensor]


class ManifoldOptimizer(BaseOptimizer, ABC):
    """An optimiser whose groups may say on which manifold their parameters lie."""

    def __init__(self, params: Parameters, defaults: Group) -> None:
        super().__init__(params, {"manifold": None, **defaults})

    def _begin(self) -> None:
        BaseOptimizer._begin(self)
        self._grouped: dict[int, Grouped] = {}
        self.register_state_dict_post_hook(_named)
        self.register_load_state_dict_pre_hook(_given)

    def add_param_group(self, param_group: Group) -> None:
        """Add a group, as torch's optimisers do.

        Raises:
            TypeError: if its manifold is none, or an option of another type.
            ValueError: if a parameter is no point of it, or an option out of range.
        """
        BaseOptimizer.add_param_group(self, param_group)
        group = self.param_groups[-1]
        try:
            for parameter in group["params"]:
                self._check(group, parameter)
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise

    def _check(self, group: Group, parameter: Tensor) -> None:
        """Refuse a parameter that is no point of its manifold, or options without a meaning."""
        manifold = manifold_of(group, parameter)
        if manifold is None:
            return
        if group.get("weight_decay", 0) != 0:
            msg = (
                f"{type(self).__name__}: expected weight_decay=0 on {manifold}; got "
                f"{group['weight_decay']}. It pulls towards 0, which is no point. Say so in the "
                'group: {"params": ..., "manifold": ..., "weight_decay": 0}.'
            )
            raise ValueError(msg)
        self._check_point(manifold, parameter)

    def _check_point(self, manifold: Manifold, parameter: Tensor) -> None:
        fits, reason = (True, "") if parameter.is_meta else manifold.check(parameter.detach())
        if not fits:
            msg = (
                f"{type(self).__name__}: {reason}. Bring it there, under torch.no_grad(): "
                "p.copy_(manifold.nearest(p)); or transpose it if its rows are meant."
            )
            raise ValueError(msg)

    def _grouping(self, index: int, group: Group, gradients: list[Tensor | None]) -> Grouped:
        """Return the stacks of a group, those of the last step if they still fit."""
        parameters, absent = group["params"], [g is None for g in gradients]
        options = tuple(group[name] for name in _OPTIONS)
        known = self._grouped.get(index)
        if (
            known is None
            or known.absent != absent
            or not all(map(is_, known.parameters, parameters))
            or known.options != options
            or not all(stack.fits() for stack in known.stacks)
        ):
            found = _stacked(group, gradients)
            known = self._grouped[index] = Grouped([*parameters], absent, options, *found)
        return known


class StackwiseOptimizer(ManifoldOptimizer, ABC):
    """One that steps stack by stack, and apart from them the parameters that lie on no manifold."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make one step, after a call of the closure if there is one.

        Raises:
            RuntimeError: if a gradient of a point is sparse.
            ValueError: if a step size is negative, NaN or infinite.
            FloatingPointError: if one is NaN or infinite; no parameter has been changed.
        """
        loss = evaluated(closure)
        with torch.no_grad():
            steps: list[tuple[Stack, Step]] = []
            flat: list[tuple[Group, list[Tensor]]] = []
            for index, group in enumerate(self.param_groups):
                require_numbers(group, "lr")
                gradients = [p.grad for p in group["params"]]
                known = self._grouping(index, group, gradients)
                for stack in known.stacks:
                    g = stack.gradients(gradients)
                    with _plainly(g):
                        steps.append((stack, self._stepped(group, stack, g)))
                if known.flat:
                    flat.append((group, known.flat))
            for stack, (points, kept) in steps:  # nothing has been changed so far
                stack.write(points)
                stack.keep(self.state, kept)
            for group, parameters in flat:
                self._step_flat(group, parameters)
        return loss

    @abstractmethod
    def _stepped(self, group: Group, stack: Stack, g: Tensor) -> Step:
        """Return new points of a stack, g being the partial derivatives, and what is kept."""

    @abstractmethod
    def _step_flat(self, group: Group, parameters: list[Tensor]) -> None:
        """Step parameters that lie on no manifold, by their `grad`."""


def _stacked(group: Group, gradients: list[Tensor | None]) -> tuple[list[Stack], list[Tensor]]:
    """Return stacks of equal points, or each alone unless `foreach`; and what is no point."""
    alike: dict[Any, dict[int, Tensor]] = {}
    flat: list[Tensor] = []
    for i, parameter in enumerate(group["params"]):
        if gradients[i] is None:
            continue
        manifold = manifold_of(group, parameter)
        if manifold is None:
            flat.append(parameter)
        else:
            key = (manifold, kind_of(parameter), i if group["foreach"] is False else None)
            alike.setdefault(key, {})[i] = parameter
    return [
        Stack(motion_of(key[0]), parameters, shared=group["shared_storage"])
        for key, parameters in alike.items()
    ], flat


def manifold_of(group: Group, parameter: Tensor) -> Manifold | None:
    """Return the manifold that a group or a parameter names, None for a Euclidean space."""
    manifold, claimed = group["manifold"], claimed_manifold(parameter)
    if manifold is not None and not isinstance(manifold, Manifold):
        msg = (
            "Expected the manifold of a group to be one of darboux.manifolds; got "
            f"{manifold!r}. Write {{'params': [w], 'manifold': darboux.manifolds.Stiefel(n, p)}}."
        )
        raise TypeError(msg)
    if None not in (manifold, claimed) and manifold != claimed:
        msg = (
            f"Expected the group of a parameter on {claimed} to name that manifold or none; got "
            f"{manifold}, whose steps leave it."
        )
        raise ValueError(msg)
    found = claimed if manifold is None else manifold
    return None if isinstance(found, Euclidean) else found


def _plainly(g: Tensor) -> AbstractContextManager[object]:
    """Return a context without autocast; entering one costs more than asking."""
    return without_autocast(g) if torch.is_autocast_enabled(g.device.type) else nullcontext()


def _named(optimizer: torch.optim.Optimizer, state: Group) -> Group:
    """Name what is no number in a state dictionary: plain values load everywhere."""
    del optimizer
    groups = [{**g, **{n: _name(g[n]) for n in _NAMED if n in g}} for g in state["param_groups"]]
    return {**state, "param_groups": groups}


def _given(optimizer: torch.optim.Optimizer, state: Group) -> Group:
    """Put the manifolds and energies of the optimizer in the place of their names.

    Raises:
        ValueError: if they are others.
    """
    saved = []
    for i, (old, new) in enumerate(
        zip(state["param_groups"], optimizer.param_groups, strict=False)
    ):
        here = {name: new[name] for name in _NAMED if name in new}
        for name, value in here.items():
            if old.get(name) != _name(value):
                msg = (
                    f"Expected a state of group {i} {_NAMED[name]} {_name(value)}; got one "
                    f"{_NAMED[name]} {old.get(name)}. Build the optimiser with the groups that "
                    "were saved."
                )
                raise ValueError(msg)
        options = {name: value for name, value in new.items() if name != "params"}
        saved.append({**options, **old, **here})
    rest = state["param_groups"][len(saved) :]
    return {**state, "param_groups": saved + rest}


def _name(value: object) -> str | None:
    return None if value is None else str(value)
