"""norm_bound: never below the dense SVD, and tight."""

import math

import pytest
import torch

import darboux.linear._prove as prove
from darboux.linear import (
    Composed,
    Conv,
    Dense,
    FiniteDifference,
    Lift,
    Scaled,
    SkewPart,
    Stacked,
    Transposed,
)
from darboux.linear._frequencies import samples_for, slack
from darboux.linear._gram import GramSamples
from darboux.linear._spectral import kernel_bound
from darboux.testing import explicit_matrix

EPS = torch.finfo(torch.float64).eps
SEEDS = range(20)
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
PER_SEED = 25  # 500 maps in all


def _pick(*options):
    return options[int(torch.randint(len(options), ()))]


def _number(low, high):
    return int(torch.randint(low, high + 1, ()))


def _conv(inputs=None, outputs=None, dim=None, padding=None):
    dim = dim or _pick(1, 1, 2, 2, 3)
    largest = {1: 6, 2: 4, 3: 3}[dim]
    conv = Conv(
        inputs or _number(1, 3),
        outputs or _number(1, 3),
        kernel_size=[_number(1, largest) for _ in range(dim)],
        dim=dim,
        padding_mode=padding or _pick("circular", "zeros"),
    )
    with torch.no_grad():  # sometimes nearly of low rank, sometimes badly scaled
        if _number(0, 1):
            rows = 10 ** (2 * torch.randn(conv.out_features))
            conv.weight.mul_(rows.reshape(-1, *[1] * (dim + 1)))
    return conv


def _dense(inputs=None, outputs=None):
    return Dense(inputs or _number(1, 12), outputs or _number(1, 12))


def _square_conv():
    features = _number(1, 3)
    return _conv(features, features)


def _square_dense():
    features = _number(1, 10)
    return _dense(features, features)


def _pair(padding=None):
    dim, middle = _pick(1, 2), _number(1, 3)
    return _conv(middle, None, dim, padding), _conv(None, middle, dim, padding)


KINDS = {
    "dense": _dense,
    "conv": _conv,
    "skew-dense": lambda: SkewPart(_square_dense(), damping=_pick(0.0, 0.3)),
    "skew-conv": lambda: SkewPart(_square_conv(), damping=_pick(0.0, 0.3)),
    "difference": lambda: FiniteDifference(
        _number(1, 2), dim=_number(1, 3), padding_mode=_pick("circular", "zeros")
    ),
    "transposed": lambda: Transposed(_pick(_conv, _dense)()),
    "scaled": lambda: Scaled(_pick(_conv, _dense)(), factor=float(torch.randn(()))),
    "composed": lambda: Composed(*_pair()),
    "composed-circular": lambda: Composed(*_pair("circular")),
    "composed-dense": lambda: Composed(_dense(4, None), _dense(None, 4)),
    "stacked": lambda: Stacked(_conv(2, None, 2), _conv(2, None, 2)),
    "skew-product": lambda: SkewPart(Composed(_conv(3, 2, 1), _conv(2, 3, 1)), damping=0.1),
    "lift": lambda: Lift(
        _number(1, 2), 8, dim=2, shuffle=_pick(1, 2), frame=_pick("zeros", "tight")
    ),
}


def _sizes(dim):
    return [tuple(_number(1, {1: 8, 2: 5, 3: 3}[dim]) for _ in range(dim)) for _ in range(2)]


@pytest.mark.parametrize("seed", SEEDS)
def test_bounds_500_random_maps(seed):
    torch.manual_seed(seed)
    for index in range(PER_SEED):
        kind = list(KINDS)[(seed * PER_SEED + index) % len(KINDS)]
        linear = KINDS[kind]().double()
        bound = float(linear.norm_bound().detach())
        for size in _sizes(linear.dim) if linear.dim else [()]:
            true = float(torch.linalg.svdvals(explicit_matrix(linear, size))[0])
            assert bound >= true * (1 - 50 * EPS), f"{kind} on {size}: {bound} < {true}"
            if kind in ("dense", "skew-dense", "composed-dense"):
                assert bound <= 1.01 * true, f"{kind}: {bound} > 1.01 · {true}"
        if kind in ("conv", "skew-conv", "difference", "composed-circular"):
            supremum = _supremum(linear)
            assert bound <= 1.05 * supremum, f"{kind}: {bound} > 1.05 · {supremum}"


def _supremum(linear):
    """Return the largest singular value on a grid that is fine for the degree."""
    longest = max(linear.stencil().kernel_size)
    n = {1: 24, 2: 24, 3: 15}[linear.dim] * longest
    symbol = linear.symbol(n).detach()
    gram = symbol @ symbol.mH if symbol.shape[1] < symbol.shape[2] else symbol.mH @ symbol
    return float(torch.linalg.eigvalsh(gram)[:, -1].max().sqrt())


@pytest.mark.parametrize("shape", [(300, 280), (257, 600), (700, 300)], ids=str)
@pytest.mark.parametrize("spectrum", ["normal", "flat", "orthogonal", "one-large"])
def test_large_matrices_are_tight(shape, spectrum):
    matrix = torch.randn(shape, dtype=torch.float64)
    if spectrum != "normal":
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
        values = {
            "flat": torch.linspace(0.99, 1, len(values)).double(),
            "orthogonal": torch.ones_like(values),
            "one-large": torch.cat([torch.ones(1), torch.full((len(values) - 1,), 1e-3)]).double(),
        }[spectrum]
        matrix = left * values @ right
    true = float(torch.linalg.svdvals(matrix)[0])
    assert true * (1 - 50 * EPS) <= float(kernel_bound(matrix)) <= 1.01 * true


@pytest.mark.parametrize("shape", [(6, 9), (5, 4, 3), (4, 6, 3, 3)], ids=str)
@pytest.mark.parametrize("hidden", ["random", "orthogonal-to-the-start"])
def test_ritz_guess_and_ladder(shape, hidden, monkeypatch):
    monkeypatch.setattr(prove, "_EXACT", 0)
    monkeypatch.setattr(prove, "_KRYLOV", 2)
    kernel = torch.randn(shape, dtype=torch.float64)
    if hidden != "random":  # the guess cannot see the largest direction; the proof must
        rows = min(shape[:2])
        start = prove._start(rows, 4, kernel)
        direction = torch.linalg.qr(start, mode="complete")[0][:, -1]
        matrix = direction[:, None] * torch.ones(max(shape[:2]), dtype=torch.float64)
        matrix = matrix if shape[0] <= shape[1] else matrix.T
        kernel = kernel * 1e-3 + matrix.reshape(*shape[:2], *[1] * (len(shape) - 2))
    exact = kernel_bound(kernel)
    monkeypatch.undo()
    expected = kernel_bound(kernel)
    assert float(expected) * (1 - 1e-4) <= float(exact) <= float(expected) * 1.005


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 7, 11])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_sampling_keeps_the_slack_below_five_percent(kernel, dim):
    degree = (kernel - 1) / 2
    n = samples_for((kernel,) * dim)[0]
    assert n > 2 * degree
    assert (1 / math.cos(math.pi * degree / n)) ** dim <= 1.048


def test_worst_case_of_the_slack_is_reached():
    # cos with its maximum between the samples: the bound is the supremum, not below it.
    n = samples_for((3,))[0]
    phase = math.pi / n
    kernel = torch.tensor([[[0.5, 0.0, 0.5]], [[0.0, 0.0, 0.0]]], dtype=torch.float64)
    tilted = torch.stack([torch.cos(torch.tensor(phase)), torch.sin(torch.tensor(phase))])
    kernel = torch.stack([kernel[0] * tilted[0], kernel[0] * tilted[1]]).reshape(2, 1, 3)
    supremum = 1.0
    assert supremum <= float(kernel_bound(kernel)) <= 1.05 * supremum


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_any_dtype_and_scale(dtype, scale):
    kernel = (torch.randn(3, 2, 3) * scale).to(dtype)
    bound = kernel_bound(kernel)
    assert bound.dtype == torch.float64
    assert float(bound) == pytest.approx(float(kernel_bound(kernel.double())), rel=1e-14)


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e150, 1e300])
def test_no_overflow_and_no_underflow(scale):
    kernel = torch.randn(3, 2, 3, dtype=torch.float64)
    expected = float(kernel_bound(kernel)) * scale
    assert float(kernel_bound(kernel * scale)) == pytest.approx(expected, rel=1e-12)


def test_zero_kernel():
    weight = torch.zeros(2, 3, 3, requires_grad=True)
    bound = kernel_bound(weight)
    assert float(bound.detach()) == 0
    assert not torch.autograd.grad(bound, weight)[0].any()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_refuses_what_is_not_finite(value):
    dense = Dense(2, 2)
    with torch.no_grad():
        dense.weight[0, 1] = value
    with pytest.raises(ValueError, match="Expected finite weights; got NaN or infinity"):
        dense.norm_bound()
    assert "finite weights" in dense.claims().gaps[0].reason


@pytest.mark.parametrize(
    "shape", [(4, 3), (3, 5), (3, 2, 3), (2, 3, 3, 2), (2, 2, 2, 2, 2)], ids=str
)
def test_gradient_against_finite_differences(shape):
    kernel = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    # The bound is (σ² + margin)^½ up to constants, σ simple for random kernels.
    assert torch.autograd.gradcheck(kernel_bound, (kernel,), eps=1e-6, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 3, 2)], ids=str)
def test_gradient_is_homogeneous(shape):
    kernel = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    bound = kernel_bound(kernel)
    gradient = torch.autograd.grad(bound, kernel)[0]
    torch.testing.assert_close((gradient * kernel).sum(), bound, rtol=1e-12, atol=0)


def test_the_guess_survives_samples_where_the_symbol_vanishes():
    stencil = FiniteDifference(3, dim=2).stencil()  # constants are in its kernel
    gram = GramSamples(stencil.weight.double().transpose(0, 1), samples_for((2, 2)))
    matrices = gram.at(gram.all())
    top = prove._best(matrices)
    exact = torch.linalg.eigvalsh(matrices)[:, -1]
    assert float(exact[0]) < 1e-12
    assert float(exact[top]) == pytest.approx(float(exact.max()), rel=1e-3)


@pytest.mark.parametrize("size", [2, 16, 64, 150])
@pytest.mark.parametrize("spectrum", ["spread", "flat", "one-large"])
@pytest.mark.parametrize("factored", [False, True])
def test_single_precision_proves_no_more_than_is_true(size, spectrum, factored):
    kernel = _with_spectrum(size, spectrum)
    gram = GramSamples(kernel, samples_for((3, 3)))
    if factored:
        gram.factored, gram._taps_first = True, kernel.permute(2, 3, 0, 1).contiguous()
    part = gram.all()[:2]
    exact = torch.linalg.eigvalsh(gram.at(part))[:, -1]
    single = gram.at(part, torch.float32)
    share = prove._single_rounding(gram)
    for sample, value in enumerate(exact.tolist()):
        # The least β² that single precision takes for one above G, by bisection.
        low, high = 0.5 * value, 2 * value
        for _ in range(50):
            middle = (low + high) / 2
            fails = bool(prove._indefinite(single[sample, None], middle))
            low, high = (middle, high) if fails else (low, middle)
        assert high >= value * (1 - share)
        assert high <= value * (1 + share)


def _with_spectrum(size, spectrum):
    """Return a kernel (size, size, 3, 3) with one tap, or nine, of given singular values."""
    kernel = torch.randn(size, size, 3, 3, dtype=torch.float64)
    if spectrum == "spread":
        return kernel
    values = torch.ones(size, dtype=torch.float64)
    if spectrum == "one-large":
        values[1:] = 1e-3
    left, right = (torch.linalg.qr(kernel[..., 0, k])[0] for k in (0, 1))
    return 1e-9 * kernel + (left * values @ right)[..., None, None] * (
        torch.arange(9) == 4
    ).reshape(3, 3)


def test_rounding_in_single_precision_costs_nothing():
    # All samples have one eigenvalue, up to 1e-6: what single precision cannot tell apart
    # double precision decides, and the bound stays within its margin.
    for kernel in (_with_spectrum(40, "flat"), _with_spectrum(200, "one-large")):
        matrix = kernel[..., 1, 1]
        true = float(torch.linalg.svdvals(matrix)[0])
        supremum = float(kernel_bound(kernel)) / slack((3, 3), samples_for((3, 3)))
        assert true * (1 - 1e-6) <= supremum <= true * (1 + 6e-5)


def test_equal_kernels_have_equal_bounds():
    kernel = torch.randn(8, 8, 3, 3)
    assert torch.equal(kernel_bound(kernel), kernel_bound(kernel.clone()))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    kernel_bound(kernel)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("shape", [(4, 3), (300, 280), (5, 7, 3, 3), (2, 2, 2, 2, 2)], ids=str)
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_bounds_are_the_same_without_derivatives(shape, scale):
    kernel = torch.randn(shape) * scale
    assert torch.equal(kernel_bound(kernel), kernel_bound(kernel.clone().requires_grad_()).detach())


def test_circular_products_are_tighter_than_products_of_norms():
    torch.manual_seed(0)
    first, second = Conv(3, 3, kernel_size=3, dim=1), Conv(3, 3, kernel_size=3, dim=1)
    together = Composed(first, second).norm_bound()
    assert bool(together < first.norm_bound() * second.norm_bound())
