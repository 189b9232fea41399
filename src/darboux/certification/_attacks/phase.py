"""The attacks on phase space: symplectic, conformal symplectic and reversible maps."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.certification._attacks.invertible import ROUND_TRIP, round_trip
from darboux.certification._attacks.sampling import sample_points, worst
from darboux.certification._finding import Finding, NotAttackedError, Trial, attack
from darboux.certification._jacobian import Jacobian
from darboux.certification._problem import Map, Problem, in_other_precision, norms, unit
from darboux.certification._target import Target
from darboux.structure import ConformalSymplectic, Reversible, Symplectic

_ITERATIONS = 8


@attack.register
def _(structure: Symplectic, target: Target) -> Finding:
    del structure
    return _attack_form(target, factor=1.0)


@attack.register
def _(structure: ConformalSymplectic, target: Target) -> Finding:
    return _attack_form(target, factor=structure.factor)


def _attack_form(target: Target, *, factor: float) -> Finding:
    """Look for u, v with ω(Dφ u, Dφ v) != c ω(u, v), ω(u, v) = uᵀJv."""
    # The defect M = DᵀJD - cJ is a matrix that must vanish; ‖Mv‖ for a unit v is the
    # largest |ω(Du, Dv) - c ω(u, v)| over unit u. v starts at random and follows MᵀM.
    problem = Problem(target.module, target)
    points = sample_points(problem, cost=6.0 * _ITERATIONS)[: problem.places(problem.chunk)]
    axis = 2 if problem.mixes else 1
    halves(points, axis=axis)
    jacobian = Jacobian(problem.call, points)
    if jacobian.value.shape != points.shape:
        msg = f"a symplectic map keeps shapes; got {tuple(jacobian.value.shape)}"
        raise NotAttackedError(msg)
    v = unit(target.randn(*points.shape))
    jacobian.check(v)
    # The defect of a v that D makes short still rounds like that of the longest image.
    longest = norms(jacobian.push(unit(jacobian.pull(jacobian.push(v)) + 1e-30 * v)))
    first, stretch = _defect(jacobian, v, factor, axis)
    stretch = torch.maximum(stretch, longest)
    random = _trial("random tangents", first, stretch, points, target)
    for _ in range(_ITERATIONS):
        v = unit(_defect(jacobian, v, factor, axis)[0] + 1e-30 * v)
    last, now = _defect(jacobian, v, factor, axis)
    stretch = torch.maximum(stretch, now)
    ascended = _trial("power iteration on DᵀJD - cJ", last, stretch, points, target)
    return Finding(0.0, (ascended, random), problem.note())


def _defect(jacobian: Jacobian, v: Tensor, factor: float, axis: int) -> tuple[Tensor, Tensor]:
    """Return (DᵀJD - cJ) v and ‖Dv‖."""
    image = jacobian.push(v)
    return jacobian.pull(turn(image, axis)) - factor * turn(v, axis), norms(image)


def _trial(name: str, defect: Tensor, stretch: Tensor, points: Tensor, target: Target) -> Trial:
    n = points[0].numel()
    slack = target.tolerance(n) * (1 + stretch) ** 2
    return worst(name, norms(defect), slack, points)


@attack.register
def _(structure: Reversible, target: Target) -> Finding:
    """Look for points where ρφρφ is not the identity."""
    del structure
    problem = Problem(target.module, target, twin=in_other_precision(target))
    points = sample_points(problem, cost=ROUND_TRIP)

    def flipped(call: Map) -> Map:
        return lambda y: flip(call(flip(y, axis=1)), axis=1)

    twin = in_other_precision(target)
    back = Problem(flipped(target.module), target, twin=None if twin is None else flipped(twin))
    return Finding(0.0, (round_trip("ρφρφ = id", points, problem, back),), problem.note())


def halves(points: Tensor, *, axis: int) -> tuple[Tensor, Tensor]:
    """Return position and momentum, the two halves of the channel axis."""
    if points.ndim <= axis or points.shape[axis] % 2:
        msg = f"position and momentum need an even number of channels; got {tuple(points.shape)}"
        raise NotAttackedError(msg)
    first, second = points.chunk(2, dim=axis)
    return first, second


def flip(z: Tensor, axis: int) -> Tensor:
    """Return ρ(q, p) = (q, -p)."""
    position, momentum = halves(z, axis=axis)
    return torch.cat([position, -momentum], dim=axis)


def turn(z: Tensor, axis: int) -> Tensor:
    """Return J z = (p, -q) for z = (q, p)."""
    position, momentum = halves(z, axis=axis)
    return torch.cat([momentum, -position], dim=axis)
