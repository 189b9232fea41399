"""The attacks on the constants of vector fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, nn

from darboux.certify.attacks.lipschitz import attack_constant
from darboux.certify.finding import Finding, NotAttackedError
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
    field = premise.subject
    rate = constant(field, "cocoercivity")
    if not rate < 0:
        msg = f"cocoercivity() must be negative; got {rate:g}"
        raise NotAttackedError(msg)
    time = _time(target)
    smaller = windowed(lambda z: field(time, z), target)
    finding = attack_constant(lambda z: z - 2 * rate * field(time, z), smaller, claimed=1.0)
    return replace(finding, note=f"{finding.note} id - 2ν̄f is nonexpansive".strip())


@attack_premise.register
def _(premise: LipschitzField, target: Target) -> Finding:
    field = premise.subject
    bound, time = constant(field, "lipschitz"), _time(target)
    smaller = windowed(lambda z: field(time, z), target)
    return attack_constant(lambda z: field(time, z), smaller, claimed=bound)


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


def _time(target: Target) -> float:
    return float(getattr(target.module, "time", 0.0))
