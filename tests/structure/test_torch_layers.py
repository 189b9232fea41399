"""Constants of torch's normalisations, dropout and rearrangements against Jacobians."""

import math

import pytest
import torch
from torch import nn
from torch.func import jacrev

import darboux as dx
from darboux.structure import claims_of

NORMS = {
    "layer": (lambda: nn.LayerNorm(6), (6,)),
    "layer-2d": (lambda: nn.LayerNorm((2, 3)), (2, 3)),
    "layer-plain": (lambda: nn.LayerNorm(6, elementwise_affine=False, eps=0.25), (6,)),
    "rms": (lambda: nn.RMSNorm(6, eps=1e-4), (6,)),
    "group": (lambda: nn.GroupNorm(2, 4, eps=1e-3), (4, 3)),
    "instance": (lambda: nn.InstanceNorm1d(2), (2, 5)),
    "instance-affine": (lambda: nn.InstanceNorm2d(2, affine=True), (2, 3, 2)),
    "instance-training": (lambda: nn.InstanceNorm1d(2, affine=True).train(), (2, 5)),
}


@pytest.mark.parametrize("name", NORMS)
def test_normalisation_by_own_statistics_against_jacobians(name):
    build, shape = NORMS[name]
    layer = build().double()
    call = lambda x: layer(x[None])[0]  # noqa: E731
    for weight in (1.0, "random"):
        for parameter in layer.parameters():
            nn.init.normal_(parameter) if weight == "random" else nn.init.constant_(parameter, 1.0)
        claimed = claims_of(layer).find(dx.Lipschitz).structure.constant
        norms = [
            float(torch.linalg.matrix_norm(jacrev(call)(x).detach().reshape(x.numel(), -1), 2))
            for x in (s * torch.randn(shape, dtype=torch.float64) for s in (0, 1e-3, 0.1, 1, 30))
        ]
        assert max(norms) <= claimed * (1 + 1e-9)
        if weight == 1.0:  # 1/√eps, where the input is constant
            assert norms[0] == pytest.approx(claimed, rel=1e-9)


@pytest.mark.parametrize("build", [nn.BatchNorm1d, nn.InstanceNorm1d])
def test_running_statistics(build):
    layer = build(2, affine=True, track_running_stats=True).double().eval()
    layer.running_var = torch.tensor([0.25, 4.0], dtype=torch.float64)
    constant = claims_of(layer).find(dx.Lipschitz).structure.constant
    assert constant == pytest.approx((0.25 + layer.eps) ** -0.5, rel=1e-12)
    x = torch.randn(2, 2, 5, dtype=torch.float64)
    moved = x + torch.tensor([1.0, 0.0], dtype=torch.float64)[:, None]
    quotient = (layer(moved) - layer(x)).norm() / (moved - x).norm()
    assert quotient.item() == pytest.approx(constant, rel=1e-12)


def _batch_norm(variance, **options):
    layer = nn.BatchNorm1d(2, **options).eval()
    layer.running_var = torch.tensor(variance)
    return layer


def _with_weight(layer, value):
    nn.init.constant_(layer.weight, value)
    return layer


GAPS = {
    "negative": (lambda: _batch_norm([1.0, -0.5]), "expected running_var + eps > 0"),
    "zero": (lambda: _batch_norm([1.0, 0.0], eps=0.0), "expected running_var + eps > 0"),
    "nan": (lambda: _batch_norm([1.0, math.nan]), "expected running_var + eps > 0"),
    "weight": (lambda: _with_weight(nn.LayerNorm(3), math.inf), "finite weights"),
    "eps": (lambda: nn.LayerNorm(3, eps=0.0), "expected eps > 0"),
    "rms": (lambda: nn.RMSNorm(3), "eps=None is another number"),
    "batch": (lambda: nn.BatchNorm2d(3), "call eval()"),
    "no-statistics": (
        lambda: nn.BatchNorm2d(3, track_running_stats=False).eval(),
        "batch statistics make the map depend on the batch",
    ),
    "dropout": (lambda: nn.AlphaDropout(), "random in training mode"),
    "embedding": (lambda: nn.Embedding(5, 3), "Embedding looks up indices"),
    "bag": (lambda: nn.EmbeddingBag(5, 3), "EmbeddingBag looks up indices"),
}


@pytest.mark.parametrize("name", GAPS)
def test_gaps(name):
    build, word = GAPS[name]
    claims = claims_of(build())
    assert len(claims) == 0
    assert word in claims.gaps[0].reason


@pytest.mark.parametrize(
    "layer",
    [nn.Identity(), nn.Flatten(), nn.Unflatten(1, (2, 2)), nn.ChannelShuffle(2)]
    + [drop(0.5).eval() for drop in (nn.Dropout, nn.Dropout1d, nn.AlphaDropout)],
    ids=lambda layer: type(layer).__name__,
)
def test_isometric_layers(layer):
    assert claims_of(layer).find(dx.Isometric) is not None
    x = torch.randn(2, 4, 3)
    torch.testing.assert_close(layer(x).norm(), x.norm())


ORDINARY = {
    "mlp": (
        lambda: nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.Dropout(), nn.Linear(8, 3)),
        (5,),
    ),
    "normalised": (
        lambda: nn.Sequential(
            nn.Linear(5, 8), nn.LayerNorm(8), nn.SiLU(), nn.Linear(8, 3), nn.Softmax(dim=-1)
        ),
        (5,),
    ),
    "cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, padding_mode="reflect"),
            nn.BatchNorm2d(4),
            nn.Hardswish(),
            nn.MaxPool2d(3, stride=2, padding=1),
            nn.ReflectionPad2d(1),
            nn.Conv2d(4, 4, 3),
            nn.GroupNorm(2, 4),
            nn.PReLU(4),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 3),
        ),
        (1, 8, 8),
    ),
    "decoder": (
        lambda: nn.Sequential(
            nn.ConvTranspose2d(2, 3, 2, stride=2),
            nn.ELU(),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.ReplicationPad2d(1),
            nn.Conv2d(3, 1, 3),
            nn.Sigmoid(),
        ),
        (2, 4, 4),
    ),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_networks_are_bounded_without_noise(name):
    build, shape = ORDINARY[name]
    made = dx.certify(build().eval(), torch.randn(2, *shape), effort="quick")
    assert made.holds, str(made)
    assert claims_of(build().eval()).find(dx.Lipschitz) is not None
    assert made.gaps == ()
