"""Step sizes that are trained, and the projection that keeps them on the simplex."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, final

import torch
from torch import Tensor, nn

from darboux.fields import VectorField
from darboux.flow._steps import StepRule, Steps
from darboux.integrators import Integrator
from darboux.structure._arguments import Positive, checked


@final
class LearnedSteps(nn.Module, StepRule):
    """Step sizes h_0, ..., h_{K-1} that are parameters of their flow.

    On the simplex, h = P(w) is the point nearest to the parameter w with h_k >= 0 and
    Σ h_k = T, computed anew at every evaluation: whatever an optimiser or a state_dict does
    to w, the flow steps forward and ends at T. A step that reaches 0 is a layer that is left
    out; its w has no gradient while it lies below the threshold of P, so only projected steps,
    `darboux.control.ForwardBackward` with `darboux.control.Simplex`, let it return. Free
    steps, h = w, may have any sign and sum. What holds for some step sizes only is claimed
    for the present ones.

    Source: section 3.2, equations (38) and (39); Benning et al. 2019.

    Args:
        count: K, the number of steps; with a list of fields, their number.
        horizon: T > 0.
        constraint: "simplex", or "none" for free steps.
        start: h at first, (K,); T/K each if None.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if `start` does not have K finite entries, or lies outside the simplex
            that it should lie on.

    Example:
        >>> import torch, darboux as dx
        >>> steps = dx.LearnedSteps(3, start=[0.5, 0.25, 0.25])
        >>> field = dx.fields.ResidualField(dx.linear.Dense(2, 2), dx.activations.Tanh())
        >>> flow = dx.Flow(field, dx.integrators.Euler(), steps=steps)
        >>> _ = torch.nn.init.constant_(steps.values, 7.0)
        >>> steps.current().sum()
        tensor(1., dtype=torch.float64, grad_fn=<SumBackward0>)
    """

    @checked
    def __init__(
        self,
        count: Steps,
        *,
        horizon: Positive = 1.0,
        constraint: Literal["simplex", "none"] = "simplex",
        start: Tensor | Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.count = count
        self.horizon = horizon
        self.constraint = constraint
        sizes = [horizon / count] * count if start is None else start
        dtype = sizes.dtype if isinstance(sizes, Tensor) else torch.get_default_dtype()
        values = torch.as_tensor(sizes, dtype=dtype).detach().clone()
        _check_start(values, count)
        if constraint == "simplex":
            _check_simplex(values, horizon)
        self.values = nn.Parameter(values)

    def current(self) -> Tensor:
        """Return the present step sizes, (K,), in double precision."""
        values = self.values.double()
        return values if self.constraint == "none" else onto_simplex(values, self.horizon)

    def count_for(self, field: VectorField, integrator: Integrator) -> int:
        """Return the number of steps."""
        del field, integrator
        return self.count

    def size(self, field: VectorField, integrator: Integrator, index: int = 0) -> Tensor:
        """Return h."""
        del field, integrator
        return self.current()[index]

    def sizes(self, fields: Sequence[VectorField], integrator: Integrator) -> list[Tensor]:
        """Return the step sizes in order."""
        del fields, integrator
        return list(self.current().unbind())

    def forward_in_time(self) -> bool:
        """Return whether h >= 0 whatever the parameters are."""
        return self.constraint == "simplex"

    def extra_repr(self) -> str:
        """Return K, T and the constraint."""
        return f"{self.count}, horizon={self.horizon}, constraint={self.constraint!r}"


def onto_simplex(w: Tensor, total: float) -> Tensor:
    """Return the nearest point with entries of 0 or more that sum to `total`, as `w` (K,)."""
    # h = max(w - τ, 0), and τ is the largest of the thresholds that k largest entries would have
    # alone (Duchi et al. 2008). Entries at the threshold count as positive, so that the derivative
    # at a point of the simplex subtracts means from all entries that may grow.
    # Only distances to the largest entry matter, and those above the total only as such.
    w = w - w.detach().max()
    known = w.detach().clamp(min=-2 * total)
    excess = known.sort(descending=True).values.cumsum(0) - total
    threshold = (excess / torch.arange(1, len(w) + 1, dtype=w.dtype, device=w.device)).max()
    slack = 8 * torch.finfo(w.dtype).eps * total
    positive = known - threshold >= -slack
    h = torch.where(positive, w - ((w * positive).sum() - total) / positive.sum(), 0)
    exact = h.detach().clamp(min=0)
    return h + (exact * (total / exact.sum()) - h.detach())


def _check_start(values: Tensor, count: int) -> None:
    """Refuse what are not K finite real numbers."""
    fits = values.shape == (count,) and values.is_floating_point()
    if not fits or not (values.is_meta or bool(values.isfinite().all())):
        msg = (
            f"LearnedSteps: expected {count} finite step sizes of a floating-point type to start "
            f"with; got {values.tolist()}. Give as many as there are steps."
        )
        raise ValueError(msg)


def _check_simplex(values: Tensor, horizon: float) -> None:
    """Refuse step sizes outside the simplex."""
    if values.is_meta:
        return
    total = float(values.double().sum())
    slack = len(values) * torch.finfo(values.dtype).eps * horizon
    if bool((values < 0).any()) or abs(total - horizon) > slack:
        msg = (
            f"LearnedSteps: expected step sizes of 0 or more that sum to the horizon {horizon:g}; "
            f"got {values.tolist()}, which sum to {total:g}. Scale them, or use "
            'constraint="none".'
        )
        raise ValueError(msg)
