"""Functions of symmetric matrices, with derivatives of any order at repeated eigenvalues.

F(A) = Q f(Λ) Qᵀ for A = Q Λ Qᵀ. Its n-th derivative in directions H₁..H_n has the divided
differences f[λ_i, .., λ_j] as weights in the eigenbasis (Daleckii and Krein), which are finite
where eigenvalues meet. It is self-adjoint in each direction: the derivative of D^nF by A is
D^{n+1}F, and eigenvectors are never differentiated.

Inside, the two axes of a matrix come first, so that small matrices are structures of arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations_with_replacement, permutations, product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from darboux.manifolds._analytic import Analytic, divided_difference
from darboux.manifolds._spectrum3 import spectrum3
from darboux.solvers._nested import total
from darboux.solvers._transforms import hidden, is_differentiated, without_autocast

Spectrum = tuple[Tensor, Tensor]
"""Ascending eigenvalues (n, *batch), and eigenvectors (n, n, *batch) in columns."""

_CHUNK = 16384  # matrices of up to 3 x 3


def spectrum(x: Tensor) -> Spectrum:
    """Return eigenvalues and eigenvectors of symmetric matrices (*batch, n, n), as constants."""
    return hidden(_found)(x)


def derivative(f: Analytic, x: Tensor, known: Spectrum, *directions: Tensor) -> Tensor:
    """Return D^nF(x)[H₁, ..., H_n], (*batch, n, n), from the spectrum of x."""
    if any(map(is_differentiated, (x, *directions))):
        return _Derivative.apply(f, x, *known, *directions)
    return _evaluate(f, *known, *directions)


def _found(x: Tensor) -> Spectrum:
    return _Spectrum.apply(x)


class _Spectrum(torch.autograd.Function):
    """Eigenvalues and eigenvectors, which nothing differentiates."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Spectrum:
        return _eigen(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Spectrum) -> None:
        del inputs
        ctx.mark_non_differentiable(*output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> None:
        del ctx, grads

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> tuple[None, None]:
        del ctx, tangents
        return None, None


def _eigen(x: Tensor) -> Spectrum:
    if x.shape[-1] == 3:
        return _eigen3(x)
    wrong = (0 * x).sum((-2, -1), keepdim=True)  # NaN where an entry isn't finite
    values, vectors = torch.linalg.eigh(((x + x.mT) / 2).where(wrong == 0, 0.0))
    return (values + wrong[..., 0]).movedim(-1, 0), _first(vectors)


def _eigen3(x: Tensor) -> Spectrum:
    parts = [spectrum3(_sym(_first(part).contiguous())) for part in _split(x.reshape(-1, 3, 3), 0)]
    w, q = (torch.cat(part, -1) for part in zip(*parts, strict=True))
    return w.reshape(3, *x.shape[:-2]), q.reshape(3, 3, *x.shape[:-2])


class _Derivative(torch.autograd.Function):
    """D^nF(x)[H₁, ..., H_n] as a function of x and of the directions."""

    generate_vmap_rule = True

    @staticmethod
    def forward(f: Analytic, x: Tensor, w: Tensor, q: Tensor, *directions: Tensor) -> Tensor:
        del x
        return _evaluate(f, w, q, *directions)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        del output
        ctx.f = inputs[0]
        ctx.save_for_backward(*inputs[1:])
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, k: Tensor) -> tuple[Tensor | None, ...]:
        x, w, q, *directions = ctx.saved_tensors

        def at(i: int) -> Tensor:
            slots = [*directions[:i], k, *directions[i + 1 :]]
            return _Derivative.apply(ctx.f, x, w, q, *slots)

        needs = ctx.needs_input_grad
        by_x = at(len(directions)) if needs[1] else None
        return None, by_x, None, None, *(at(i) if n else None for i, n in enumerate(needs[4:]))

    @staticmethod
    def jvp(ctx: Any, _f: None, dx: Tensor | None, *tangents: Tensor | None) -> Tensor:
        x, w, q, *directions = ctx.saved_tensors
        changes = [*tangents[2:], dx]
        terms = [
            _Derivative.apply(ctx.f, x, w, q, *directions[:i], change, *directions[i + 1 :])
            for i, change in enumerate(changes)
            if change is not None
        ]
        return total(terms)


def _evaluate(f: Analytic, w: Tensor, q: Tensor, *directions: Tensor) -> Tensor:
    with without_autocast(w):  # a backward pass may run inside
        return _in_parts(f, w, q, *directions)


def _in_parts(f: Analytic, w: Tensor, q: Tensor, *directions: Tensor) -> Tensor:
    if len(w) > 3:
        return _last(_values(f, w, q, [_first(h) for h in directions]))
    rows = [_split(t.reshape(*t.shape[: i + 1], -1), -1) for i, t in enumerate((w, q))]
    columns = [_split(h.reshape(-1, *h.shape[-2:]), 0) for h in directions]
    parts = [
        _last(_values(f, w, q, [_first(h).contiguous() for h in hs]))
        for w, q, *hs in zip(*rows, *columns, strict=True)
    ]
    whole = torch.cat(parts)
    if w.ndim == 2:
        return whole
    # forward mode takes no views here, where what it differentiates is mapped
    return whole.reshape(*w.shape[1:], len(w), len(w)).clone()


def _values(f: Analytic, w: Tensor, q: Tensor, directions: list[Tensor]) -> Tensor:
    """Return D^nF, all matrices with their axes first."""
    if not directions:
        return _product(q * f.value(w), q.transpose(0, 1))
    order = len(directions)
    factors = [_product(q.transpose(0, 1), _product(_sym(h), q)) for h in directions]
    inner = _contracted(_weights(f, w, order), factors)
    return _product(_product(q, inner), q.transpose(0, 1))


def _sym(h: Tensor) -> Tensor:
    return (h + h.transpose(0, 1)) / 2


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Return the product of matrices whose axes come first."""
    if len(a) > 3:
        return _first(_last(a) @ _last(b))
    total = a[:, 0, None] * b[None, 0]
    for k in range(1, len(a)):
        total = torch.addcmul(total, a[:, k, None], b[None, k])
    return total


def _first(x: Tensor) -> Tensor:
    return x.movedim((-2, -1), (0, 1))


def _last(x: Tensor) -> Tensor:
    return x.movedim((0, 1), (-2, -1))


def _split(x: Tensor, dim: int) -> Sequence[Tensor]:
    """Return parts of a batch whose entries stay in the cache of a CPU."""
    return x.split(_CHUNK, dim) if x.device.type == "cpu" else [x]


def _weights(f: Analytic, w: Tensor, order: int) -> Tensor:
    """Return f[λ_i, λ_k, ..., λ_j], (n, ..., n, *batch), each multiset computed once."""
    members, places = _multisets(len(w), order + 1)
    rows = [w[row.to(w.device)] for row in members]
    return divided_difference(f, rows)[places.to(w.device)]


@cache
def _multisets(n: int, size: int) -> tuple[Tensor, Tensor]:
    """Return ascending multisets of indices, (size, count), and where those of a tuple stand."""
    members = list(combinations_with_replacement(range(n), size))
    place = {m: i for i, m in enumerate(members)}
    places = [place[tuple(sorted(index))] for index in product(range(n), repeat=size)]
    shape = (n,) * size
    return torch.tensor(members).T.contiguous(), torch.from_numpy(np.reshape(places, shape))


def _contracted(weights: Tensor, factors: list[Tensor]) -> Tensor:
    """Return the sum over all orders of Σ weights[i, k, .., j] H₁[i, k] H₂[k, ..] ... [.., j]."""
    order = len(factors)
    if order == 1:
        return weights * factors[0]
    halves = torch.zeros_like(factors[0])  # the other orders are the transpose
    for chosen in permutations(range(order)):
        if chosen[0] < chosen[-1]:
            term = _chained(weights, [factors[i] for i in chosen])
            halves = halves + term.sum(tuple(range(1, order)))
    return halves + halves.transpose(0, 1)


def _chained(weights: Tensor, factors: Sequence[Tensor]) -> Tensor:
    """Return weights[i, k, .., j] H₁[i, k] H₂[k, ..] ... [.., j]."""
    for place, h in enumerate(factors):
        before, after = [1] * place, [1] * (len(factors) - 1 - place)
        weights = weights * h.reshape(*before, *h.shape[:2], *after, *h.shape[2:])
    return weights
