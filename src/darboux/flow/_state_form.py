"""The states of `odeint`, tensors of any shape or tuples of them, as what methods step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from darboux.fields import VectorField
from darboux.integrators._integrator import fitting
from darboux.solvers._transforms import nesting

WROTE = (
    "odeint: expected f(t, y) to leave y as it is; got a function that writes into y. Let it work "
    "on y.clone()."
)

State = Tensor | Sequence[Tensor]


@dataclass(frozen=True)
class StateForm:
    """How a state y becomes a tensor z that methods step, and back."""

    # z is y itself, or (rows, entries): one row for a system, one for each sample where samples
    # are independent. Methods that solve equations see complex numbers as pairs of real ones.

    shapes: tuple[torch.Size, ...]
    is_tuple: bool
    is_flat: bool  # z is (rows, entries)
    per_sample: bool
    as_pairs: bool

    @staticmethod
    def of(y: State, *, per_sample: bool, by_rows: bool, real: bool, field: object) -> StateForm:
        """Return the form of a state for a method that treats rows as samples, or not."""
        members = _members(y)
        is_tuple = not isinstance(y, Tensor)
        if per_sample:
            _check_samples(members)
        shapes = tuple(member.shape for member in members)
        if isinstance(field, VectorField) and not is_tuple and members[0].ndim < 2:
            shapes = (torch.Size((1, members[0].numel())),)  # a field sees (batch, channels)
        as_pairs = real and members[0].is_complex()
        is_flat = is_tuple or as_pairs or (by_rows and not per_sample)
        return StateForm(shapes, is_tuple, is_flat, per_sample, as_pairs)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The entries of the members in a row of z that have some, if z is made of several."""
        counts = [self._entries(shape) for shape in self.shapes]
        return tuple(count for count in counts if count) if self.is_tuple else ()

    def pack(self, y: State) -> Tensor:
        """Return z, a tensor of its own."""
        return self._packed((y,) if isinstance(y, Tensor) else y).clone()

    def check_unchanged(self, z: Tensor, y: State) -> None:
        """Refuse a function that wrote into its first y, where values can be looked at."""
        if torch.compiler.is_compiling() or nesting() > 0:
            return
        with torch.no_grad():
            if not torch.equal(z, self._packed((y,) if isinstance(y, Tensor) else y)):
                raise ValueError(WROTE)

    def gather(self, values: Tensor, like: State) -> Tensor | tuple[Tensor, ...]:
        """Return what many z, (len, *z.shape), stand for, (len, *y.shape) each."""
        if isinstance(like, Tensor):
            members = self.unpack(values) if self.as_pairs else (values,)
            return members[0].reshape((len(values), *like.shape))
        return self.unpack(values)

    def state(self, z: Tensor, like: State) -> State:
        """Return the y that one z stands for."""
        found = self.gather(z.unsqueeze(0), like)
        return found[0] if isinstance(found, Tensor) else tuple(member[0] for member in found)

    def unpack(self, z: Tensor) -> tuple[Tensor, ...]:
        """Return the members of y from z, or of many of them."""
        if not self.is_flat:
            return (z,)
        lead = z.shape[:-2]
        if len(self.shapes) == 1 and not self.as_pairs:
            return (z.reshape(lead + self.shapes[0]),)
        parts = z.split([self._entries(shape) for shape in self.shapes], dim=-1)
        if self.as_pairs:
            couples = (part.unflatten(-1, (-1, 2)).contiguous() for part in parts)
            parts = tuple(map(torch.view_as_complex, couples))
        return tuple(part.reshape((*lead, *s)) for part, s in zip(parts, self.shapes, strict=True))

    def pack_slope(self, value: object, like: tuple[Tensor, ...]) -> Tensor:
        """Return the slope of z from f(t, y), which must be like the members of y."""
        members = tuple(value) if isinstance(value, (tuple, list)) else (value,)
        shapes = [getattr(member, "shape", None) for member in members]
        if isinstance(value, Tensor) == self.is_tuple or shapes != [x.shape for x in like]:
            raise self.misfit(value, like)
        return self._packed([fitting(x, y) for x, y in zip(members, like, strict=True)])

    def _packed(self, members: Sequence[Tensor]) -> Tensor:
        if not self.is_flat:
            y, shape = members[0], self.shapes[0]
            return y if y.shape == shape else y.reshape(shape)
        if self.as_pairs:
            members = [torch.view_as_real(member.resolve_conj()) for member in members]
        count = len(members[0]) if self.per_sample else 1
        pairs = zip(members, self.shapes, strict=True)
        rows = [member.reshape(count, self._entries(shape)) for member, shape in pairs]
        return rows[0] if len(rows) == 1 else torch.cat(rows, dim=1)

    def _entries(self, shape: torch.Size) -> int:
        entries = shape[1:].numel() if self.per_sample else shape.numel()
        return 2 * entries if self.as_pairs else entries

    def misfit(self, value: object, like: tuple[Tensor, ...]) -> ValueError:
        """Return the error about f(t, y) that is not like y."""
        members = value if isinstance(value, (tuple, list)) else (value,)
        shapes = [str(tuple(member.shape)) for member in members if isinstance(member, Tensor)]
        expected = ", ".join(str(tuple(member.shape)) for member in like)
        found = ", ".join(shapes) or type(value).__name__
        return ValueError(
            f"odeint: expected f(t, y) to be like y, a {'tuple' if self.is_tuple else 'tensor'} "
            f"of {expected}; got {'' if isinstance(value, Tensor) else 'a tuple of '}{found}. "
            "Return one slope for each entry of y."
        )


def _members(y: object) -> tuple[Tensor, ...]:
    """Return the tensors that a state is made of."""
    members = tuple(y) if isinstance(y, (tuple, list)) else (y,)
    for member in members:
        numbers = isinstance(member, Tensor) and (member.is_floating_point() or member.is_complex())
        if not numbers:
            found = member.dtype if isinstance(member, Tensor) else type(member).__name__
            msg = (
                "odeint: expected y0 to be a tensor of real or complex numbers, or a tuple of "
                f"them; got {found}. Use y0.float(), or torch.tensor(y0)."
            )
            raise TypeError(msg)
    if not members:
        msg = "odeint: expected y0 to be a tensor or a tuple of tensors; got an empty tuple."
        raise ValueError(msg)
    if len({(member.dtype, member.device) for member in members}) > 1:
        msg = (
            "odeint: expected tensors of one dtype on one device; got "
            f"{', '.join(f'{member.dtype} on {member.device}' for member in members)}. Use to()."
        )
        raise TypeError(msg)
    return members


def _check_samples(members: tuple[Tensor, ...]) -> None:
    batches = {tuple(member.shape[:1]) for member in members}
    if len(batches) > 1 or () in batches:
        msg = (
            "odeint: expected samples on the first axis of all tensors with per_sample=True; got "
            f"shapes {', '.join(str(tuple(member.shape)) for member in members)}. Leave "
            "per_sample out for one system."
        )
        raise ValueError(msg)
