"""Runs attacks and writes down what they found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from darboux.certification._finding import (
    Finding,
    Level,
    NotAttackedError,
    Row,
    Status,
    attack,
    attack_premise,
)
from darboux.certification._nodes import Located
from darboux.certification._target import Target
from darboux.structure import Claim


def claim_row(claim: Claim, target: Target, *, path: str, level: Level, why_not: str = "") -> Row:
    """Attack one claim and return its row."""
    row = Row(
        path,
        level,
        claim.structure.describe(),
        "not attacked",
        structure=claim.structure,
        kind=claim.kind,
        reason=claim.reason,
        note=why_not,
    )
    return row if why_not else _attacked(row, target, lambda: attack(claim.structure, target))


def premise_row(located: Located, target: Target, *, why_not: str = "") -> Row:
    """Attack one premise and return its row."""
    premise = located.premise
    row = Row(located.path, "premise", premise.statement(), "not attacked", note=why_not)
    return row if why_not else _attacked(row, target, lambda: attack_premise(premise, target))


def _attacked(row: Row, target: Target, run: Callable[[], Finding]) -> Row:
    try:
        finding = run()
    except NotAttackedError as reason:
        return replace(row, note=str(reason))
    except (ArithmeticError, AttributeError, RuntimeError, TypeError, ValueError) as error:
        # A module that breaks down on an input of its own shape is no counterexample.
        first = str(error).splitlines()[0] if str(error) else "no message"
        return replace(row, note=f"the attack broke down: {type(error).__name__}: {first}")
    return _filled(row, finding, target.inputs.dtype)


def _filled(row: Row, finding: Finding, dtype: torch.dtype) -> Row:
    worst = finding.worst
    status: Status = "refuted" if finding.refuted else "not refuted"
    evidence = worst.evidence if finding.refuted else {}
    return replace(
        row,
        status=status,
        measured=worst.measured,
        claimed=finding.claimed,
        tolerance=worst.tolerance,
        tried=finding.tried(),
        samples=finding.samples,
        dtype=str(dtype).removeprefix("torch."),
        note=finding.note,
        evidence={name: tensor.detach().cpu().clone() for name, tensor in evidence.items()},
    )
