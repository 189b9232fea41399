"""Guess the largest eigenvalue over all samples, and prove that none is larger."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.linear.gram import GramSamples

_EPS = torch.finfo(torch.float64).eps
_EXACT = 256  # up to this size a few exact eigenvalues are affordable
_MARGIN = 1e-4  # of β², above an eigenvalue
_LADDER = (2e-3, 5e-3)  # of β², above a Ritz value
_STEPS = 6
_CANDIDATES = 4
_KRYLOV = 24


def largest(samples: GramSamples) -> tuple[float, int, Tensor]:
    """Return β² >= λ_max(G(ξ)) at every sample, the top sample, and its eigenvector.

    1. A few block power steps in single precision rank the samples.
    2. Exact eigenvalues (Ritz values, for large matrices) at the best few give β².
    3. A float64 Cholesky factorisation of β² - G(ξ) proves β² at each sample.
    4. Samples where it fails get exact eigenvalues, and β² rises to the largest: those
       that passed with a smaller β² pass all the more, so one round is enough.

    Args:
        samples: the Gram matrices.
    """
    exact = samples.size <= _EXACT
    if exact and len(samples) == 1:
        values, vectors = torch.linalg.eigh(samples.at(torch.tensor([0]))[0])
        value = float(values[-1])
        return value + _rounding(samples, value), 0, vectors[:, -1]
    ranking = torch.cat([_power_steps(gram) for gram in samples.blocks()]).cpu()
    best = ranking.topk(min(_CANDIDATES, len(ranking))).indices
    top, value = _top(samples, best, exact=exact)
    bound, failed = value, None
    for margin in (_MARGIN,) if exact else _LADDER:
        bound = value * (1 + margin)
        failed = _unproven(samples, failed, bound)
    assert failed is not None
    if len(failed):
        other, exact_value = _top(samples, failed, exact=True)
        if exact_value > value:
            top, value = other, exact_value
        bound = max(bound, value)
    return bound + _rounding(samples, bound), top, _eigenvector(samples, top, bound)


def _power_steps(gram: Tensor) -> Tensor:
    """Return rough lower estimates of λ_max(G): power steps on a block of four vectors."""
    n = gram.shape[-1]
    single = gram.to(torch.complex64 if gram.is_complex() else torch.float32)
    x = _start(n, 4, single)
    for _ in range(_STEPS):
        x = single @ (x / x.norm(dim=-2, keepdim=True).clamp(min=1e-30))
    return x.norm(dim=-2).amax(dim=-1)


def _start(n: int, columns: int, like: Tensor) -> Tensor:
    """Return a fixed block of random vectors: equal kernels get equal bounds."""
    generator = torch.Generator().manual_seed(0)
    block = torch.randn(n, columns, generator=generator, dtype=torch.float64)
    return block.to(dtype=like.dtype, device=like.device)


def _top(samples: GramSamples, index: Tensor, *, exact: bool) -> tuple[int, float]:
    """Return the sample with the largest eigenvalue among some, and that value."""
    value = torch.linalg.eigvalsh if exact else _ritz
    found = torch.cat([value(gram)[..., -1] for gram in samples.blocks(index)])
    return int(index[int(found.argmax())]), float(found.max())


def _ritz(gram: Tensor) -> Tensor:
    """Return the Ritz values of G on a Krylov space, (..., steps): lower bounds of the top."""
    basis = torch.linalg.qr(_start(gram.shape[-1], 1, gram).expand(*gram.shape[:-1], 1))[0]
    for _ in range(min(_KRYLOV, gram.shape[-1]) - 1):
        step = gram @ basis[..., -1:]
        for _ in range(2):  # once is not enough for orthogonality
            step = step - basis @ (_adjoint(basis) @ step)
        step = step / step.norm(dim=-2, keepdim=True).clamp(min=1e-300)
        basis = torch.cat([basis, step], dim=-1)
    return torch.linalg.eigvalsh(_adjoint(basis) @ (gram @ basis))


def _adjoint(basis: Tensor) -> Tensor:
    # Not .mH: lazy conjugation is silently dropped where a compiled graph calls this.
    return torch.conj_physical(basis).mT


def _unproven(samples: GramSamples, index: Tensor | None, bound: float) -> Tensor:
    """Return the samples where β² - G has no Cholesky factor."""
    status = []
    for gram in samples.blocks(index):
        shifted = gram.neg()
        shifted.diagonal(dim1=-2, dim2=-1).add_(bound)
        status.append(torch.linalg.cholesky_ex(shifted).info)
    failed = torch.cat(status).nonzero().flatten().cpu() if status else torch.empty(0)
    return failed if index is None else index[failed]


def _eigenvector(samples: GramSamples, sample: int, bound: float) -> Tensor:
    """Return the top eigenvector at one sample."""
    gram = samples.at(torch.tensor([sample]))[0]
    if samples.size <= _EXACT:
        return torch.linalg.eigh(gram).eigenvectors[:, -1]
    # β² is so close to the top eigenvalue that inverse iteration needs a few steps only.
    shifted = gram.neg()
    shifted.diagonal().add_(bound)
    factor = torch.linalg.cholesky(shifted)
    u = _start(samples.size, 1, gram)
    for _ in range(12):
        u = torch.cholesky_solve(u, factor)
        u = u / u.norm()
    return u[:, 0]


def _rounding(samples: GramSamples, bound: float) -> float:
    """Return what rounding may hide in G and in its factorisations.

    Inner products of m terms err by γ_m ‖W‖_F² in the Frobenius norm; a factorisation (or
    a stable eigenvalue routine) that succeeds is exact for a matrix within c n ε times
    its trace, and the trace of β² - G is at most n β². 8 allows for complex arithmetic.
    """
    return 8 * _EPS * (samples.size_with_rounding() + (samples.size + 1) ** 2 * bound)
