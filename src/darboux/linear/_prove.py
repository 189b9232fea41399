"""The largest eigenvalue over all samples: guessed, then proved."""

from __future__ import annotations

import torch
from torch import Tensor

from darboux.linear._gram import GramSamples

_EPS = torch.finfo(torch.float64).eps

_EXACT = 256  # up to this size a few exact eigenvalues are affordable

_MARGIN = 1e-4  # of β², above an eigenvalue

_LADDER = (2e-3, 5e-3)  # of β², above a Ritz value

_STEPS = 5  # power steps that rank the samples

_CANDIDATES = 2  # samples whose eigenvalues are computed before the proof

_KRYLOV = 24


def simple_enough(size: int) -> bool:
    """Return whether all eigenvalues of matrices of this size are affordable."""
    return size <= _EXACT


def largest(samples: GramSamples) -> tuple[float, int, Tensor, Tensor]:
    """Return β² >= λ_max(G(ξ)) at every sample, the top sample, and eigenpairs there."""
    # 1. A few block power steps in single precision rank the samples.
    # 2. Exact eigenvalues (Ritz values, for large matrices) at the best few give β².
    # 3. A float64 Cholesky factorisation of β² - G(ξ) proves β² at each sample.
    # 4. Samples where it fails get exact eigenvalues, and β² rises to the largest: those
    #    that passed with a smaller β² pass all the more, so one round is enough.
    # The eigenpairs are all of them in ascending order, but the last one only for large
    # matrices.
    exact, failed = simple_enough(samples.size), samples.all()
    if exact and len(samples) == 1:
        values, vectors = torch.linalg.eigh(next(samples.blocks(failed))[0])
        value = float(values[-1])
        return value + _rounding(samples, value), 0, values, vectors
    top, value = _top(samples, _ranked(samples)[:_CANDIDATES], exact=exact)
    bound = value
    for margin in (_MARGIN,) if exact else _LADDER:
        bound = value * (1 + margin)
        failed = _unproven(samples, failed, bound)
    if len(failed):
        other, highest = _top(samples, failed, exact=True)
        top = other if highest > value else top
        bound = max(bound, highest * (1 + _MARGIN))
    return bound + _rounding(samples, bound), top, *_eigenpairs(samples, top, bound)


def _ranked(samples: GramSamples) -> Tensor:
    """Return the samples in the order of rough estimates of λ_max, largest first."""
    scale = 1 / samples.trace()  # keeps powers of G in the range of single precision
    start = _start(samples.size, 4, samples.kernel).float() * scale
    found = []
    for gram in samples.blocks(samples.all(), torch.float32):
        before = start.to(gram.dtype).expand(len(gram), -1, -1)
        x = gram @ before
        for _ in range(_STEPS - 1):
            before = x * scale
            x = gram @ before
        growth = _squares(x) / _squares(before).clamp(min=1e-37)  # G may vanish at a sample
        found.append(growth.amax(dim=-1))
    return torch.cat(found).argsort(descending=True).cpu()


def _squares(x: Tensor) -> Tensor:
    """Return the squared norms of the columns."""
    flat = torch.view_as_real(x).square().sum(dim=-1) if x.is_complex() else x.square()
    return flat.sum(dim=-2)


def _start(n: int, columns: int, like: Tensor) -> Tensor:
    """Return a fixed block of random vectors: equal kernels get equal bounds."""
    generator = torch.Generator().manual_seed(0)
    block = torch.randn(n, columns, generator=generator, dtype=torch.float64)
    return block.to(dtype=like.dtype, device=like.device)


def _top(samples: GramSamples, index: Tensor, *, exact: bool) -> tuple[int, float]:
    """Return the sample with the largest eigenvalue among some, and that value."""
    value = torch.linalg.eigvalsh if exact else _ritz_values
    found = torch.cat([value(gram)[..., -1] for gram in samples.blocks(index)])
    return int(index[int(found.argmax())]), float(found.max())


def _ritz_values(gram: Tensor) -> Tensor:
    """Return the Ritz values of G on a Krylov space, (..., steps): lower bounds of the top."""
    start = _start(gram.shape[-1], 1, gram)
    basis = (start / start.norm()).expand(*gram.shape[:-1], 1)
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


def _unproven(samples: GramSamples, index: Tensor, bound: float) -> Tensor:
    """Return the samples where β² - G has no Cholesky factor."""
    status = []
    for gram in samples.blocks(index):
        # The transpose is as positive, and lies in memory the way LAPACK reads it.
        status.append(torch.linalg.cholesky_ex(_shifted(gram, bound).mT).info)
    return index[torch.cat(status).cpu() != 0] if status else index


def _shifted(gram: Tensor, bound: float) -> Tensor:
    """Return β² - G, in the memory of G."""
    gram.neg_().diagonal(dim1=-2, dim2=-1).add_(bound)
    return gram


def _eigenpairs(samples: GramSamples, sample: int, bound: float) -> tuple[Tensor, Tensor]:
    """Return eigenvalues and eigenvectors at one sample, for large matrices of the top."""
    gram = next(samples.blocks(samples.all()[sample, None]))[0]
    if simple_enough(samples.size):
        values, vectors = torch.linalg.eigh(gram)
        return values, vectors
    # β² is so close to the top eigenvalue that inverse iteration needs a few steps only.
    factor = torch.linalg.cholesky(_shifted(gram, bound))
    u = _start(samples.size, 1, factor)
    for _ in range(12):
        u = torch.cholesky_solve(u, factor)
        u = u / u.norm()
    return samples.kernel.new_full((1,), bound), u


def _rounding(samples: GramSamples, bound: float) -> float:
    """Return what rounding may hide in G and in its factorisations."""
    # Inner products of m terms err by γ_m ‖W‖_F² in the Frobenius norm; a factorisation (or
    # a stable eigenvalue routine) that succeeds is exact for a matrix within c n ε times
    # its trace, and the trace of β² - G is at most n β². 8 allows for complex arithmetic.
    return 8 * _EPS * (samples.rounding_size() + (samples.size + 1) ** 2 * bound)
