"""Records of a forward pass for its repetition: autocast, modes, random numbers, buffers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import Any, final

import torch
from torch import Tensor, nn

from darboux.gradients._captured import Captured
from darboux.gradients._fingerprint import Marks
from darboux.gradients._link import Link

_SWAPPING = RLock()  # one thread at a time sees a module with other tensors than its own


@final
class Environment:
    """The environment of a forward pass: autocast, and the training mode of every module."""

    def __init__(self, modules: Iterable[nn.Module], device: torch.device) -> None:
        self.device = device
        kind = device.type
        self.autocast = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
        self.modules = [(module, module.training) for module in modules]

    def uncached(self) -> torch.autocast:
        """Return the same autocast without its cache of weights."""
        # What is cast where no gradients are recorded would be found there later, by those who
        # need its gradient.
        enabled = self.autocast is not None
        return torch.autocast(
            self.device.type, dtype=self.autocast, enabled=enabled, cache_enabled=False
        )

    @contextmanager
    def again(self) -> Iterator[None]:
        """Surround a repetition: what it draws and how it is set leaves no trace."""
        changed = [(m, mode) for m, mode in self.modules if m.training is not mode]
        state = RandomState.now(self.device)
        for module, mode in changed:
            module.training = mode
        try:
            with self.uncached():
                yield
        finally:
            for module, mode in changed:
                module.training = not mode
            state.restore()


@final
@dataclass(frozen=True, eq=False)
class RandomState:
    """The states of the CPU's generator and of a device's."""

    cpu: Tensor
    device: torch.device
    other: Tensor | None

    @classmethod
    def now(cls, device: torch.device) -> RandomState:
        """Return the present states."""
        module = None if device.type == "cpu" else torch.get_device_module(device)
        other = None if module is None else module.get_rng_state(device)
        return cls(torch.get_rng_state(), device, other)

    def restore(self) -> None:
        """Set the generators back to these states."""
        torch.set_rng_state(self.cpu)
        if self.other is not None:
            torch.get_device_module(self.device).set_rng_state(self.other, self.device)

    def same(self, other: RandomState) -> bool:
        """Return whether nothing was drawn in between."""
        if not torch.equal(self.cpu, other.cpu):
            return False
        if self.other is None or other.other is None:
            return True
        return torch.equal(self.other, other.other)


@final
class Inventory:
    """The modules, parameters and buffers of a module, with names.

    Tensors that are no parameters of the module have none: nothing can take their place.
    """

    def __init__(self, module: nn.Module) -> None:
        self.modules: list[nn.Module] = []
        self.parameters: list[tuple[str | None, Tensor]] = []
        self.buffers: list[tuple[str, Tensor]] = []
        with _SWAPPING:
            for prefix, part in module.named_modules():
                start = f"{prefix}." if prefix else ""
                self.modules.append(part)
                for name, parameter in part._parameters.items():
                    if parameter is not None:
                        self.parameters.append((start + name, parameter))
                for name, buffer in part._buffers.items():
                    if buffer is not None:
                        self.buffers.append((start + name, buffer))
        if isinstance(module, Captured):
            self.parameters += [(None, tensor) for tensor in module.loose]
            self.parameters = [(n, p) for n, p in self.parameters if module.is_wanted(p)]


@final
@dataclass(frozen=True, eq=False)
class Record:
    """What one link found when it was applied."""

    marks: Marks
    random: RandomState | None
    buffers: Mapping[str, Tensor]


@final
class Watch:
    """Watches a link being applied: which buffers it changes, whether it draws numbers."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._random = RandomState.now(device)

    def before(self, inventory: Inventory) -> list[tuple[str, Tensor, Tensor]]:
        """Return the buffers of a link with their names, and copies of them."""
        return [(name, buffer, buffer.clone()) for name, buffer in inventory.buffers]

    def after(self, link: Link, marks: Marks, buffers: list[tuple[str, Tensor, Tensor]]) -> Record:
        """Return the record of a link that has just been applied."""
        now = RandomState.now(self._device)
        drew, self._random, before = not now.same(self._random), now, self._random
        current = dict(link.module.named_buffers()) if buffers else {}
        changed = {
            name: copy
            for name, buffer, copy in buffers
            # batch normalisation writes without counting versions: values tell
            if current.get(name) is not buffer or not torch.equal(buffer, copy)
        }
        return Record(marks, before if drew else None, changed)


@final
class _Call(nn.Module):
    """A module around another one, through which any of its functions can be called."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Return what the function returns."""
        return function(*arguments, **named)


def repeat(
    link: Link,
    record: Record,
    replaced: Mapping[str, Tensor],
    function: Callable[..., Any],
    *arguments: Any,
    **named: Any,
) -> Any:
    """Call a function of a link as it was in the forward pass, leaving no trace."""
    if record.random is not None:
        record.random.restore()
    if not record.buffers and not replaced:
        return function(*arguments, **named)
    tensors = {f"inner.{name}": value.clone() for name, value in record.buffers.items()}
    tensors.update({f"inner.{name}": value for name, value in replaced.items()})
    call = _Call(link.module)
    with _SWAPPING:
        return torch.func.functional_call(call, tensors, (function, *arguments), named)


def is_watched(tensor: Tensor) -> bool:
    """Return whether hooks of a tensor, or its own .grad, ask for its gradient."""
    hooks = (tensor._backward_hooks, getattr(tensor, "_post_accumulate_grad_hooks", None))
    return any(hooks) or tensor.retains_grad
