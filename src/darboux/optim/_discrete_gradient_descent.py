"""Descent by discrete gradients, along which a loss does not rise whatever the step size is."""

from __future__ import annotations

from typing import Any, Literal, final

import torch
from torch import Tensor

from darboux.integrators import GonzalezGradient, MeanValueGradient
from darboux.integrators._integrator import Time
from darboux.optim._base import (
    BaseOptimizer,
    Closure,
    Parameters,
    is_left_out,
    needed,
    require_numbers,
)
from darboux.optim._closure_energy import ClosureEnergy, shared
from darboux.optim._coordinates import coordinatewise
from darboux.structure._arguments import Count, Positive, checked

Method = Literal["gonzalez", "mean-value", "itoh-abe"]

_METHODS = {"gonzalez": GonzalezGradient(), "mean-value": MeanValueGradient()}
_WHY = "The equation for a step evaluates it again."


@final
class DiscreteGradientDescent(BaseOptimizer):
    """Gradient descent θ' = θ - h ∇̄E(θ, θ') with a discrete gradient.

    Because ⟨∇̄E(θ, θ'), θ' - θ⟩ = E(θ') - E(θ),

        E(θ') - E(θ) = -‖θ' - θ‖²/h <= 0

    for every h, where gradient descent needs h < 2/L. A step is an implicit equation for θ'.
    It either lowers the loss or is refused: E is measured at the
    end, and a step along which it rises by no more than rounding leaves the parameters as they
    are. As h grows the loss is kept rather than lowered: a large h is safe, not fast.

    "gonzalez" and "mean-value" take the integrators of these names and differentiate the loss
    twice. "itoh-abe" takes values of the loss alone, at about 20 points for each number of the
    parameters, so the loss may have kinks or no derivatives; it finds θ' coordinate by
    coordinate on the side where E has fallen by no less than the equation says.

    `step` needs a closure. It may call `backward`, which is left out: while it runs the
    optimiser puts other tensors in the place of the parameters. The loss must be the same at each
    evaluation: one batch, no dropout.

    Shapes: parameters have any shape; one dtype and device for all.

    Source: section 2.2.2; Ehrhardt, Riis, Ringholm and Schönlieb, A geometric integration
    approach to smooth optimisation, 2018; Riis, Ehrhardt, Quispel and Schönlieb, A geometric
    integration approach to nonsmooth, nonconvex optimisation, 2022.

    Args:
        params: parameters, or groups of them with step sizes of their own.
        lr: the step size h.
        method: the discrete gradient.
        max_eval: evaluations of the loss for each step, after which it is refused.

    Raises:
        TypeError: if an argument is of another type, or `step` gets no closure.
        ValueError: if a number is out of range, or parameters differ in dtype or device.
        ConvergenceError: by `step`, if its equation is not solved, or solved where the loss is
            larger; no parameter has been changed then.
        FloatingPointError: by `step`, if the loss is not finite.
        RuntimeError: by `step`, if the loss reads parameters in a way that is not seen.

    Example:
        >>> import torch, darboux as dx
        >>> x = torch.nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))
        >>> def rosenbrock():
        ...     return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
        >>> descent = dx.optim.DiscreteGradientDescent([x], lr=1e6)
        >>> before = rosenbrock().item()
        >>> _ = descent.step(rosenbrock)
        >>> rosenbrock().item() <= before
        True
    """

    _step_supports_amp_scaling = True

    @checked
    def __init__(
        self,
        params: Parameters,
        lr: Positive,
        *,
        method: Method = "gonzalez",
        max_eval: Count = 10_000,
    ) -> None:
        super().__init__(params, {"lr": lr, "method": method, "max_eval": max_eval})

    def step(self, closure: Closure | None = None) -> Any:
        """Make one step, and return the loss before it.

        Raises:
            TypeError: if there is no closure.
            ValueError: if a step size is negative, NaN or infinite.
            ConvergenceError: if the step is refused; no parameter has been changed.
            FloatingPointError: if the loss is not finite.
        """
        closure = needed(self, closure, _WHY)
        is_left_out(self, closure)  # refuses a gradient scaler
        energy, rates = self._problem(closure)
        method = shared(self, "method")
        with torch.no_grad():
            z, before = energy.begin(sloped=method != "itoh-abe")
            if method == "itoh-abe":
                after = self._along_coordinates(energy, z, before, rates)
            else:
                after = _METHODS[method].step(_Descent(energy, rates), 0.0, 1.0, z)
            found = energy(after).item()
            energy.require_lower(found, before, z, "the loss")
            if found <= before:
                energy.write(after)
        return z.new_tensor(before)

    def _problem(self, closure: Closure) -> tuple[ClosureEnergy, Tensor]:
        """Return E, and the step size of each number in a row of all parameters."""
        parameters, rates = [], []
        for group in self.param_groups:
            require_numbers(group, "lr")
            for p in group["params"]:
                if p.requires_grad:
                    parameters.append(p)
                    rates.append(p.new_full((p.numel(),), group["lr"]))
        energy = ClosureEnergy(self, parameters, closure, max_eval=shared(self, "max_eval"))
        return energy, torch.cat(rates)

    def _along_coordinates(
        self, energy: ClosureEnergy, z: Tensor, before: float, rates: Tensor
    ) -> Tensor:
        known = [self.state[p].get("reach", torch.ones_like(p)) for p in energy.parameters]
        reach = torch.cat([x.reshape(-1) for x in known])
        after, reach = coordinatewise(energy, z, before, rates, reach)
        for p, new in zip(energy.parameters, energy.parts(reach), strict=True):
            self.state[p]["reach"] = new.clone()
        return after


class _Descent:
    """The gradient flow θ' = -h ∇E, as the discrete gradients take it."""

    conservative, passive = False, True

    def __init__(self, energy: ClosureEnergy, rates: Tensor) -> None:
        self.loss, self.rates = energy, rates

    def energy(self, t: Time, z: Tensor) -> Tensor:
        del t
        return self.loss(z)

    def gradient(self, t: Time, z: Tensor) -> Tensor:
        del t
        return self.loss.gradient(z)

    def steer(self, t: Time, z: Tensor, g: Tensor) -> Tensor:
        del t, z
        return -self.rates * g

    def supply(self, t: Time, z: Tensor) -> None:
        del t, z
