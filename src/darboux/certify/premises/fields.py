"""The attacks on the constants of vector fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, nn

from darboux.certify.attacks.lipschitz import attack_constant
from darboux.certify.copies import coarse_copy
from darboux.certify.finding import Finding, NotAttackedError
from darboux.certify.problem import Map
from darboux.certify.registry import attack_premise
from darboux.certify.target import Target
from darboux.certify.window import windowed
from darboux.structure import CocoerciveField, LipschitzField

Constant = Callable[[], Tensor | float | None]


@attack_premise.register
def _(premise: CocoerciveField, target: Target) -> Finding:
    """⟨Δf, Δz⟩ <= ν̄ ‖Δf‖² is the same as: id - 2ν̄ f is nonexpansive. Attack that.

    ‖Δz - 2ν̄ Δf‖² = ‖Δz‖² - 4ν̄ (⟨Δf, Δz⟩ - ν̄ ‖Δf‖²) with -4ν̄ > 0.
    """
    rate = constant(premise.subject, "cocoercivity")
    if not rate < 0:
        msg = f"cocoercivity() must be negative; got {rate:g}"
        raise NotAttackedError(msg)
    flow, twin = in_both_precisions(premise.subject, target)
    finding = attack_constant(
        _reflected(flow, rate),
        windowed(flow, target),
        claimed=1.0,
        twin=None if twin is None else _reflected(twin, rate),
    )
    return replace(finding, note=f"{finding.note} id - 2ν̄f is nonexpansive".strip())


@attack_premise.register
def _(premise: LipschitzField, target: Target) -> Finding:
    bound = constant(premise.subject, "lipschitz")
    flow, twin = in_both_precisions(premise.subject, target)
    return attack_constant(flow, windowed(flow, target), claimed=bound, twin=twin)


def in_both_precisions(field: nn.Module, target: Target) -> tuple[Map, Map | None]:
    """Return a field at the time of the step that uses it, and the same in float32.

    The second is None where attacks do not run in float64 beside float32 parameters.

    Example:
        >>> import torch, darboux as dx
        >>> from darboux.certify.effort import Effort
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> target = Target(field, torch.ones(1, 4), Effort.named("quick"), torch.Generator())
        >>> flow, twin = in_both_precisions(field, target)
        >>> flow(torch.ones(1, 4)).shape, twin
        (torch.Size([1, 4]), None)
    """
    time = float(getattr(target.module, "time", 0.0))
    other = coarse_copy(field, target)
    if other is None:
        return lambda z: field(time, z), None
    return lambda z: field(time, z), lambda z: other(time, z.float()).double()


def constant(field: nn.Module, name: str) -> float:
    """Return a constant of a field, read anew, as a number.

    Raises:
        NotAttackedError: if the field reports none.

    Example:
        >>> constant(nn.Identity(), "lipschitz")
        Traceback (most recent call last):
            ...
        darboux.certify.finding.NotAttackedError: Identity reports no lipschitz()
    """
    report: Constant | None = getattr(field, name, None)
    value = None if report is None else report()
    if value is None:
        msg = f"{type(field).__name__} reports no {name}()"
        raise NotAttackedError(msg)
    return float(value.detach()) if isinstance(value, Tensor) else float(value)


def _reflected(flow: Map, rate: float) -> Map:
    return lambda z: z - 2 * rate * flow(z)
