"""The abstract linear bijection: the parameters stand for an operator, which is applied."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from darboux.bijections._bijection import Bijection, Pull, Pulled, wide, zeros
from darboux.bijections._matrices import check_channels, result_dtype
from darboux.gradients import gradients_of

Operator = tuple[Tensor, ...]


class LinearBijection(Bijection, ABC):
    """y = A(θ) x with a matrix or kernel A that the parameters θ stand for.

    A class says what A is, in float32 at least, and how A and its inverse act. Everything
    runs outside autocast: in lower precision the way back would miss where it came from.

    Shapes: x is (batch, channels, *space), the log-determinant (batch,).

    Source: section 4.1.3.
    """

    channels: int  # of x
    dim: int | None = None  # spatial axes; 0 to 3 if None
    out_channels: int | None = None  # of y, where it is another number

    @abstractmethod
    def operator(self) -> Operator:
        """Return A: what is costly to compute from the parameters, and used both ways."""

    @abstractmethod
    def act(self, operator: Operator, x: Tensor) -> Tensor:
        """Return A x."""

    @abstractmethod
    def solve(self, operator: Operator, y: Tensor) -> Tensor:
        """Return A⁻¹ y."""

    @abstractmethod
    def log_modulus(self, operator: Operator, size: Sequence[int]) -> Tensor | None:
        """Return log|det A| on an image of a size: (), or None where it is 0 for all θ."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return A x."""
        del context
        dtype, start = self._ready(x, self.channels)
        with torch.autocast(x.device.type, enabled=False):
            return self.act(self._operator(start), start).to(dtype)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> Tensor:
        """Return A⁻¹ y."""
        del context
        dtype, start = self._ready(y, self.out_channels or self.channels)
        with torch.autocast(y.device.type, enabled=False):
            return self.solve(self._operator(start), start).to(dtype)

    def forward_and_log_det(
        self, x: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return A x and log|det A|."""
        del context
        dtype, start = self._ready(x, self.channels)
        with torch.autocast(x.device.type, enabled=False):
            operator = self._operator(start)
            y = self.act(operator, start)
            return y.to(dtype), self._log_det(operator, start).to(dtype)

    def inverse_and_log_det(
        self, y: Tensor, context: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return A⁻¹ y and -log|det A|."""
        del context
        dtype, start = self._ready(y, self.out_channels or self.channels)
        with torch.autocast(y.device.type, enabled=False):
            operator = self._operator(start)
            x = self.solve(operator, start)
            return x.to(dtype), -self._log_det(operator, x).to(dtype)

    def retrace(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Pull]:
        """Return x and what pulls gradients back; A is computed from the parameters once."""
        del context
        dtype, start = self._ready(y, self.out_channels or self.channels)
        with torch.autocast(y.device.type, enabled=False):
            with torch.enable_grad():
                operator = self._operator(start)
            leaves = tuple(part.detach().requires_grad_(part.requires_grad) for part in operator)
            x = self.solve(leaves, start).detach()

        def pull(gradient: Tensor, weight: Tensor | None, wanted: Sequence[Tensor]) -> Pulled:
            with torch.autocast(y.device.type, enabled=False):
                back, slopes = self._pull_back(leaves, x, gradient, weight)
                moved = [(p, s) for p, s in zip(operator, slopes, strict=True) if s is not None]
                found = gradients_of([p for p, _ in moved], wanted, [s for _, s in moved])
            return back.to(dtype), tuple(found)

        return x.to(dtype), pull

    def _pull_back(
        self, operator: Operator, x: Tensor, gradient: Tensor, log_det_gradient: Tensor | None
    ) -> tuple[Tensor, list[Tensor | None]]:
        """Return the gradients with respect to x and to the parts of A, which are leaves."""
        with torch.enable_grad():
            start = x.detach().requires_grad_()
            outputs, cotangents = [self.act(operator, start)], [gradient.to(x.dtype)]
            if log_det_gradient is not None:
                outputs.append(self._log_det(operator, start))
                cotangents.append(log_det_gradient.to(x.dtype))
        leaves = [part for part in operator if part.requires_grad]
        back, *rest = gradients_of(outputs, [start, *leaves], cotangents)
        slopes = iter(rest)
        found = [next(slopes) if part.requires_grad else None for part in operator]
        return torch.zeros_like(x) if back is None else back, found

    def _log_det(self, operator: Operator, x: Tensor) -> Tensor:
        found = self.log_modulus(operator, tuple(x.shape[2:]))
        return zeros(x) if found is None else found.to(x.dtype).expand(x.shape[0])

    def _ready(self, x: Tensor, channels: int) -> tuple[torch.dtype, Tensor]:
        """Return the dtype of the result, and x in that one or float32."""
        name = type(self).__name__
        check_channels(name, x, channels, dim=self.dim)
        dtype = result_dtype(name, x, next(self.parameters()))
        return dtype, wide(x.to(dtype))

    def _operator(self, like: Tensor) -> Operator:
        return tuple(part.to(like.dtype) for part in self.operator())
