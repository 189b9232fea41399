"""What single classes of linear maps do, and what they refuse."""

import math

import pytest
import torch
import torch.nn.functional as F

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
from darboux.structure import Isometric, Kind, Lipschitz, adjoint_of, norm_at_most
from darboux.testing import explicit_matrix

PLAIN = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
def test_conv_is_torch_convolution(dim, kernel):
    conv = Conv(2, 3, kernel_size=kernel, dim=dim, padding_mode="zeros")
    x = torch.randn(2, 2, *(5, 4, 6)[:dim])
    pads = [(kernel - 1) // 2, kernel // 2] * dim  # even kernels reach further forward
    expected = PLAIN[dim](F.pad(x, pads), conv.weight)
    torch.testing.assert_close(conv(x), expected)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_circular_shifts_commute(dim):
    conv = Conv(2, 3, kernel_size=3, dim=dim)
    x = torch.randn(1, 2, *(2, 5, 3)[:dim])
    shifted = conv(x.roll(1, dims=-1))
    torch.testing.assert_close(shifted, conv(x).roll(1, dims=-1))


@pytest.mark.parametrize("outputs", [2, 3, 64])
@pytest.mark.parametrize(
    "build", [lambda n: Dense(48, n), lambda n: Conv(32, n, kernel_size=3, dim=2)]
)
def test_starts_with_norm_about_one(build, outputs):
    assert 0.75 < float(build(outputs).norm_bound().detach()) < 1.35


def test_finite_difference():
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64)
    image = FiniteDifference(2, dim=2, padding_mode="zeros").double()(x)
    torch.testing.assert_close(image[:, :2], F.pad(x, (0, 0, 0, 1))[:, :, 1:] - x)
    torch.testing.assert_close(image[:, 2:], F.pad(x, (0, 1))[..., 1:] - x)
    for dim in (1, 2, 3):
        bound = float(FiniteDifference(1, dim=dim).norm_bound())
        assert 2 * math.sqrt(dim) <= bound <= 1.05 * 2 * math.sqrt(dim)


def test_composed_applies_the_last_first():
    one, two = Dense(3, 4).double(), Dense(5, 3).double()
    expected = one.weight @ two.weight
    torch.testing.assert_close(explicit_matrix(Composed(one, two)), expected.detach())


def test_zero_padded_product_multiplies_norms():
    one, two = (Conv(2, 2, kernel_size=3, dim=1, padding_mode="zeros") for _ in range(2))
    product = Composed(one, two)
    assert not product.one_stencil
    torch.testing.assert_close(product.norm_bound(), one.norm_bound() * two.norm_bound())
    with pytest.raises(TypeError, match="Use padding_mode='circular', or norm_bound"):
        product.symbol(4)


def test_product_whose_symbol_vanishes():
    # S S* - 1 is zero on frequencies, and has norm 1 on every image.
    ahead = Conv(1, 1, kernel_size=3, dim=1, padding_mode="zeros").double()
    with torch.no_grad():
        ahead.weight.copy_(torch.tensor([[[0.0, 0.0, 1.0]]]))
    product = Composed(Transposed(ahead), ahead)
    matrix = explicit_matrix(product, (5,)) - torch.eye(5, dtype=torch.float64)
    assert float(torch.linalg.svdvals(matrix)[0]) == pytest.approx(1)


def test_skew_part_is_skew():
    skew = SkewPart(
        Conv(2, 2, kernel_size=(2, 3), dim=2, padding_mode="zeros").double(), damping=0.25
    )
    matrix = explicit_matrix(skew, (3, 2))
    torch.testing.assert_close(
        matrix + matrix.T, -0.5 * torch.eye(len(matrix), dtype=torch.float64)
    )


@pytest.mark.parametrize("size", [(6, 4), (5, 7), (1, 1)], ids=str)
@pytest.mark.parametrize("frame", ["zeros", "tight"])
def test_lift_is_isometric(size, frame):
    lift = Lift(3, 14, dim=2, shuffle=2, frame=frame).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    torch.testing.assert_close(lift.restore(lift(x), size=size), x)
    torch.testing.assert_close(lift(x).norm(), x.norm())
    claim = lift.claims().find(Isometric)
    assert claim is not None
    assert claim.kind is Kind.CONSTRUCTION


def test_lift_is_pixel_unshuffle():
    x = torch.randn(2, 3, 6, 4)
    assert torch.equal(Lift(3, 12, dim=2, shuffle=2)(x), F.pixel_unshuffle(x, 2))


def test_lift_stays_isometric_for_all_parameters():
    lift = Lift(2, 8, dim=1, shuffle=2, frame="tight")
    with torch.no_grad():
        lift.weight.normal_(std=20)
    x = torch.randn(2, 2, 6)
    torch.testing.assert_close(lift.restore(lift(x), size=(6,)), x, atol=1e-4, rtol=1e-4)


def test_restore_through_a_product():
    product = Composed(Conv(8, 8, kernel_size=3, dim=2), Lift(2, 8, dim=2, shuffle=2))
    x = torch.randn(1, 2, 5, 3)
    assert product.restore(product(x), size=(5, 3)).shape == x.shape
    with pytest.raises(TypeError, match="got Lift, which has no symbol"):
        product.stencil()
    assert Scaled(product, factor=2.0).restore(product(x), size=(5, 3)).shape == x.shape


def test_lower_bound_sees_through_leaky_maps():
    tall = Dense(3, 8).double()
    least = float(torch.linalg.svdvals(tall.weight.detach())[-1])
    assert float(tall.lower_bound().detach()) == pytest.approx(least, rel=1e-10)
    conv = Conv(1, 1, kernel_size=3, dim=1).double()
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[[0.1, 1.0, 0.1]]]))
    assert 0.7 < float(conv.lower_bound().detach()) <= 0.8
    assert float(Dense(4, 3).lower_bound()) == 0


def test_estimate_approaches_the_norm():
    dense = Dense(20, 30).double()
    true = float(torch.linalg.svdvals(dense.weight.detach())[0])
    found = float(dense.norm_estimate(iterations=300))
    assert found == pytest.approx(true, rel=1e-3)
    assert found <= true * (1 + 1e-12)
    generator = torch.Generator().manual_seed(3)
    one = dense.norm_estimate(iterations=2, generator=generator)
    assert torch.equal(one, dense.norm_estimate(iterations=2, generator=generator.manual_seed(3)))


def test_claims_carry_their_numbers():
    claims = Conv(2, 3, kernel_size=3, dim=2).claims()
    claim = claims.find(Lipschitz)
    assert claim.kind is Kind.BOUND
    assert f"{claim.structure.constant:.6g}" in claim.reason
    assert [p.condition for p in claim.premises] == [norm_at_most, adjoint_of]


REFUSALS = {
    "in_features": (lambda: Dense(0, 3), "expected in_features to be a positive integer; got 0"),
    "dim": (lambda: Conv(1, 1, kernel_size=3, dim=4), "expected dim to be 1, 2 or 3"),
    "kernel": (
        lambda: Conv(1, 1, kernel_size=0, dim=1),
        "expected kernel_size to be an integer from 1 to 255",
    ),
    "kernels": (lambda: Conv(1, 1, kernel_size=(3, 3), dim=1), "one number or 1 of them"),
    "padding": (
        lambda: Conv(1, 1, kernel_size=3, dim=1, padding_mode="same"),
        "'circular' or 'zeros'",
    ),
    "difference": (lambda: FiniteDifference(1, dim=1, padding_mode="x"), "'circular' or 'zeros'"),
    "skew": (lambda: SkewPart(Dense(3, 4)), "SkewPart: expected a square map; got 3 -> 4"),
    "damping": (
        lambda: SkewPart(Dense(3, 3), damping=-1.0),
        "expected damping to be a finite number of 0 or more",
    ),
    "factor": (
        lambda: Scaled(Dense(3, 3), factor=math.nan),
        "expected factor to be a finite number; got nan",
    ),
    "composed": (lambda: Composed(Dense(3, 3), Dense(3, 4)), "in_features 3 after out_features 4"),
    "composed-none": (lambda: Composed(), "expected at least one map"),
    "composed-dims": (
        lambda: Composed(Dense(3, 3), Conv(3, 3, kernel_size=1, dim=1)),
        "the same number of spatial axes",
    ),
    "stacked": (lambda: Stacked(Dense(3, 3), Dense(4, 3)), "expected maps of one input"),
    "lift-no-pixels": (lambda: Lift(3, 11, dim=0, shuffle=2), "expected shuffle=1 .*; got 2"),
    "lift": (lambda: Lift(3, 11, dim=2, shuffle=2), "expected features >= .* = 12; got 11"),
    "frame": (lambda: Lift(1, 2, dim=1, frame="loose"), "'zeros' or 'tight'; got 'loose'"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refuses_at_construction(name):
    build, message = REFUSALS[name]
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    "linear",
    [Dense(3, 4), Conv(3, 4, kernel_size=3, dim=2), SkewPart(Conv(3, 3, kernel_size=3, dim=2))],
    ids=["dense", "conv", "skew"],
)
def test_refuses_wrong_inputs(linear):
    size = (5,) * linear.dim
    with pytest.raises(ValueError, match=r"Expected 3 channels on axis 1; got shape \(2, 2"):
        linear(torch.ones(2, 2, *size))
    with pytest.raises(ValueError, match=r"axes \(batch, channels, \*space\); got shape"):
        linear(torch.ones(3, *size))
    with pytest.raises(TypeError, match=r"dtype torch.float32, like the weight; got torch.float64"):
        linear(torch.ones(2, 3, *size, dtype=torch.float64))


def test_lift_refuses_wrong_inputs():
    lift = Lift(1, 4, dim=2, shuffle=2)
    with pytest.raises(ValueError, match=r"Expected \(batch, 1, \*space\) with 2 spatial axes"):
        lift(torch.ones(1, 2, 4, 4))
    with pytest.raises(ValueError, match=r"Expected \(batch, 4, \*space\) with 2 spatial axes"):
        lift.adjoint(torch.ones(1, 4, 4))
    with pytest.raises(TypeError, match="which has no symbol"):
        lift.symbol(4)
