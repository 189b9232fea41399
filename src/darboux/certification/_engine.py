"""Runs attacks and writes down what they found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

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
    return row if why_not else _attacked(row, target, partial(attack, claim.structure))


def premise_row(located: Located, target: Target, *, why_not: str = "") -> Row:
    """Attack one premise and return its row."""
    premise = located.premise
    row = Row(located.path, "premise", premise.statement(), "not attacked", note=why_not)
    return row if why_not else _attacked(row, target, partial(attack_premise, premise))


def _attacked(row: Row, target: Target, run: Callable[[Target], Finding]) -> Row:
    try:
        return _filled(row, run(target), target)
    except NotAttackedError as reason:
        return replace(row, note=str(reason))
    except Exception as error:
        # A module that breaks down on an input of its own shape is no counterexample.
        first = str(error).splitlines()[0] if str(error) else "no message"
        broke = f"{type(error).__name__}: {first}"
    if target.near:
        return replace(row, note=f"the attack broke down: {broke}")
    found = _attacked(row, replace(target, near=True), run)
    return found if found.open else replace(found, note=_joined(found.note, f"{_NEARER} {broke}"))


_SOME = 0.03  # of all samples

_NEARER = "points within a hundredth of the inputs only, because further away came"


def _filled(row: Row, finding: Finding, target: Target) -> Row:
    worst, lost = finding.worst, sum(target.lost) + sum(trial.lost for trial in finding.trials)
    said = f"not finite at {lost} points about as large as the inputs" if lost else ""
    nowhere = said if lost > _SOME * finding.samples else ""  # one that blows up leaves the others
    unknown = any(trial.tolerance != trial.tolerance for trial in finding.trials)
    vague = "what rounding may do is not a number" if unknown else ""
    undecided = _joined(finding.undecided, nowhere, vague)
    status: Status = "undecided" if undecided else "not refuted"
    evidence = worst.evidence if finding.refuted else {}
    return replace(
        row,
        status="refuted" if finding.refuted else status,
        measured=worst.measured,
        claimed=finding.claimed,
        tolerance=worst.tolerance,
        tried=finding.tried(),
        samples=finding.samples,
        dtype=str(target.inputs.dtype).removeprefix("torch."),
        note=_joined(undecided or said, finding.note),
        evidence={name: tensor.detach().cpu().clone() for name, tensor in evidence.items()},
    )


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
