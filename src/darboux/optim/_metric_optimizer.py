"""The base of natural gradients: a metric measured on a batch, and steps along G⁻¹∇E."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from darboux.optim._base import (
    NOT_FINITE,
    BaseOptimizer,
    Closure,
    Group,
    Parameters,
    evaluated,
    gradients_of,
    is_left_out,
    require_numbers,
)
from darboux.optim._called import plain
from darboux.optim._likelihood import Likelihood
from darboux.solvers._transforms import without_autocast
from darboux.structure._arguments import Within

Loss = nn.Module | Callable[[Tensor], Tensor]
Radius = Annotated[float, Within("a positive number or ∞", above=0, infinite=True)]
Tolerance = Annotated[float, Within("a number in (0, 1)", above=0, below=1)]
Fraction = Annotated[float, Within("a number in [0, 1)", least=0, below=1)]


class MetricOptimizer(BaseOptimizer, ABC):
    """θ <- θ - h m, m <- μ m + (G + λ)⁻¹∇E, with the metric G of the last call of `measure`."""

    _step_supports_amp_scaling = True

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        params: Parameters | None,
        radius: float,
        defaults: Group,
    ) -> None:
        self.model = model
        self.radius = radius
        self._likelihood = Likelihood(type(self).__name__, loss)
        if params is None:
            params = [p for p in plain(model).parameters() if p.requires_grad]
        super().__init__(params, {**defaults, "measured": 0})
        self._require_known()

    def __getstate__(self) -> Group:
        """Return what is copied and pickled: the metric is measured again."""
        known = {"model": self.model, "radius": self.radius, "_likelihood": self._likelihood}
        return {**torch.optim.Optimizer.__getstate__(self), **known}

    def _begin(self) -> None:
        BaseOptimizer._begin(self)
        self._forget()
        self.register_load_state_dict_post_hook(_forgetting)

    @abstractmethod
    def _forget(self) -> None:
        """Forget what was measured and is no part of the state, which may be another now."""

    def measure(self, *args: Any, **kwargs: Any) -> None:
        """Take the metric at the present parameters, with the inputs of the model that are given.

        Buffers of the model and generators of random numbers are left as they are.

        Raises:
            TypeError: if the model returns something else than a tensor.
            ValueError: if the batch is empty, or the loss does not fit.
            RuntimeError: if a layer of the model has sparse gradients.
            FloatingPointError: if the metric is not finite; the one before it is kept.
        """
        with without_autocast(next(self._parameters())):
            self._measure(args, kwargs)
        for group in self.param_groups:
            group["measured"] += 1

    def step(self, closure: Closure | None = None) -> Any:
        """Make one step, after a call of the closure if there is one.

        Raises:
            RuntimeError: if nothing has been measured, a gradient is sparse, or a gradient scaler
                comes with a closure.
            ValueError: if a step size is negative, NaN or infinite.
            FloatingPointError: if a gradient or the step is NaN or infinite; no parameter has
                been changed.
        """
        if is_left_out(self, closure):
            return None
        loss = evaluated(closure)
        with torch.no_grad():
            for group in self.param_groups:
                require_numbers(group, "lr")
            gradients_of(self, self._parameters())
            gradients = {p: p.grad for p in self._parameters() if p.grad is not None}
            directions = self._directions(gradients)
            if not all(bool(d.isfinite().all()) for d in directions.values()):
                raise FloatingPointError(NOT_FINITE)
            self._shorten(directions, gradients)
            for group in self.param_groups:
                for p in filter(directions.__contains__, group["params"]):
                    self._move(group, p, directions[p].to(p.dtype))
        return loss

    @abstractmethod
    def _measure(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Take the metric."""

    @abstractmethod
    def _directions(self, gradients: dict[Tensor, Tensor]) -> dict[Tensor, Tensor]:
        """Return (G + λ)⁻¹∇E for the parameters that have gradients."""

    def _shorten(self, directions: dict[Tensor, Tensor], gradients: dict[Tensor, Tensor]) -> None:
        """Multiply a direction d that is too long in the metric, where h√⟨d, ∇E⟩ is its length."""
        if self.radius == math.inf:
            return
        squares = [
            group["lr"] ** 2 * float((directions[p] * gradients[p]).sum())
            for group in self.param_groups
            for p in filter(directions.__contains__, group["params"])
        ]
        length = math.sqrt(max(0.0, sum(squares)))
        if length > self.radius:
            for p, direction in directions.items():
                directions[p] = direction * (self.radius / length)

    def _move(self, group: Group, p: Tensor, direction: Tensor) -> None:
        if group["momentum"] != 0:
            state = self.state[p]
            kept = state.get("momentum_buffer")
            if kept is not None:
                direction = direction.add(kept, alpha=group["momentum"])
            state["momentum_buffer"] = direction
        p.sub_(direction, alpha=group["lr"])

    def _parameters(self) -> Iterator[Tensor]:
        return (p for group in self.param_groups for p in group["params"])

    def _dampings(self) -> dict[Tensor, float]:
        return {p: group["damping"] for group in self.param_groups for p in group["params"]}

    def _require_known(self) -> None:
        known = set(plain(self.model).parameters())
        if not known.issuperset(self._parameters()):
            msg = (
                f"{type(self).__name__}: expected parameters of the model; got others. Their part "
                "of the metric is unknown: give them to another optimiser."
            )
            raise ValueError(msg)

    def _unmeasured(self) -> RuntimeError:
        return RuntimeError(
            f"{type(self).__name__}: expected a metric; got none, or a state that has been loaded "
            "without one. Call measure(inputs) before step()."
        )


def _forgetting(optimizer: torch.optim.Optimizer) -> None:
    assert isinstance(optimizer, MetricOptimizer)
    optimizer._forget()
