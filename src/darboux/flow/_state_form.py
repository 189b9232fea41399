"""The states of `odeint`, one system or a tuple of tensors, as a batch that methods step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from darboux.fields import VectorField
from darboux.integrators import Field, Time

State = Tensor | tuple[Tensor, ...]


@dataclass(frozen=True)
class StateForm:
    """How a state y becomes a batch z of independent samples, and back."""

    # A tensor (batch, ...) stays what it is. A tensor with one axis or none is one system, a
    # batch of one. A tuple of tensors (batch, ...) becomes (batch, entries).

    shapes: tuple[torch.Size, ...]
    is_tuple: bool
    is_batch: bool  # y is a batch as it is

    @staticmethod
    def of(y: State) -> StateForm:
        """Return the form of a state."""
        members = y if isinstance(y, tuple) else (y,)
        for member in members:
            if not isinstance(member, Tensor) or not member.is_floating_point():
                found = member.dtype if isinstance(member, Tensor) else type(member).__name__
                msg = (
                    f"odeint: expected y0 to be a tensor of real numbers, or a tuple of them; got "
                    f"{found}. Use y0.float() or torch.view_as_real."
                )
                raise TypeError(msg)
        _check_members(members, is_tuple=isinstance(y, tuple))
        is_tuple, shapes = isinstance(y, tuple), tuple(member.shape for member in members)
        return StateForm(shapes, is_tuple, not is_tuple and len(shapes[0]) > 1)

    def pack(self, y: State) -> Tensor:
        """Return z, (batch, ...)."""
        if isinstance(y, tuple):
            return torch.cat([member.reshape(len(member), -1) for member in y], dim=1)
        return y if self.is_batch else y.reshape(1, -1)

    def unpack(self, z: Tensor) -> State:
        """Return y from z."""
        if self.is_batch:
            return z
        if not self.is_tuple:
            return z.reshape(self.shapes[0])
        sizes = [shape[1:].numel() for shape in self.shapes]
        parts = zip(z.split(sizes, dim=1), self.shapes, strict=True)
        return tuple(part.reshape(shape) for part, shape in parts)

    def gather(self, values: list[Tensor]) -> State:
        """Return what many z stand for, (len, *y.shape) each."""
        if self.is_batch:
            return torch.stack(values)
        states = [self.unpack(z) for z in values]
        if self.is_tuple:
            return tuple(torch.stack(list(members)) for members in zip(*states, strict=True))
        return torch.stack([state for state in states if isinstance(state, Tensor)])

    def field(self, f: Any) -> Field:
        """Return (t, z) -> f(t, y) as a batch."""
        # Fields of this package see z itself, with their methods beside f(t, z).
        if isinstance(f, VectorField):
            return f.prepare()
        return f if self.is_batch and hasattr(f, "drift") else _Adapted(f, self)


@dataclass(frozen=True)
class _Adapted:
    """A function f(t, y) as a field of z."""

    f: Any
    form: StateForm

    def __call__(self, t: Time, z: Tensor) -> Tensor:
        """Return f(t, y) as a batch; t is a tensor, as people expect it."""
        time = torch.as_tensor(t, dtype=z.dtype, device=z.device)
        form = self.form
        if form.is_batch:
            value = self.f(time, z)
            if not isinstance(value, Tensor) or value.shape != z.shape:
                raise _wrong_value(value, form)
            return value
        if time.ndim and not form.is_tuple:
            time = time.reshape(())  # one time for each sample, and one system has one
        value = self.f(time, form.unpack(z))
        members = value if isinstance(value, tuple) else (value,)
        shapes = [member.shape for member in members if isinstance(member, Tensor)]
        if isinstance(value, tuple) is not form.is_tuple or shapes != list(form.shapes):
            raise _wrong_value(value, form)
        return form.pack(value)


def _check_members(members: tuple[Tensor, ...], *, is_tuple: bool) -> None:
    if not members:
        msg = "odeint: expected y0 to be a tensor or a tuple of tensors; got an empty tuple."
        raise ValueError(msg)
    batches = {tuple(member.shape[:1]) for member in members}
    if is_tuple and (len(batches) > 1 or () in batches):
        msg = (
            f"odeint: expected a tuple of tensors with equal first axes, the batch; got shapes "
            f"{', '.join(str(tuple(member.shape)) for member in members)}. Use unsqueeze(0) for "
            "one system."
        )
        raise ValueError(msg)
    if len({(member.dtype, member.device) for member in members}) > 1:
        msg = (
            "odeint: expected tensors of one dtype on one device; got "
            f"{', '.join(f'{member.dtype} on {member.device}' for member in members)}. Use to()."
        )
        raise TypeError(msg)


def _wrong_value(value: object, form: StateForm) -> ValueError:
    members = value if isinstance(value, tuple) else (value,)
    shapes = [str(tuple(member.shape)) for member in members if isinstance(member, Tensor)]
    expected = [str(tuple(shape)) for shape in form.shapes]
    kind = "a tuple of" if form.is_tuple else "a tensor of"
    found = ", ".join(shapes) or type(value).__name__
    return ValueError(
        f"odeint: expected f(t, y) to be like y, {kind} {', '.join(expected)}; got "
        f"{'a tuple of ' if isinstance(value, tuple) else ''}{found}. Return one slope for "
        "each entry of y."
    )
