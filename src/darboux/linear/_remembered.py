"""Values that depend on a kernel alone, kept for as long as the kernel has the same entries."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import Array, c_char
from typing import Generic, TypeVar, final

import torch
from torch import Tensor

from darboux.linear._linear_map import REMEMBERED, LinearMap
from darboux.linear._rows import entry_bound, row_bound
from darboux.linear._spectral import norm_bound
from darboux.linear._stencil import Stencil
from darboux.solvers._transforms import are_constant

T = TypeVar("T", Tensor, Stencil)


@final
class Snapshot:
    """What tensors held at one time, bit by bit."""

    # Bytes are compared at the speed of memory; NumPy takes three times as long for numbers.
    # Equal numbers with other bits, 0 and -0, count as a change.

    def __init__(self, *given: Tensor) -> None:
        self.kept = [(_form(tensor), _copy(tensor)) for tensor in given]

    def same(self, *given: Tensor) -> bool:
        """Return whether tensors have the same entries, of the same kind at the same place."""
        return len(given) == len(self.kept) and all(
            form == _form(tensor) and _equal(bits, tensor)
            for tensor, (form, bits) in zip(given, self.kept, strict=True)
        )


def _form(tensor: Tensor) -> tuple[object, ...]:
    return tensor.dtype, tensor.device, tensor.shape, tensor.is_neg(), tensor.is_conj()


def _memory(tensor: Tensor) -> Array[c_char] | None:
    """Return the bytes of a tensor that is one piece of memory of the processor."""
    # Not by `numpy()`, which forbids that the memory is ever resized and knows no bfloat16.
    if not tensor.is_cpu or not tensor.is_contiguous():
        return None
    size = tensor.nbytes
    if size > tensor.untyped_storage().nbytes():  # reading it would end the process
        msg = "Expected a weight in memory; got one whose memory was freed. Gather or load it."
        raise RuntimeError(msg)
    return (c_char * size).from_address(tensor.data_ptr())


def _copy(tensor: Tensor) -> Tensor | bytearray:
    memory = _memory(tensor)
    return tensor.detach().clone() if memory is None else bytearray(memory)


def _equal(kept: Tensor | bytearray, given: Tensor) -> bool:
    memory = _memory(given)
    if memory is None:
        return isinstance(kept, Tensor) and torch.equal(kept, given.detach())
    return kept == memory


@final
class Remembered(Generic[T]):
    """A function of a map's stencil (and a scale of its rows) that keeps its last value.

    Only where nothing can ask for a derivative. What was given last is kept as a copy and
    compared entry by entry, so that no way of writing into a weight is missed: neither versions
    nor addresses of tensors tell of ``weight.data`` or of memory shared with others.
    """

    def __init__(self, function: Callable[..., T]) -> None:
        self.function: Callable[..., T] = function
        self.name = f"{REMEMBERED}{function.__name__}"

    def __call__(
        self, map: LinearMap, stencil: Stencil, *scale: Tensor, options: tuple[object, ...] = ()
    ) -> T:
        """Return the value, for options of the map; callers do not write into it."""
        given = (stencil.weight, *scale)
        if not are_constant(*given):
            return self.function(map, stencil, *scale)
        place = (stencil.origin, stencil.padding_mode, torch.is_inference_mode_enabled(), options)
        kept = map.__dict__.get(self.name)
        if kept is not None and kept[0] == place and kept[1].same(*given):
            return kept[2]
        value = self.function(map, stencil, *scale)
        # One assignment, so that another thread sees all of it or nothing.
        map.__dict__[self.name] = (place, Snapshot(*given), value)
        return value


@Remembered
def kept_norm_bound(map: LinearMap, stencil: Stencil) -> Tensor:
    """Return a number >= ‖A‖₂: float64, ()."""
    return norm_bound(stencil, map.equivariant())


@Remembered
def kept_row_bound(map: LinearMap, stencil: Stencil) -> Tensor:
    """Return T with A A* <= diag(T)."""
    del map
    return row_bound(stencil)


@Remembered
def kept_entry_bound(map: LinearMap, stencil: Stencil) -> Tensor:
    """Return |A| |A|ᵀ 1."""
    del map
    return entry_bound(stencil)


@Remembered
def adjoint_of_scaled(map: LinearMap, stencil: Stencil, scale: Tensor) -> Stencil:
    """Return A* diag(s)."""
    del map
    return stencil.scaled_rows(scale).adjoint()
