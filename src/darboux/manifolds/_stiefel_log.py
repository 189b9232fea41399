"""The logarithm on Stiefel manifolds, up to a few digits: where to start Newton's method."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from darboux.manifolds._logm import unitary_logm
from darboux.manifolds._orthonormal import Metric, stiefel_exp, stiefel_exp_back, stiefel_project
from darboux.solvers import solve

_MOST = 60
_SMALL = 0.05
_STAGE = 0.8  # the length of a stage


def nearby_log(x: Tensor, y: Tensor, metric: Metric) -> Tensor:
    """Return tangent vectors v at x with exp(x, v) near y, (batch, n, p), as constants."""
    p = x.shape[-1]
    basis = torch.cat([x, torch.linalg.qr(torch.cat([x, y], dim=-1))[0][..., p:]], dim=-1)
    inside = _canonical_log(basis.mH @ y)
    return basis @ (inside if metric == "canonical" else _euclidean_log(inside))


def solved(x: Tensor, y: Tensor, metric: Metric, guess: Tensor, **settings: Any) -> Tensor:
    """Return v with exp(x, v) = y by Newton's method, with its derivatives."""

    def step(w: Tensor) -> Tensor:
        v = stiefel_project(x, torch.view_as_complex(w) if x.is_complex() else w)
        # back at x, what is left of y points to where v lacks something
        v = v + stiefel_project(x, stiefel_exp_back(x, v, y, metric=metric))
        return torch.view_as_real(v) if x.is_complex() else v

    start = torch.view_as_real(guess) if x.is_complex() else guess
    scale = x.new_ones(len(x), dtype=x.real.dtype)  # v may be 0 beside points of norm √p
    root = solve(step, start, scale=scale, **settings)
    return torch.view_as_complex(root) if x.is_complex() else root


def _canonical_log(inside: Tensor) -> Tensor:
    """Return the logarithm at the first columns of the unit matrix in the canonical metric."""
    # Zimmermann's iteration: with y completed to a rotation V, the lower right block of log V is
    # made 0 by turning the completion.
    p = inside.shape[-1]
    more = _completion(inside)
    for _ in range(_MOST):
        log = unitary_logm(torch.cat([inside, more], dim=-1))[0]
        corner = log[..., p:, p:]
        if not bool((torch.linalg.matrix_norm(corner) > _SMALL).any()):
            break
        more = more @ torch.linalg.matrix_exp(-corner)
    return log[..., :p]


def _euclidean_log(canonical: Tensor) -> Tensor:
    """Return the logarithm in the Euclidean metric of what the canonical one leads to."""
    # along the canonical geodesic, in stages
    longest = float(torch.linalg.matrix_norm(canonical).max()) if canonical.numel() else 0.0
    stages = max(1, math.ceil(longest / _STAGE))
    x = torch.eye(*canonical.shape[-2:], dtype=canonical.dtype, device=canonical.device)
    x = x.expand_as(canonical)
    v = canonical / stages
    for stage in range(1, stages + 1):
        y = stiefel_exp(x, canonical * (stage / stages), metric="canonical")
        ahead = v * (stage / max(1, stage - 1))
        v = solved(x, y, "euclidean", ahead, method="newton", tol=_SMALL)
    return v


def _completion(inside: Tensor) -> Tensor:
    """Return the orthogonal complement with a positive lower block, so that V is a rotation."""
    p = inside.shape[-1]
    more = torch.linalg.qr(inside, mode="complete")[0][..., p:]
    left, _, right = torch.linalg.svd(more[..., p:, :])
    more = more @ (left @ right).mH
    if inside.is_complex() or more.shape[-1] == 0:
        return more
    turned = torch.linalg.det(torch.cat([inside, more], dim=-1)) < 0
    least = left[..., -1:]  # the direction of the smallest singular value
    return torch.where(turned[..., None, None], more - 2 * (more @ least) @ least.mT, more)
