"""Bounds of torch's own layers, against explicit matrices."""

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from darboux.structure import Kind, Lipschitz, claims_of

LAYERS = {
    "linear": (lambda: nn.Linear(5, 4), (5,)),
    "conv1d": (lambda: nn.Conv1d(2, 3, 3), (2, 9)),
    "conv1d-much-padding": (lambda: nn.Conv1d(2, 3, 3, padding=5), (2, 4)),
    "conv1d-circular": (lambda: nn.Conv1d(2, 3, 5, padding=2, padding_mode="circular"), (2, 6)),
    "conv1d-less": (
        lambda: nn.Conv1d(2, 2, 5, padding=1, padding_mode="circular"),
        (2, 7),
    ),
    "conv1d-same": (
        lambda: nn.Conv1d(2, 2, 4, padding="same", padding_mode="circular"),
        (2, 7),
    ),
    "conv2d-stride": (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1), (2, 6, 5)),
    "conv2d-dilation": (lambda: nn.Conv2d(2, 2, 3, dilation=2, padding=2), (2, 6, 6)),
    "conv2d-groups": (lambda: nn.Conv2d(4, 6, (2, 3), groups=2), (4, 5, 5)),
    "conv2d-depthwise": (lambda: nn.Conv2d(3, 6, 3, groups=3, padding="same"), (3, 4, 5)),
    "conv3d": (lambda: nn.Conv3d(1, 2, 2, padding=1), (1, 3, 2, 3)),
    "transposed1d": (
        lambda: nn.ConvTranspose1d(2, 3, 3, stride=2, padding=1, output_padding=1),
        (2, 5),
    ),
    "transposed2d-groups": (lambda: nn.ConvTranspose2d(4, 2, 3, groups=2, stride=2), (4, 3, 3)),
    "transposed3d": (lambda: nn.ConvTranspose3d(2, 1, 2, dilation=2), (2, 2, 2, 2)),
}


def _norm(layer, shape):
    dtype = layer.weight.dtype
    with torch.no_grad():
        basis = torch.eye(torch.Size(shape).numel(), dtype=dtype).reshape(-1, *shape)
        matrix = (layer(basis) - layer(torch.zeros(1, *shape, dtype=dtype))).flatten(1)
        return float(torch.linalg.svdvals(matrix)[0])


@pytest.mark.parametrize("name", LAYERS)
def test_bound(name):
    build, shape = LAYERS[name]
    layer = build().double()
    claim = claims_of(layer).find(Lipschitz)
    assert claim.kind is Kind.BOUND
    true = _norm(layer, shape)
    assert true * (1 - 1e-12) <= claim.structure.constant <= 3 * true


def test_spectral_norm_of_a_convolution_is_no_operator_norm():
    torch.manual_seed(0)
    conv = nn.utils.parametrizations.spectral_norm(nn.Conv2d(8, 8, 3, padding=1)).eval().double()
    bound = claims_of(conv).find(Lipschitz).structure.constant
    true = _norm(conv, (8, 8, 8))
    assert true <= bound
    assert true > 1.3


@pytest.mark.parametrize("build", [nn.Linear, lambda *c, **k: nn.Conv1d(*c, 3, padding=1, **k)])
def test_complex_weights(build):
    layer = build(2, 2, dtype=torch.complex128)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[0, :, ...] = 1j
    true = _norm(layer, (2,) if layer.weight.ndim == 2 else (2, 30))
    assert true <= claims_of(layer).find(Lipschitz).structure.constant <= 1.1 * true


REPEATING = {
    "reflect": (lambda: nn.Conv1d(2, 3, 3, padding=1, padding_mode="reflect"), (2, 3)),
    "reflect-2d": (lambda: nn.Conv2d(1, 2, 3, padding=2, padding_mode="reflect"), (1, 5, 5)),
    "replicate": (lambda: nn.Conv2d(1, 1, 3, padding=1, padding_mode="replicate"), (1, 1, 1)),
    "replicate-same": (
        lambda: nn.Conv1d(1, 1, 4, padding="same", padding_mode="replicate"),
        (1, 1),
    ),
    "circular-more": (lambda: nn.Conv1d(1, 1, 3, padding=2, padding_mode="circular"), (1, 2)),
}


@pytest.mark.parametrize("name", REPEATING)
def test_padding_that_repeats_pixels(name):
    build, shape = REPEATING[name]
    layer = build().double()
    nn.init.constant_(layer.weight, 1.0)
    padded = claims_of(layer).find(Lipschitz).structure.constant
    layer.padding_mode = "zeros"
    plain = claims_of(layer).find(Lipschitz).structure.constant
    layer.padding_mode = name.split("-")[0]
    true = _norm(layer, shape)
    assert true <= padded
    assert true > 0.3 * padded > 0.3 * plain


class Doubled(nn.Conv2d):
    """A subclass that computes something else."""

    def forward(self, x):
        return 2 * super().forward(x)


def _pruned():
    layer = nn.Linear(3, 3)
    prune.l1_unstructured(layer, "weight", amount=0.5)
    return layer


# What writes the weight just before the call: the stored one may be stale.
GAPS = {
    "weight-norm": (lambda: nn.utils.weight_norm(nn.Linear(3, 3)), "hooks (WeightNorm)"),
    "spectral-norm": (lambda: nn.utils.spectral_norm(nn.Linear(3, 3)), "hooks (SpectralNorm)"),
    "pruned": (_pruned, "hooks (L1Unstructured)"),
    "training": (
        lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3)),
        "call eval()",
    ),
    "subclass": (lambda: Doubled(1, 1, 3), "Doubled has a forward() of its own"),
    "lazy": (lambda: nn.LazyConv2d(3, 3), "has no weight before its first call"),
}


def test_claims_leave_the_buffers_of_spectral_norm_alone():
    layer = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3))
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    claims_of(layer)
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


@pytest.mark.filterwarnings("ignore:Lazy modules", "ignore:.torch.nn.utils.weight_norm")
@pytest.mark.parametrize("name", GAPS)
def test_gap(name):
    build, reason = GAPS[name]
    claims = claims_of(build())
    assert len(claims) == 0
    assert reason in claims.gaps[0].reason


def test_gap_for_weights_that_are_not_finite():
    layer = nn.Linear(2, 2)
    nn.init.constant_(layer.weight, float("nan"))
    assert "finite" in claims_of(layer).gaps[0].reason


def test_chains_with_other_layers():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
    single = [claims_of(net[i]).find(Lipschitz).structure.constant for i in (0, 3)]
    whole = claims_of(net).find(Lipschitz).structure.constant
    assert whole == pytest.approx(single[0] * single[1])
