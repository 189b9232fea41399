"""Plane waves on the window of an example: what a linear map makes of them at the centre."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from darboux.certification._finding import NotAttackedError
from darboux.certification._problem import Problem
from darboux.certification._target import Target

_SCALES = 8.0

_PAIRS = 16


@final
class Waves:
    """A linear map that commutes with translations, seen through complex plane waves."""

    # A real map is applied to real and imaginary part; only the value at the centre pixel is
    # looked at, far from the border, so that how the image is continued does not count.

    def __init__(self, target: Target) -> None:
        if target.inputs.ndim < 3:
            raise NotAttackedError("plane waves need spatial axes; the example has none")
        self.target = target
        self.problem = Problem(target.module, target)
        if self.problem.mixes:
            raise NotAttackedError("samples of the batch influence one another")
        self.channels = target.inputs.shape[1]
        self.dim = target.inputs.ndim - 2
        self._look(tuple(target.inputs.shape[2:]))
        self._check()

    def at_centre(self, x: Tensor) -> Tensor:
        """Return the value at the centre pixel, (batch, out)."""
        value = self.problem(x)
        if tuple(value.shape[2:]) != self.space:
            msg = f"the map does not keep the size of images: {self.space} -> {value.shape[2:]}"
            raise NotAttackedError(msg)
        return value.flatten(2)[..., self.middle]

    def respond(self, frequencies: Tensor, vectors: Tensor) -> Tensor:
        """Return φ(v e^{iξ·p}) at p = 0, (P, out), complex128."""
        wave = torch.exp(1j * (frequencies.double() @ self.points.T))
        image = (vectors.to(wave)[:, :, None] * wave[:, None]).unflatten(2, self.space)
        parts = torch.cat([image.real, image.imag]).to(self.target.inputs)
        real, imaginary = self.at_centre(parts).double().cpu().chunk(2)
        return torch.complex(real, imaginary)

    def symbols(self, frequencies: Tensor) -> Tensor:
        """Return the symbol at some frequencies, (P, out, in): one wave for every channel."""
        basis = torch.eye(self.channels, dtype=torch.complex128)
        columns = self.respond(
            frequencies.repeat_interleave(self.channels, dim=0), basis.repeat(len(frequencies), 1)
        )
        return columns.unflatten(0, (-1, self.channels)).mT

    def pays_for(self, wanted: int, *, fraction: float) -> int:
        """Return how many symbols a fraction of the work pays for, at least four."""
        calls = 2.0 * self.channels
        return self.problem.afford(wanted, fraction=fraction, calls=calls, least=4)

    def _look(self, space: tuple[int, ...]) -> None:
        """Take a window of some size."""
        self.space = space
        axes = [torch.arange(n) - n // 2 for n in space]
        self.points = torch.cartesian_prod(*axes).double().reshape(-1, self.dim)
        self.middle = int(self.points.norm(dim=1).argmin())

    def _check(self) -> None:
        """Refuse a map that is not linear, or whose value at the centre depends on the border."""
        x, y = self.target.randn(2, _PAIRS, self.channels, *self.space).unbind()
        inside = torch.zeros(self.space, dtype=torch.bool, device=x.device)
        inside[tuple(slice(1, -1) for _ in self.space)] = True
        other = torch.where(inside, x, y)
        values = self.at_centre(torch.cat([x, y, x + y, other, torch.zeros_like(x)]))
        self.out = values.shape[1]
        fx, fy, both, same, zero = values.chunk(5)
        size = _SCALES * self.target.rounding(self.problem.size) * float(values.norm(dim=1).max())
        if not float((same - fx).norm(dim=1).max()) <= size:
            msg = (
                f"the value at the centre of a window of {self.space} pixels depends on its "
                "border; certify with a larger example"
            )
            raise NotAttackedError(msg)
        if not float((both - fx - fy).norm(dim=1).max() + zero.norm()) <= size:
            raise NotAttackedError("the map is not linear, so waves do not pass one by one")
        self._shrink(x[:1], fx[0], size)

    def _shrink(self, x: Tensor, value: Tensor, size: float) -> None:
        """Take the smallest window in which the value at the centre is the same."""
        whole = self.space
        for n in range(5, min(whole) - 1, 2):
            self._look((n,) * self.dim)
            cut = tuple(slice(w // 2 - n // 2, w // 2 - n // 2 + n) for w in whole)
            try:
                found = self.at_centre(x[(slice(None), slice(None), *cut)])
            except (RuntimeError, ValueError, NotAttackedError):  # a size that does not fit
                continue
            if float((found[0] - value).norm()) <= size:
                return
        self._look(whole)
