"""The attack on step sizes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from darboux.certify.finding import Finding, NotAttackedError, Trial
from darboux.certify.problem import norms
from darboux.certify.registry import attack_premise
from darboux.certify.target import Target
from darboux.structure import StepWithin


@attack_premise.register
def _(premise: StepWithin, target: Target) -> Finding:
    """Read h and its limit anew, and check that the step really goes as far as h."""
    step = premise.subject
    h, limit = _number(step, "size"), _number(step, "limit")
    slack = 4 * torch.finfo(target.stored).eps * abs(limit)
    # h < 0 lies below the interval as far as h' = limit + |h| lies above it.
    measured = h if h >= 0 else limit + abs(h)
    trials = [Trial("h against its limit", 1, measured, slack, {"h": torch.tensor(h)})]
    walked = _walked(step, target, h)
    if walked is not None:
        trials.append(Trial("the step that forward takes, in units of h", 1, *walked))
    return Finding(limit, tuple(trials), note=f"h = {h:.6g}, limit {limit:.6g}")


def _number(step: nn.Module, name: str) -> float:
    report = getattr(step, name, None)
    value = None if report is None else report()
    if value is None:
        msg = f"{type(step).__name__} reports no {name}()"
        raise NotAttackedError(msg)
    return float(value.detach()) if isinstance(value, Tensor) else float(value)


def _walked(step: nn.Module, target: Target, h: float) -> tuple[float, float] | None:
    """Return (h + what forward differs from a step of size h, tolerance), or None.

    The step is taken once by the module and once by its integrator with the reported h.
    """
    field, integrator = getattr(step, "field", None), getattr(step, "integrator", None)
    if field is None or integrator is None:
        return None
    z, time = target.inputs, float(getattr(step, "time", 0.0))
    with torch.no_grad():
        state = integrator.init(field, time, h, z)
        expected = integrator.value(integrator.step(field, time, h, state))
        off = norms(step(z) - expected).max()
        size = float((norms(expected) + norms(z)).max())
    slack = target.tolerance(z[0].numel()) * size
    limit = _number(step, "limit")
    excess = float(off)
    return (limit + excess if excess > slack else min(h, limit)), slack
