"""What was prepared of a gradient field, kept for as long as it would be the same."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import Any, NamedTuple, TypeVar, cast

import torch
from torch import Tensor, nn

from darboux.activations import Activation, Clip
from darboux.linear import Conv, Dense
from darboux.linear._linear_map import REMEMBERED
from darboux.linear._remembered import Snapshot
from darboux.solvers._transforms import are_constant
from darboux.structure._module import is_hooked

T = TypeVar("T")

_NAME = f"{REMEMBERED}preparation"

_MAPS = (Conv, Dense)
_PLAIN = (Activation.tie, Activation.prepare)

# Methods that an object may have been given instead of those of its class.
_REPLACED = frozenset(
    {
        *("scale", "_rows", "prepare", "forward", "cocoercivity", "is_cocoercive", "weight"),
        *("stencil", "row_bound", "entry_bound", "norm_bound", "equivariant", "shift", "shifts"),
        *("tie", "prepare_adjoint", "slopes", "threshold"),
    }
)


class _Kept(NamedTuple):
    parts: tuple[object, ...]
    places: tuple[object, ...]
    entries: Snapshot
    made: object


def kept(field: nn.Module, make: Callable[[], T]) -> T:
    """Return what was made last of a gradient field, unless anything that counts has changed.

    What is made may look into the memory of the weight and the bias, whatever is in there. Where
    somebody may ask for a derivative, or for what is not known here, it is made anew.
    """
    found = _made_of(field)
    if found is None:
        return make()
    parts, places, entries = found
    last = vars(field).get(_NAME)
    if (
        last is not None
        and len(last.parts) == len(parts)
        and all(map(is_, last.parts, parts))
        and last.places == places
        and last.entries.same(*entries)
    ):
        return cast("T", last.made)
    made = make()
    # One assignment, so that another thread sees all of it or nothing.
    vars(field)[_NAME] = _Kept(parts, places, Snapshot(*entries), made)
    return made


def is_kept(field: nn.Module, made: object) -> bool:
    """Return whether an object was kept last, for whatever the parameters were then."""
    last = vars(field).get(_NAME)
    return last is not None and last.made is made


def _made_of(
    field: nn.Module,
) -> tuple[tuple[object, ...], tuple[object, ...], tuple[Tensor, ...]] | None:
    """Return objects that must be the same, places in memory, and tensors whose entries count."""
    linear: Any = field._modules["map"]
    activation: Any = field._modules["activation"]
    if type(linear) not in _MAPS:
        return None
    weight, bias = linear._parameters.get("weight"), field._parameters.get("bias")
    kind: Any = type(activation)
    own = vars(linear)
    if (
        weight is None
        or bias is None
        or not (kind is Clip or (kind.tie, kind.prepare) == _PLAIN)
        or is_hooked(activation)
        or not _REPLACED.isdisjoint(own)
        or not _REPLACED.isdisjoint(vars(field))
        or not _REPLACED.isdisjoint(vars(activation))
    ):
        return None
    thresholds = (activation._parameters["log_threshold"],) if kind is Clip else ()
    entries: tuple[Tensor, ...] = (weight, *thresholds)
    if not are_constant(*entries, bias):
        return None
    settings = (field.metric, own.get("kernel_size"), own.get("padding_mode"))
    parts = (linear, activation, *entries, bias, torch.is_inference_mode_enabled(), *settings)
    shape = (bias.shape, bias.stride(), bias.dtype, bias.is_neg(), weight.stride())
    places = (weight.data_ptr(), bias.data_ptr(), *shape, activation.slopes())
    return parts, places, entries
