"""Halving and doubling of images: sizes, symmetries, adjoints, bounds."""

import pytest
import torch

from darboux.structure import Equivariant
from darboux.symmetry._feature import Feature
from darboux.symmetry._groups.cyclic import Cyclic, Dihedral
from darboux.symmetry._groups.planar import O2, SO2
from darboux.symmetry._nonlinear.resample import Downsample, Upsample, halve, spread
from darboux.testing import (
    LIFECYCLE,
    check_adjoint,
    check_estimate,
    check_fused,
    check_norm_bound,
    check_row_bound,
    explicit_matrix,
)
from tests.catalogue.groups import Swap
from tests.lifecycles import lifecycle_cases

SCALAR = Feature(Cyclic(1), ["trivial"])
FEATURE = Feature(Dihedral(4), ["trivial", "1"])
PADDINGS = ["circular", "zeros"]
SIZES = [(1, 1), (1, 2), (2, 3), (6, 6), (7, 7), (6, 7), (5, 8)]


def test_weights():
    line = torch.eye(6, dtype=torch.float64)
    rows = torch.stack([halve(e, 0, "zeros") for e in line], dim=1)
    expected = torch.tensor([[3.0, 3, 1, 0, 0, 0], [0, 1, 3, 3, 1, 0], [0, 0, 0, 1, 3, 3]]) / 8
    torch.testing.assert_close(rows, expected.double())
    line = torch.eye(5, dtype=torch.float64)
    rows = torch.stack([halve(e, 0, "zeros") for e in line], dim=1)
    expected = torch.tensor([[2.0, 1, 0, 0, 0], [0, 1, 2, 1, 0], [0, 0, 0, 1, 2]]) / 4
    torch.testing.assert_close(rows, expected.double())


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("n", range(1, 9))
def test_spread_is_the_transpose(n, padding):
    halved = torch.stack([halve(e, 0, padding) for e in torch.eye(n)], dim=1)
    spreaded = torch.stack([spread(e, 0, n, padding) for e in torch.eye((n + 1) // 2)], dim=1)
    assert torch.equal(spreaded, halved.T)
    if padding == "circular":  # constants stay
        assert torch.equal(halved.sum(1), torch.ones((n + 1) // 2))


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("group", [Cyclic(4), Cyclic(8), Dihedral(4), SO2(), O2()], ids=str)
def test_commutes_with_every_symmetry_of_the_grid(group, size, padding):
    feature = Feature(group, [*group.irreps(2)])
    down = Downsample(feature, dim=2, padding_mode=padding)
    up = Upsample(feature, dim=2, padding_mode=padding)
    for dtype, allowed in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        x = torch.randn(2, feature.channels, *size, dtype=dtype)
        for g in group.grid_elements():
            for map in (down, up):
                gap = map(feature.act(g, x)) - feature.act(g, map(x))
                assert float(gap.abs().max()) <= allowed


def test_naive_strides_do_not_commute():
    """The control: what this map is for."""
    feature, x = Feature(Cyclic(4), ["trivial"]), torch.randn(1, 1, 6, 6)
    gap = feature.act(1, x)[..., ::2, ::2] - feature.act(1, x[..., ::2, ::2])
    assert float(gap.abs().max()) > 0.1


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_bounds_and_adjoint_of_downsample(size, padding):
    down = Downsample(FEATURE, dim=2, padding_mode=padding).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    assert down(x).shape == (2, 3, *((n + 1) // 2 for n in size))
    check_adjoint(down, x)
    check_norm_bound(down, size)
    check_row_bound(down, size)
    check_fused(down, torch.randn(2, 3, 6, 4, dtype=torch.float64))
    check_estimate(down)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 3), (2, 4)], ids=str)
def test_bounds_and_adjoint_of_upsample(size, padding):
    up = Upsample(FEATURE, dim=2, padding_mode=padding).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    assert up(x).shape == (2, 3, *(2 * n for n in size))
    check_adjoint(up, x)
    check_norm_bound(up, size)
    check_row_bound(up, size)
    check_fused(up, x)
    check_estimate(up)


@pytest.mark.parametrize("size", [(5, 5), (5, 6), (1, 3)], ids=str)
def test_upsample_to_odd_sizes_keeps_its_bound_with_zeros(size):
    up = Upsample(SCALAR, dim=2, padding_mode="zeros").double()
    half = [(n + 1) // 2 for n in size]
    count = half[0] * half[1]
    basis = torch.eye(count, dtype=torch.float64).reshape(count, 1, *half)
    matrix = up(basis, size=size).flatten(1).T
    assert float(torch.linalg.matrix_norm(matrix, 2)) <= float(up.norm_bound()) * (1 + 1e-12)
    down = Downsample(SCALAR, dim=2, padding_mode="zeros").double()
    torch.testing.assert_close(matrix, 4 * explicit_matrix(down, size).T)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_bounds_are_sharp(dim):
    feature = Feature(Swap(), ["trivial", "odd"])  # moves no pixels, on any number of axes
    up = Upsample(feature, dim=dim).double()
    down = Downsample(feature, dim=dim, padding_mode="zeros").double()
    x = torch.ones(1, 2, *(2,) * dim, dtype=torch.float64)
    assert abs(float(up(x).norm() / x.norm()) - float(up.norm_bound())) < 1e-12
    big = torch.ones(1, 2, *(64 if dim == 1 else 16,) * dim, dtype=torch.float64)
    ratio = float(down(big).norm() / big.norm())
    assert 0.9 * float(down.norm_bound()) < ratio <= float(down.norm_bound())
    assert down(big).shape[2:] == tuple(n // 2 for n in big.shape[2:])


def test_up_after_down_keeps_constants():
    x = torch.full((1, 3, 6, 8), 2.5)
    up, down = Upsample(FEATURE, dim=2), Downsample(FEATURE, dim=2)
    assert torch.equal(up(down(x)), x)


def test_shrinks_what_would_alias():
    stripes = torch.tensor([1.0, -1.0]).repeat(8).expand(1, 1, 16, 16)
    assert float(Downsample(SCALAR, dim=2)(stripes).abs().max()) < 1e-6


@pytest.mark.parametrize("padding", PADDINGS)
def test_equivariant_type_and_biases(padding):
    down = Downsample(FEATURE, dim=2, padding_mode=padding)
    assert down.equivariant() == Equivariant(Dihedral(4), FEATURE, FEATURE, grid=True)
    assert down.bias().shape == (1,)
    x = torch.randn(1, 3, 4, 4)
    moved = down.affine(x, torch.ones(1)) - down(x)
    torch.testing.assert_close(
        moved.abs(), torch.tensor([1.0, 0, 0]).reshape(3, 1, 1).expand(1, 3, 2, 2)
    )


def test_refusals():
    with pytest.raises(ValueError, match="expected dim=2, on which D4 acts; got 3"):
        Downsample(FEATURE, dim=3)
    with pytest.raises(ValueError, match="expected padding_mode"):
        Upsample(FEATURE, dim=2, padding_mode="reflect")
    with pytest.raises(ValueError, match="expected even sizes with circular padding"):
        Upsample(FEATURE, dim=2)(torch.zeros(1, 3, 3, 3), size=(5, 6))
    with pytest.raises(ValueError, match=r"expected an image of size \(3, 3\)"):
        Upsample(FEATURE, dim=2)(torch.zeros(1, 3, 3, 4), size=(6, 6))
    with pytest.raises(ValueError, match="expected 2 spatial axes"):
        Downsample(FEATURE, dim=2)(torch.zeros(1, 3))
    with pytest.raises(TypeError, match="no symbol"):
        Downsample(FEATURE, dim=2).symbol(4)


BUILD = {
    f"{padding}-{kind.__name__}": lambda kind=kind, padding=padding: kind(
        FEATURE, dim=2, padding_mode=padding
    )
    for padding in PADDINGS
    for kind in (Downsample, Upsample)
}


@pytest.mark.parametrize(("name", "check"), lifecycle_cases(BUILD))
def test_lifecycle(name, check):
    example = torch.randn(3, 3, 4, 4 if "Upsample" in name else 5)
    LIFECYCLE[check](BUILD[name], example)
