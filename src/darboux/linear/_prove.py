"""The largest eigenvalue over all samples: guessed, then proved."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from darboux.linear._gram import GramSamples

_EPS = torch.finfo(torch.float64).eps

_EXACT = 256  # up to this size a few exact eigenvalues are affordable

_MARGINS = (5e-5, 1e-4)  # of β², above an eigenvalue: at first, and where that is too little

_WIDE = (2e-3, 5e-3)  # above a Ritz value

_STEPS = 5  # power steps that rank the samples

_KRYLOV = 24


def simple_enough(size: int) -> bool:
    """Return whether all eigenvalues of matrices of this size are affordable."""
    return size <= _EXACT


def largest(samples: GramSamples) -> tuple[float, int, Tensor, Tensor]:
    """Return β² >= λ_max(G(ξ)) at every sample, the top sample, and eigenpairs there."""
    # 1. Part by part, Cholesky factorisations of β² - G(ξ) in single precision prove the β²
    #    known so far. Where they fail a few power steps look for the top, and an eigenvalue (a
    #    Ritz value, for large matrices) there raises β².
    # 2. What rounding leaves open, factorisations in double precision decide.
    # 3. Samples where those fail get exact eigenvalues, and β² rises to the largest: those
    #    that passed with a smaller β² pass all the more, so one round is enough.
    # The eigenpairs are all of them in ascending order, but the last one only for large
    # matrices.
    exact = simple_enough(samples.size)
    if exact and len(samples) == 1:
        values, vectors = torch.linalg.eigh(samples.at(samples.all())[0])
        value = float(values[-1])
        return value + _rounding(samples, value), 0, values, vectors
    first, last = _MARGINS if exact else _WIDE
    value, top, failed = _screened(samples, 1 + first, exact=exact)
    bound, pairs = value * (1 + first), None
    if exact:
        pairs = torch.linalg.eigh(_at(samples, top))
        value, failed = float(pairs[0][-1]), failed[failed != top]
    if exact or len(failed):
        bound = max(bound, value * (1 + last))
        failed = _unproven(samples, failed, bound)
    for part in samples.parts(failed):
        highest = torch.linalg.eigvalsh(samples.at(part))[:, -1]
        if float(highest.max()) > value:
            value, top, pairs = float(highest.max()), int(part[int(highest.argmax())]), None
            bound = max(bound, value * (1 + _MARGINS[-1]))
    if pairs is None:
        pairs = _eigenpairs(samples, top, bound)
    return bound + _rounding(samples, bound), top, *pairs


def _at(samples: GramSamples, sample: int) -> Tensor:
    """Return G at one sample."""
    return samples.at(torch.tensor([sample], device="cpu"))[0]


def _screened(samples: GramSamples, factor: float, *, exact: bool) -> tuple[float, int, Tensor]:
    """Return an eigenvalue λ, its sample, and the samples where factor · λ is not proved yet."""
    # Elsewhere than on a CPU single precision may mean something coarser.
    single = exact and samples.kernel.device.type == "cpu"
    dtype = torch.float32 if single else torch.float64
    share = _single_rounding(samples) if single else 0.0
    value, top, left = 0.0, 0, []
    for index in samples.parts(samples.all(), dtype):
        gram = samples.at(index, dtype)
        while True:
            failed = _indefinite(gram, value * factor * (1 - share))
            if not failed.any():
                break
            if not failed.all():
                index, gram = index[failed], gram[failed]
            best = _best(gram)
            found = (torch.linalg.eigvalsh if exact else _ritz_values)(gram[best])[-1]
            if float(found) <= value * factor:
                left.append(index)
                break
            value, top = float(found), int(index[best])
    return value, top, torch.cat(left) if left else samples.all()[:0]


def _best(gram: Tensor) -> int:
    """Return where λ_max is largest, by rough estimates."""
    if len(gram) == 1:
        return 0
    # Divided by the largest trace, powers of G stay in the range of single precision.
    scale = 1 / float(gram.diagonal(dim1=-2, dim2=-1).real.sum(-1).amax().clamp(min=1e-30))
    before = (_start(gram.shape[-1], 4, gram) * scale).expand(len(gram), -1, -1)
    x = gram @ before
    for _ in range(_STEPS - 1):
        before = x * scale
        x = gram @ before
    growth = _squares(x) / _squares(before).clamp(min=1e-37)  # G may vanish at a sample
    return int(growth.amax(dim=-1).argmax())


def _squares(x: Tensor) -> Tensor:
    """Return the squared norms of the columns."""
    flat = torch.view_as_real(x).square().sum(dim=-1) if x.is_complex() else x.square()
    return flat.sum(dim=-2)


def _start(n: int, columns: int, like: Tensor) -> Tensor:
    """Return a fixed block of random vectors: equal kernels get equal bounds."""
    return _normal(n, columns).to(dtype=like.dtype, device=like.device)


@lru_cache(maxsize=32)
def _normal(n: int, columns: int) -> Tensor:
    generator = torch.Generator(device="cpu").manual_seed(0)
    return torch.randn(n, columns, generator=generator, dtype=torch.float64, device="cpu")


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
    parts = [part[_indefinite(samples.at(part), bound)] for part in samples.parts(index)]
    return torch.cat(parts) if parts else index


def _indefinite(gram: Tensor, bound: float) -> Tensor:
    """Return where β² - G has no Cholesky factor, (samples,), on the CPU."""
    if bound <= 0:
        return torch.ones(len(gram), dtype=torch.bool)
    shifted = gram.neg()
    shifted.diagonal(dim1=-2, dim2=-1).add_(bound)
    # The transpose is as positive, and lies in memory the way LAPACK reads it; zeros are written
    # below its diagonal faster than above.
    return torch.linalg.cholesky_ex(shifted.mT, upper=True).info.cpu() != 0


def _eigenpairs(samples: GramSamples, sample: int, bound: float) -> tuple[Tensor, Tensor]:
    """Return eigenvalues and eigenvectors at one sample, for large matrices of the top."""
    gram = _at(samples, sample)
    if simple_enough(samples.size):
        values, vectors = torch.linalg.eigh(gram)
        return values, vectors
    # β² is so close to the top eigenvalue that inverse iteration needs a few steps only.
    gram.neg_().diagonal().add_(bound)
    factor = torch.linalg.cholesky(gram)
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


def _single_rounding(samples: GramSamples) -> float:
    """Return the share of β² that rounding may hide in single precision."""
    # With unit u = ε/2 the complex inner products of step k of a factorisation err by
    # 2√2 (k + 4) u times the norms of their factors, at most β² together. In the Frobenius norm
    # that is below 1.2 (n + 4)² u β². G itself is rounded by u ‖G‖_F <= u √n λ_max(G), and its
    # diagonal and β² once more. See Higham 2002, theorem 10.3. Products A A* err by
    # (2√2 (m + 2) + 2) u ‖A‖_F² in addition, where ‖A‖_F² <= n λ_max(G).
    size = samples.size
    terms = (size + 9) ** 2
    if samples.factored:
        terms += 2 * (samples.inner + 4) * size
    return terms * torch.finfo(torch.float32).eps
