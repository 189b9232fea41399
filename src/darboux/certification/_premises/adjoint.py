"""The attack on adjoints."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from darboux.certification._finding import Finding, Trial, attacks
from darboux.certification._jacobian import Jacobian
from darboux.certification._premises.linear_maps import Linear, linear, probes, restored
from darboux.certification._problem import norms
from darboux.certification._target import Target
from darboux.structure import Premise, adjoint_of


@attacks(adjoint_of)
def _(premise: Premise, target: Target) -> Finding:
    """Compare adjoint with the transpose that differentiation gives; also the fused forms."""
    map = linear(premise.subject)
    inputs = probes(map, target)
    # A lift may enlarge images that its blocks do not divide: it has no adjoint there.
    fitting = [x for x in inputs if _comes_back(map, x)]
    trials = [trial for x in fitting or inputs for trial in _trials(map, x, target)]
    return Finding(0.0, tuple(_worst_of_each(trials)))


def _trials(map: Linear, x: Tensor, target: Target) -> list[Trial]:
    with torch.no_grad():
        image = map(x)
    y = target.randn(*image.shape)
    slack = 4 * target.rounding(max(x[0].numel(), y[0].numel()))
    trials = [
        Trial("adjoint identity", len(x), _dot_defect(map, x, y), slack, {"x": x, "y": y}),
        Trial("transpose by differentiation", len(x), _transpose_defect(map, x, y), slack),
        Trial("linearity", len(x), _linearity_defect(map, x, target.randn(*x.shape)), slack),
    ]
    fused = _fused_defect(map, x, y, target)
    return trials if fused is None else [*trials, Trial("fused forms", len(x), fused, slack)]


def _dot_defect(map: Linear, x: Tensor, y: Tensor) -> float:
    """Return |⟨Ax, y⟩ - ⟨x, A*y⟩| relative to ‖Ax‖‖y‖ + ‖x‖‖A*y‖."""
    with torch.no_grad():
        there, back = map(x), restored(map, y, size=x.shape[2:])
        if back.shape != x.shape:
            return float("inf")
        gap = (_dots(there, y) - _dots(x, back)).abs()
        size = norms(there) * norms(y) + norms(x) * norms(back)
    return float((gap / size.clamp(min=torch.finfo(x.dtype).tiny)).max())


def _transpose_defect(map: Linear, x: Tensor, y: Tensor) -> float:
    """Return ‖A*y - (derivative of forward)ᵀ y‖ relative to both."""
    with torch.no_grad():
        claimed = restored(map, y, size=x.shape[2:])
    return _distance(claimed, Jacobian(map, x).pull(y))


def _linearity_defect(map: Linear, x: Tensor, w: Tensor) -> float:
    """Return ‖A(x + w) - Ax - Aw‖ relative to the parts: nothing affine, nothing bent."""
    with torch.no_grad():
        return _distance(map(x + w), map(x) + map(w))


def _bias(map: Linear, target: Target) -> tuple[Tensor, Tensor]:
    """Return a random bias, and what it adds to A x, (out_features, 1, ..., 1)."""
    make, shift = getattr(map, "bias", None), getattr(map, "shift", None)
    if make is None or shift is None:
        added = target.randn(map.out_features, *(1,) * map.dim)
        return added, added
    bias = target.randn(*make().shape)
    return bias, shift(bias).detach()


def _fused_defect(map: Linear, x: Tensor, y: Tensor, target: Target) -> float | None:
    """Return how far affine and scaled_adjoint are from what they fuse."""
    affine: Callable[..., Tensor] | None = getattr(map, "affine", None)
    scaled: Callable[..., Tensor] | None = getattr(map, "scaled_adjoint", None)
    if affine is None or scaled is None:
        return None
    bias, shift = _bias(map, target)
    scale = target.randn(map.out_features)
    with torch.no_grad():
        one = _distance(affine(x, bias), map(x) + shift)
        two = _distance(scaled(y, scale), map.adjoint(y * scale.reshape(-1, *(1,) * map.dim)))
    return float(torch.tensor([one, two]).max())  # NaN stays


def _distance(a: Tensor, b: Tensor) -> float:
    if a.shape != b.shape:
        return float("inf")
    size = norms(a) + norms(b)
    return float((norms(a - b) / size.clamp(min=torch.finfo(a.dtype).tiny)).max())


def _comes_back(map: Linear, x: Tensor) -> bool:
    with torch.no_grad():
        return restored(map, map(x), size=x.shape[2:]).shape == x.shape


def _dots(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).reshape(len(a), -1).sum(dim=1)


def _worst_of_each(trials: list[Trial]) -> list[Trial]:
    """Return one trial per attack: the worst size, with the samples of all sizes."""
    kept: dict[str, Trial] = {}
    for trial in trials:
        old = kept.get(trial.attack)
        samples = trial.samples + (old.samples if old else 0)
        worse = trial if old is None or trial.excess(0.0) > old.excess(0.0) else old
        kept[trial.attack] = Trial(
            worse.attack, samples, worse.measured, worse.tolerance, worse.evidence
        )
    return list(kept.values())
