"""Constants of torch's activations against a dense search."""

import math

import pytest
import torch
from torch import nn
from torch.func import jacrev, vmap

import darboux as dx
from darboux.structure import Kind, claims_of

# the least and the largest slope, where they are known in closed form
CASES = {
    "relu": (nn.ReLU(), (0, 1)),
    "relu6": (nn.ReLU6(), (0, 1)),
    "hardtanh": (nn.Hardtanh(-0.3, 2.0), (0, 1)),
    "tanh": (nn.Tanh(), (0, 1)),
    "softshrink": (nn.Softshrink(0.3), (0, 1)),
    "softsign": (nn.Softsign(), (0, 1)),
    "log-sigmoid": (nn.LogSigmoid(), (0, 1)),
    "tanhshrink": (nn.Tanhshrink(), (0, 1)),
    "sigmoid": (nn.Sigmoid(), (0, 0.25)),
    "hardsigmoid": (nn.Hardsigmoid(), (0, 1 / 6)),
    "hardswish": (nn.Hardswish(), (-0.5, 1.5)),
    "silu": (nn.SiLU(), None),
    "mish": (nn.Mish(), None),
    "selu": (nn.SELU(), (0, 1.0507009873554805 * 1.6732632423543772)),
    "gelu": (nn.GELU(), None),
    "gelu-tanh": (nn.GELU(approximate="tanh"), None),
    "elu": (nn.ELU(), (0, 1)),
    "elu-steep": (nn.ELU(2.5), (0, 2.5)),
    "elu-negative": (nn.ELU(-0.4), (-0.4, 1)),
    "celu": (nn.CELU(0.2), (0, 1)),
    "leaky": (nn.LeakyReLU(0.1), (0.1, 1)),
    "leaky-negative": (nn.LeakyReLU(-2.0), (-2, 1)),
    "rrelu": (nn.RReLU(0.2, 0.4).eval(), (0.3, 1)),
    "prelu": (nn.PReLU(init=1.75).double(), (1, 1.75)),
    "softplus": (nn.Softplus(), (0, 1)),
    "softplus-beta": (nn.Softplus(beta=-3.0, threshold=30), (0, 1)),
    "threshold": (nn.Threshold(0.5, 0.5), (0, 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_slopes_against_a_dense_search(name):
    module, known = CASES[name]
    # neighbours and, for the smooth ones, the middle of every pair at many scales
    x = torch.cat([torch.linspace(-40, 40, 400_001), torch.linspace(-3, 3, 100_001)]).double()
    for scale in (1.0, 0.01):
        y = module(x * scale).detach()
        slopes = (y.diff() / (x * scale).diff())[(x.diff() > 0).nonzero()[:, 0]]
        lower, upper = float(slopes.min()), float(slopes.max())
        claims = claims_of(module)
        constant = claims.find(dx.Lipschitz).structure.constant
        assert max(-lower, upper) <= constant + 1e-9  # rounding of the quotients
        averaged = claims.find(dx.Averaged)
        if averaged is not None:
            assert upper <= 1 + 1e-9
            assert lower >= 1 - 2 * averaged.structure.alpha - 1e-9
        if scale == 1.0 and known is None:
            assert constant == pytest.approx(max(-lower, upper), rel=1e-7)
            assert averaged is None
    if known is not None:
        assert constant == pytest.approx(max(map(abs, known)), rel=1e-15)
        assert (averaged is not None) == (known[0] > -1 and known[1] <= 1)


def test_prelu_is_bounded_from_its_weights():
    module = nn.PReLU(3)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([0.5, -1.5, 0.0]))
    claim = claims_of(module).find(dx.Lipschitz)
    assert (claim.structure.constant, claim.kind) == (1.5, Kind.BOUND)


@pytest.mark.parametrize(
    ("module", "least"), [(nn.Softmax(dim=-1), 0.0), (nn.Softmin(dim=-1), -0.5)]
)
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_softmax_against_jacobians(module, least, classes):
    points = torch.randn(200, classes, dtype=torch.float64) * torch.logspace(-1, 1.5, 200)[:, None]
    points[0] = torch.tensor([0.0, 0.0, *[-60.0] * (classes - 2)])
    if least < 0:
        points[0] = -points[0]
    values = torch.linalg.eigvalsh(vmap(jacrev(module))(points))
    assert values.abs().max() == pytest.approx(0.5, abs=1e-12)
    claims = claims_of(module)
    assert claims.find(dx.Lipschitz).structure.constant == 0.5
    assert claims.find(dx.Averaged).structure.alpha == (1 - least) / 2
    assert least - 1e-12 <= float(values.min())


def test_softmax_over_channels():
    assert claims_of(nn.Softmax2d()).find(dx.Lipschitz).structure.constant == 0.5


@pytest.mark.parametrize("classes", [2, 5, 10])
def test_log_softmax_has_a_constant_that_its_module_does_not_tell(classes):
    point = torch.zeros(classes, dtype=torch.float64)
    point[0] = 60
    jacobian = jacrev(nn.LogSoftmax(dim=-1))(point)
    norm = torch.linalg.matrix_norm(jacobian, 2)
    assert norm == pytest.approx(math.sqrt(classes), rel=1e-12)
    assert "√n for n classes" in claims_of(nn.LogSoftmax(dim=-1)).gaps[0].reason


INPLACE = [
    nn.ReLU,
    nn.ReLU6,
    nn.Hardtanh,
    nn.LeakyReLU,
    nn.ELU,
    nn.SELU,
    nn.CELU,
    nn.SiLU,
    nn.Mish,
    nn.Hardswish,
    nn.Hardsigmoid,
    lambda inplace: nn.RReLU(inplace=inplace).eval(),
    lambda inplace: nn.Threshold(0.0, 0.0, inplace=inplace),
]


@pytest.mark.parametrize("build", INPLACE)
def test_what_overwrites_its_input_claims_nothing(build):
    x = torch.linspace(-2, 2, 5)
    build(inplace=True)(x)
    assert not torch.equal(x, torch.linspace(-2, 2, 5))
    claims = claims_of(build(inplace=True))
    assert len(claims) == 0
    assert "inplace=True overwrites" in claims.gaps[0].reason
    assert len(claims_of(build(inplace=False))) > 0


GAPS = {
    "softplus": (nn.Softplus(threshold=5), "jumps down by 0.007 where beta x = threshold = 5"),
    "softplus-zero": (nn.Softplus(threshold=0), "jumps down"),
    "softplus-negative": (nn.Softplus(threshold=-3), "jumps down"),
    "threshold": (nn.Threshold(0.0, 1.0), "jumps at 0"),
    "hardshrink": (nn.Hardshrink(), "jumps at ±0.5"),
    "glu": (nn.GLU(), "multiplies two halves"),
    "celu": (nn.CELU(-1.0), "no Lipschitz constant"),
    "elu-nan": (nn.ELU(math.nan), "no Lipschitz constant"),
    "rrelu": (nn.RReLU(), "random in training mode"),
    "prelu-nan": (nn.PReLU(init=math.nan), "no Lipschitz constant"),
}


@pytest.mark.parametrize("name", GAPS)
def test_gaps(name):
    module, word = GAPS[name]
    claims = claims_of(module)
    assert len(claims) == 0
    assert word in claims.gaps[0].reason


def test_softplus_jumps_as_it_says():
    low, high = torch.tensor([5.0, 5.0 + 1e-4], dtype=torch.float64)
    module = nn.Softplus(threshold=5)
    assert (module(high) - module(low)) / (high - low) < -60
