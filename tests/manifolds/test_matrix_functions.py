"""Functions of symmetric matrices: values and derivatives against exact ones."""

from __future__ import annotations

from itertools import product

import mpmath
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from darboux.manifolds import (
    EXP,
    INV_SQRT,
    LOG,
    SQRT,
    sym_expm,
    sym_funcm,
    sym_inv_sqrtm,
    sym_logm,
    sym_powm,
    sym_sqrtm,
)
from darboux.manifolds._analytic import divided_difference, power
from darboux.manifolds._spectrum3 import spectrum3
from tests.catalogue.manifolds import rotation

FUNCTIONS = {
    "log": (LOG, mpmath.log),
    "exp": (EXP, mpmath.exp),
    "sqrt": (SQRT, mpmath.sqrt),
    "1/sqrt": (INV_SQRT, lambda x: 1 / mpmath.sqrt(x)),
    "1/x": (power(-1.0), lambda x: 1 / x),
    "x^2.5": (power(2.5), lambda x: x ** mpmath.mpf(2.5)),
}

GAPS = (0.0, 1e-14, 1e-8, 1e-4, 0.05, 0.0999, 0.11, 0.5)

BOTH = (torch.func.jacfwd, torch.func.jacrev)

SPECTRA = {
    "identity": (1.0, 1.0, 1.0),
    "two equal": (2.0, 2.0, 1.0),
    "two equal below": (1.0, 1.0, 3.0),
    "nearly equal": (1.0, 1.0 + 1e-14, 1.0 + 3e-14),
    "close": (1.0, 1.0 + 1e-7, 1.05),
    "condition 1e4": (1e-4, 0.3, 1.0),
}


def difference(f, points):
    """Return the divided difference in 90 digits."""
    points = [mpmath.mpf(x) for x in points]
    if points[0] == points[-1]:
        order = len(points) - 1
        return mpmath.diff(f, points[0], order) / mpmath.factorial(order)
    return (difference(f, points[1:]) - difference(f, points[:-1])) / (points[-1] - points[0])


def matrices(spectrum, dtype=torch.float64):
    q = rotation(3)
    x = (q * torch.tensor(spectrum, dtype=torch.float64)) @ q.mT
    return ((x + x.mT) / 2).to(dtype)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_divided_differences_in_90_digits(name, order):
    f, exact = FUNCTIONS[name]
    with mpmath.workdps(90):
        for base in (0.02, 1.0, 5.0):
            for gap in GAPS:
                points = [base * (1 + gap * share) for share in (0.0, 0.3, 1.0)[-order - 1 :]]
                points[0] = base
                found = divided_difference(
                    f, [torch.tensor(x, dtype=torch.float64) for x in points]
                )
                wanted = difference(exact, points)
                assert abs(float(found) - wanted) <= 1e-13 * abs(wanted), (base, gap)


@pytest.mark.parametrize("name", SPECTRA)
def test_second_derivatives_in_60_digits(name):
    """Of the trace of log(x) h log(x) h, by the formula with exact eigenvalues."""
    x = matrices(SPECTRA[name])
    a, b, c = (matrices(s) for s in ((1.0, 2.0, -1.0), (0.5, -1.0, 0.0), (0.0, 1.0, 1.0)))
    a, b = a.roll(1, 0) + a.roll(1, 0).mT, b.roll((1, 2), (0, 1))
    b = b + b.mT

    def inner(x):
        return (sym_logm(x) * c).sum()

    found = torch.func.jvp(lambda x: torch.func.jvp(inner, (x,), (a,))[1], (x,), (b,))[1]
    with mpmath.workdps(60):
        w, q = mpmath.eigsy(mpmath.matrix(x.tolist()))
        parts = [q.T * mpmath.matrix(h.tolist()) * q for h in (a, b, c)]
        order = sorted(range(3), key=lambda i: w[i])
        wanted = size = mpmath.mpf(0)
        for i in order:
            for k in order:
                for j in order:
                    weight = difference(mpmath.log, sorted((w[i], w[k], w[j])))
                    both = parts[0][i, k] * parts[1][k, j] + parts[1][i, k] * parts[0][k, j]
                    wanted += weight * both * parts[2][j, i]
                    size += abs(weight * both * parts[2][j, i])
        condition = float(w[order[-1]] / w[order[0]])
        assert abs(float(found) - wanted) <= 1e-13 * condition * size


@pytest.mark.parametrize(
    "function", [LOG, *(pytest.param(f, marks=pytest.mark.slow) for f in (EXP, SQRT, power(2.5)))]
)
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_derivatives_of_every_kind(n, function):
    x = torch.stack([matrices(SPECTRA["two equal"])] * 2)
    x = torch.block_diag(x[0], x[1])[:n, :n] if n != 3 else x
    x = x.clone().requires_grad_()

    def f(x):
        return sym_funcm(x, function)

    assert gradcheck(f, (x,), check_forward_ad=True, check_batched_grad=True)
    if n == 3:
        assert gradgradcheck(f, (x,), check_fwd_over_rev=True, check_batched_grad=True)


def test_third_derivatives_and_transforms_agree():
    x = torch.stack([matrices(s) for s in SPECTRA.values()][:5])

    def f(x):
        return sym_logm(x).square().sum()

    third = torch.func.vmap(torch.func.jacfwd(torch.func.hessian(f)))(x)
    other = torch.func.vmap(torch.func.jacrev(torch.func.jacrev(torch.func.jacrev(f))))(x)
    torch.testing.assert_close(third, other, rtol=1e-10, atol=1e-10)
    h = 1e-4
    step = torch.zeros_like(x)
    step[:, 0, 0] = h
    change = [torch.func.vmap(torch.func.hessian(f))(x + s * step) for s in (1, -1)]
    numeric = (change[0] - change[1]) / (2 * h)
    torch.testing.assert_close(third[..., 0, 0], numeric, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    "modes",
    [
        *product(BOTH, repeat=3),
        *(pytest.param(m, marks=pytest.mark.slow) for m in product(BOTH, repeat=4)),
    ],
    ids=lambda modes: "-".join(mode.__name__[3:] for mode in modes),
)
def test_derivatives_in_every_order_of_modes(modes):
    """Also forward mode in forward mode, which is 0 in silence where a rule adds up."""

    def f(x):
        return sym_logm(x * torch.eye(1).double()).square().sum()

    for mode in modes:
        f = mode(f)
    wanted = {3: -6, 4: 22}[len(modes)]  # of the squared logarithm at 1
    assert float(f(torch.ones((), dtype=torch.float64))) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "spectrum",
    [*SPECTRA.values(), (0.0, 0.0, 0.0), (-1.0, 0.0, 1.0), (0.0, 0.0, 1.0), (1e-30, 2e-30, 4e-30)],
)
def test_closed_form_is_as_accurate_as_lapack(spectrum, dtype):
    generator = torch.Generator().manual_seed(0)
    q = torch.linalg.qr(torch.randn(500, 3, 3, dtype=torch.float64, generator=generator))[0]
    q[0] = torch.eye(3)
    x = (q * torch.tensor(spectrum, dtype=torch.float64)) @ q.mT
    x = ((x + x.mT) / 2).to(dtype)
    w, q = spectrum3(x.movedim(0, -1))
    w, q = w.T.double(), q.movedim(-1, 0).double()
    rounding = 16 * torch.finfo(dtype).eps
    torch.testing.assert_close(q.mT @ q, torch.eye(3).double().expand_as(q), rtol=0, atol=rounding)
    back, scale = (q * w[:, None]) @ q.mT, float(x.abs().max())
    torch.testing.assert_close(back, x.double(), rtol=0, atol=rounding * scale)
    assert (w.diff(dim=-1) >= 0).all()


def test_values():
    x = matrices(SPECTRA["condition 1e4"])
    eye = torch.eye(3, dtype=torch.float64)
    pairs = {
        "exp log": (sym_expm(sym_logm(x)), x),
        "sqrt²": (sym_sqrtm(x) @ sym_sqrtm(x), x),
        "1/sqrt": (sym_inv_sqrtm(x) @ x @ sym_inv_sqrtm(x), eye),
        "power": (sym_powm(x, 1.5) @ sym_powm(x, -1.5), eye),
    }
    for name, (found, wanted) in pairs.items():
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9, msg=name)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_outside_of_the_domain(n):
    for bad in (-torch.eye(n), torch.zeros(n, n), torch.full((n, n), torch.nan)):
        with pytest.raises(ValueError, match="expected symmetric positive definite matrices; got"):
            sym_logm(torch.stack([torch.eye(n), bad]))
        assert not torch.func.vmap(sym_logm)(torch.stack([torch.eye(n), bad]))[1].isfinite().any()
    with pytest.raises(ValueError, match=r"expected real symmetric matrices.*got .* \(3, 2\)"):
        sym_expm(torch.ones(3, 2))


@pytest.mark.parametrize("n", [3, 4])
def test_autocast_and_half_precision(n):
    x = torch.eye(n).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = sym_sqrtm(x + 0.1)
        (slope,) = torch.autograd.grad(y.sum(), x)
    exact = sym_sqrtm(x + 0.1)
    assert torch.equal(y, exact)
    assert torch.equal(slope, torch.autograd.grad(exact.sum(), x)[0])
    assert sym_sqrtm(x.bfloat16()).dtype == torch.bfloat16


def test_many_matrices_are_those_one_at_a_time():
    """Batches are computed in parts."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(2, 20_000, 3, 3, generator=generator, dtype=torch.float64)
    x = (a @ a.mT + torch.eye(3)).requires_grad_()
    y = sym_logm(x)
    (slope,) = torch.autograd.grad(y.square().sum(), x)
    for i, j in ((0, 0), (0, 16_383), (0, 16_384), (1, 19_999)):
        one = x[i, j].detach().requires_grad_()
        value = sym_logm(one)
        torch.testing.assert_close(y[i, j], value, rtol=1e-12, atol=1e-12)
        expected = torch.autograd.grad(value.square().sum(), one)[0]
        torch.testing.assert_close(slope[i, j], expected, rtol=1e-10, atol=1e-12)
