"""The attack on equivariance: elements of the group, before and after the map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from darboux.certification._attacks.sampling import random_points
from darboux.certification._finding import Finding, NotAttackedError, Trial, attack
from darboux.certification._problem import Map, Problem, in_other_precision, norms
from darboux.certification._target import Target
from darboux.structure import Equivariant, Law
from darboux.symmetry._feature import scalars

_ELEMENTS = 48  # all of an octahedral group

_POINTS = 256


@attack.register
def _(structure: Equivariant, target: Target) -> Finding:
    """Apply elements of the group, and shifts, to the example and to noise."""
    return compare(structure, target, target.module, twin=in_other_precision(target))


def compare(
    structure: Equivariant, target: Target, call: Map, *, twin: Map | None = None
) -> Finding:
    """Look for g and x with φ(π(g) x) != π'(g) φ(x), where φ is `call`."""
    call, twin = _with_channels(call), None if twin is None else _with_channels(twin)
    problem = Problem(call, target, twin=twin)
    points = target.inputs
    if not problem.mixes:
        count = problem.afford(_POINTS, fraction=0.1, calls=_ELEMENTS, least=2)
        points = torch.cat([points, random_points(problem, count)])
        points = points[norms(problem(points)).isfinite()]
    with torch.no_grad():
        case = _Case(call, points, call(points), *_laws(structure, points, call))
        slack = _slack(problem, case)
        images = points.ndim > 2
        elements = case.source.elements(points, grid=images, count=_ELEMENTS, seed=0)
        name = f"{len(elements)} elements"
        trials = [_trial(name, case.turned(elements), case, slack)]
        if structure.translations is not None and images:
            shifted = case.shifted(*structure.translations)
            trials.append(_trial("periodic shifts", shifted, case, slack))
    notes = [problem.note()]
    if images and structure.group.order != len(elements):
        notes.append(f"on images: the {len(elements)} elements that map the grid to itself")
    return Finding(0.0, tuple(trials), "; ".join(note for note in notes if note))


def _with_channels(call: Map) -> Map:
    """Return the map with a channel for values that are one number for each sample."""

    def values(x: Tensor) -> Tensor:
        value = call(x)
        return value if value.ndim != 1 else value[:, None]

    return values


@final
@dataclass(frozen=True)
class _Case:
    """A map with inputs, values, and how both transform."""

    call: Map
    points: Tensor
    values: Tensor
    source: Law
    target: Law

    def turned(self, elements: Any) -> Iterator[tuple[str, Tensor]]:
        """Yield φ(π(g) x) - π'(g) φ(x) for each g."""
        for g in elements:
            found = self.call(self.source.act(g, self.points))
            wanted = self.target.act(g, self.values)
            if found.shape != wanted.shape:
                msg = (
                    f"g = {g}: an image of shape {tuple(self.points.shape)} gives values of shape "
                    f"{tuple(found.shape)} when it is turned, not {tuple(wanted.shape)}"
                )
                raise NotAttackedError(msg)
            yield f"g = {g}", found - wanted

    def shifted(self, before: int, after: int) -> Iterator[tuple[str, Tensor]]:
        """Yield the same for periodic shifts by one and three units along every axis."""
        for axis in range(2, self.points.ndim):
            for count in (1, 3):
                found = self.call(self.points.roll(before * count, axis))
                still = self.values.ndim <= axis
                wanted = self.values if still else self.values.roll(after * count, axis)
                yield f"{before * count} pixels along axis {axis}", found - wanted


def _laws(structure: Equivariant, points: Tensor, call: Map) -> tuple[Law, Law]:
    """Return the laws, scalars where the structure names none."""
    values = call(points[:1]) if len(points) else call(points)
    source = structure.source or scalars(structure.group, points.shape[1])
    target = structure.target or scalars(structure.group, values.shape[1])
    for what, law, tensor in (("inputs", source, points), ("values", target, values)):
        try:
            law.act(law.elements(tensor, grid=True, count=1, seed=0)[0], tensor)
        except ValueError as error:
            msg = f"the {what} are not of the declared type: {error}"
            raise NotAttackedError(msg) from error
    return source, target


def _trial(
    name: str, differences: Iterator[tuple[str, Tensor]], case: _Case, slack: Tensor
) -> Trial:
    """Return the worst element and sample; errors are relative to the size of the values."""
    size = _size(case)
    worst, samples = Trial(name, 0, -float("inf"), 0.0), 0
    for where, difference in differences:
        error, samples = norms(difference) / size, samples + len(difference)
        k = int((error - slack).argmax())
        evidence = {"x": case.points[k], "difference": difference[k]}
        found = Trial(f"{name}, {where}", 0, float(error[k]), float(slack[k]), evidence)
        worst = max(worst, found, key=lambda trial: trial.excess(0.0))
    return Trial(worst.attack, samples, worst.measured, worst.tolerance, worst.evidence)


def _size(case: _Case) -> Tensor:
    return norms(case.values).clamp(min=torch.finfo(case.points.dtype).tiny)


def _slack(problem: Problem, case: _Case) -> Tensor:
    """Return what rounding may do at each point, relative to the size of the values."""
    size = _size(case)
    rounding = 16 * problem.target.rounding(problem.size)
    seen = torch.zeros_like(size)
    if not problem.mixes:
        seen = 2 * problem.rounding(case.points) / size
    # where values nearly vanish they are as exact as the largest ones are
    return rounding + seen + rounding * size.max() / size
