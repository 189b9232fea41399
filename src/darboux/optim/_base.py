"""The base of all optimisers: what they are given, what they load, and what they refuse."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, get_type_hints

import torch
from torch import Tensor

from darboux.structure._arguments import shown
from darboux.structure._checks import accepted, check_of

Group = dict[str, Any]
Parameters = Iterable[Tensor] | Iterable[Group] | Iterable[tuple[str, Tensor]]
Closure = Callable[[], Any]

NOT_FINITE = (
    "Expected finite gradients; got NaN or ∞, or a momentum of them. No parameter has been "
    "changed: leave the step out, as torch.amp.GradScaler does, or find the cause by "
    "torch.autograd.detect_anomaly()."
)

_CLOSURE = (
    "{}: expected a closure, which clears the gradients, computes the loss, calls backward and "
    "returns the loss; got None. {} torch.amp.GradScaler takes none: scale nothing, or use an "
    "optimiser without one."
)


class BaseOptimizer(torch.optim.Optimizer, ABC):
    """An optimiser that says what it expects, and shares no state with the one it was loaded from.

    Subclasses collect the gradients of a step by `gradients_of`, which refuses what they cannot
    use, before they change anything.
    """

    def __init__(self, params: Parameters, defaults: Group) -> None:
        given: Any = [params] if isinstance(params, Tensor) else list(params)
        wrong = [p for p in given if not isinstance(p, Tensor | dict | tuple)]
        if isinstance(params, Tensor) or wrong:
            msg = (
                f"{type(self).__name__}: expected params to be parameters in a list, or groups; "
                f"got {shown((wrong or given)[0])}. Write [w], or "
                '[{"params": [w], "manifold": manifold}].'
            )
            raise TypeError(msg)
        super().__init__(given, defaults)
        self._begin()

    def __setstate__(self, state: Group) -> None:
        torch.optim.Optimizer.__setstate__(self, state)
        if "defaults" in state:  # a copy, not a state that is loaded
            self._begin()

    def add_param_group(self, param_group: Group) -> None:
        """Add a group, as torch's optimisers do.

        Raises:
            TypeError: if an option of it is none of those that the constructor takes.
            ValueError: if one is out of range.
        """
        hints = get_type_hints(type(self).__init__, include_extras=True)
        for name in param_group.keys() & hints.keys() - {"params"}:
            accepted(type(self).__name__, name, check_of(hints[name]), param_group[name])
        torch.optim.Optimizer.add_param_group(self, param_group)

    def _begin(self) -> None:
        """Make what is no part of the state: hooks, and what is kept of the last step."""
        self.register_load_state_dict_pre_hook(_copied)


def _copied(optimizer: torch.optim.Optimizer, state: Group) -> Group:
    """Copy what is kept: otherwise two optimisers would write to the same tensors."""
    del optimizer
    return {**state, "state": deepcopy(state["state"])}


def evaluated(closure: Closure | None) -> Any:
    """Return the loss that a closure computes with its gradients, None without a closure."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


def needed(owner: object, closure: Closure | None, why: str) -> Closure:
    """Return a closure, or refuse to do without; `why` is a sentence.

    Raises:
        TypeError: if there is none.
    """
    if closure is None:
        raise TypeError(_CLOSURE.format(type(owner).__name__, why))
    return closure


def is_left_out(optimizer: torch.optim.Optimizer, closure: Closure | None) -> bool:
    """Return whether a gradient scaler wants no step; else divide the gradients by its scale.

    For classes with ``_step_supports_amp_scaling``: torch.amp.GradScaler tells them what it has
    found by two attributes. Those without are stepped as if there were no scaler.

    Raises:
        RuntimeError: if there is a closure, whose gradients nobody would scale back.
    """
    told: dict[str, Tensor | None] = vars(optimizer)
    found, scale = told.get("found_inf"), told.get("grad_scale")
    if found is None:
        return False
    # a scaler deletes them, but not after an error: then they must mean nothing
    told |= {"found_inf": None, "grad_scale": torch.ones(())}
    if closure is not None:
        msg = (
            f"{type(optimizer).__name__}: expected no closure with torch.amp.GradScaler, which "
            "cannot scale back the gradients that it computes; got one. Compute them before, and "
            "call scaler.step(optimizer)."
        )
        raise RuntimeError(msg)
    if float(found) > 0:
        return True
    if scale is not None:
        every = [p.grad for group in optimizer.param_groups for p in group["params"]]
        for g in every:
            if g is not None:
                g.div_(scale.to(g.device))
    return False


def gradients_of(owner: object, parameters: Iterable[Tensor]) -> list[Tensor]:
    """Return the gradients of those parameters that have one, all of them finite and dense.

    Raises:
        RuntimeError: if one is sparse.
        FloatingPointError: if one is NaN or infinite.
    """
    found = [p.grad for p in parameters if p.grad is not None]
    for g in found:
        if g.layout is not torch.strided:
            msg = (
                f"{type(owner).__name__}: expected dense gradients; got sparse ones. Make the "
                "layer with sparse=False."
            )
            raise RuntimeError(msg)
    known = [g for g in found if not g.is_meta]
    if not math.isfinite(norm_of(known)) and not all(bool(g.isfinite().all()) for g in known):
        raise FloatingPointError(NOT_FINITE)
    return found


def norm_of(tensors: list[Tensor]) -> float:
    """Return √Σ‖x‖², in one pass; in a second one where single precision does not hold it."""
    tensors = [x for x in tensors if not x.is_meta]
    if not tensors:
        return 0.0
    found = _joined(list(torch._foreach_norm(tensors)))
    if math.isinf(found) and not any(x.is_complex() for x in tensors):
        return _joined(list(torch._foreach_norm(tensors, 2, torch.float64)))
    return found


def _joined(each: list[Tensor]) -> float:
    if len(each) == 1:
        return float(each[0])
    if len({(x.device, x.dtype) for x in each}) > 1:
        each = [x.to(each[0].device, torch.float64) for x in each]
    return float(torch.stack(each).double().norm())


def require_numbers(group: Group, *names: str) -> None:
    """Refuse numbers of a group that are negative, NaN or infinite, as a schedule may make them."""
    for name in names:
        positive(group, name)


def positive(group: Group, name: str) -> float:
    """Return a number of a group, which is not negative.

    Raises:
        ValueError: if it is negative, NaN or infinite.
    """
    value: float = group[name]
    if not 0 <= value < math.inf:
        msg = f"Expected {name} to be a finite number of 0 or more; got {value}."
        raise ValueError(msg)
    return value
