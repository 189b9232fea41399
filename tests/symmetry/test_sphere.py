"""The sphere: exact transforms, exact equivariance of convolutions, approximate activations."""

import math

import pytest
import torch

from darboux.activations import GroupSort, ReLU, Tanh
from darboux.activations._activation import Activation
from darboux.symmetry._groups.harmonics import spherical_harmonics
from darboux.symmetry._groups.so3 import SO3
from darboux.symmetry._sphere_grid import SphereGrid
from darboux.symmetry._sphere_layers import SphereActivation, SphericalConv
from darboux.testing import assert_close, check_lifecycle

DEGREES = [0, 1, 4, 9]


def rotated(grid, rotation, c):
    """Return the coefficients of x(R⁻¹p): blocks move by the irreducible representations."""
    group = SO3()
    blocks = [group.irrep(str(degree), rotation) for degree in range(grid.degree + 1)]
    return c @ torch.block_diag(*blocks).T


def coefficients(grid, channels=2, batch=2):
    return torch.randn(batch, channels, grid.size, dtype=torch.float64)


def error(layer, grid, count=4):
    """Return the largest relative equivariance error over random rotations."""
    c = coefficients(grid)
    found = []
    for rotation in SO3().sample(count, seed=3):
        with torch.no_grad():
            first = layer(grid.synthesis(rotated(grid, rotation, c)))
            second = grid.synthesis(
                rotated(grid, rotation, grid.analysis(layer(grid.synthesis(c))))
            )
        found.append(float((first - second).norm() / second.norm()))
    return max(found)


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("finer", [1.0, 1.7])
def test_transform_is_exact(degree, finer):
    grid = SphereGrid(degree).finer(finer)
    c = coefficients(grid)
    assert_close(grid.analysis(grid.synthesis(c)), c, size=grid.size + 50)
    assert_close(grid.norm(grid.synthesis(c)), c.flatten(1).norm(dim=1), size=100)
    assert float(grid.weights().sum()) == pytest.approx(4 * math.pi, rel=1e-14)


def test_analysis_projects():
    grid = SphereGrid(3)
    x = torch.randn(1, 1, *grid.shape, dtype=torch.float64)
    once = grid.synthesis(grid.analysis(x))
    assert_close(grid.synthesis(grid.analysis(once)), once, size=100)
    assert float(grid.norm(once)) < float(grid.norm(x))


@pytest.mark.parametrize("degree", DEGREES)
def test_rotations_are_exact(degree):
    """Rotating coefficients is evaluating at rotated points."""
    grid, rotation = SphereGrid(degree), SO3().sample(1, seed=0)[0]
    c = coefficients(grid)
    back = grid.points().reshape(-1, 3) @ rotation  # rows are (R⁻¹ p)ᵀ
    y = torch.cat([spherical_harmonics(each, back) for each in range(degree + 1)], dim=1)
    moved = grid.synthesis(rotated(grid, rotation, c))
    assert_close(moved.flatten(2), c @ y.T, size=50 * (degree + 1) ** 2)


@pytest.mark.parametrize("degree", DEGREES)
def test_convolution_is_equivariant(degree):
    conv = SphericalConv(2, 3, degree=degree).double()
    assert error(conv, conv.grid) <= 1e-12


def test_convolution_with_another_kernel_is_not():
    """The test can fail: weights that depend on m do not commute."""
    grid = SphereGrid(3)
    scale = torch.linspace(1, 2, grid.size, dtype=torch.float64)
    assert error(lambda x: grid.synthesis(scale * grid.analysis(x)), grid) > 1e-2


def test_norm_bound_is_attained():
    conv = SphericalConv(3, 2, degree=4).double()
    grid = conv.grid
    bound = float(conv.norm_bound().detach())
    n = 3 * grid.size
    basis = torch.eye(n, dtype=torch.float64).reshape(n, 3, grid.size)
    matrix = conv.on_coefficients(basis).reshape(n, -1).detach()
    assert float(torch.linalg.matrix_norm(matrix, ord=2)) == pytest.approx(bound, rel=1e-12)
    x = torch.randn(50, 3, *grid.shape, dtype=torch.float64)
    conv.requires_grad_(requires_grad=False)
    assert bool((grid.norm(conv(x)) <= bound * grid.norm(x) * (1 + 1e-12)).all())


def test_euclidean_claim_holds():
    conv = SphericalConv(1, 1, degree=3).double().requires_grad_(requires_grad=False)
    constant = conv.claims().claims[0].structure.constant
    n = math.prod(conv.grid.shape)
    basis = torch.eye(n, dtype=torch.float64).reshape(n, 1, *conv.grid.shape)
    assert float(torch.linalg.matrix_norm(conv(basis).reshape(n, -1), ord=2)) <= constant


def test_oversampling_reduces_the_error():
    grid = SphereGrid(6)
    found = [error(SphereActivation(ReLU(), degree=grid, oversampling=k), grid) for k in (1, 2, 4)]
    assert found[0] > 2 * found[1] > 4 * found[2]
    smooth = [error(SphereActivation(Tanh(), degree=grid, oversampling=k), grid) for k in (1, 3)]
    assert smooth[1] < 0.1 * smooth[0]


class Square(Activation):
    """x², of degree 2."""

    def forward(self, x):
        return x.square()

    def slopes(self):
        return (-math.inf, math.inf)

    def antiderivative(self, x):
        return x**3 / 3


@pytest.mark.parametrize(("factor", "exact"), [(1.0, False), (1.5, True)])
def test_polynomials_are_exact(factor, exact):
    grid = SphereGrid(5)
    found = error(SphereActivation(Square(), degree=grid, oversampling=factor), grid)
    assert (found <= 1e-12) == exact


def test_activation_is_nonexpansive():
    layer, grid = SphereActivation(ReLU(), degree=4, oversampling=1.5), SphereGrid(4)
    x, y = (torch.randn(20, 2, *grid.shape, dtype=torch.float64) for _ in range(2))
    assert bool((grid.norm(layer(x) - layer(y)) <= grid.norm(x - y)).all())


@pytest.mark.parametrize(
    "build",
    [
        lambda: SphericalConv(2, 3, degree=3),
        lambda: SphericalConv(2, 2, degree=SphereGrid(2, latitudes=4, longitudes=7)),
        lambda: SphereActivation(ReLU(), degree=3),
    ],
    ids=["conv", "conv on a finer grid", "activation"],
)
def test_lifecycle(build):
    module = build()
    check_lifecycle(build, torch.randn(2, 2, *module.grid.shape))


def test_double_is_exact():
    conv = SphericalConv(1, 1, degree=8)
    x = torch.randn(1, 1, *conv.grid.shape, dtype=torch.float64)
    with torch.no_grad():
        conv.weight.fill_(1.0)
    double = conv.double()
    assert_close(double(double(x)), double(x), size=200)


def test_grids_are_values():
    assert SphereGrid(3) == SphereGrid(3, latitudes=4)
    assert SphereGrid(3) != SphereGrid(3, latitudes=5)
    assert len({SphereGrid(2), SphereGrid(2)}) == 1
    assert repr(SphereGrid(1)) == "SphereGrid(1, latitudes=2, longitudes=3)"


@pytest.mark.parametrize(
    ("act", "kind", "words"),
    [
        (
            lambda: SphereGrid(-1),
            ValueError,
            "expected degree to be an integer of 0 or more; got -1",
        ),
        (lambda: SphereGrid(3, latitudes=3), ValueError, "at least 4 latitudes for degree 3"),
        (lambda: SphereGrid(3, longitudes=6), ValueError, "at least 7 longitudes for degree 3"),
        (lambda: SphereGrid(3).finer(0.5), ValueError, "expected a factor >= 1; got 0.5"),
        (lambda: SphereGrid(1).analysis(torch.ones(1, 1, 3, 3)), ValueError, "Expected samples"),
        (lambda: SphereGrid(1).synthesis(torch.ones(1, 1, 3)), ValueError, "batch, channels, 4"),
        (lambda: SphericalConv(0, 1, degree=1), ValueError, "in_channels"),
        (
            lambda: SphericalConv(2, 1, degree=1)(torch.ones(1, 1, 2, 3)),
            ValueError,
            "expected 2 channels on axis 1",
        ),
        (
            lambda: SphereActivation(GroupSort(), degree=1),
            ValueError,
            "expected an elementwise activation; got GroupSort",
        ),
    ],
)
def test_refusals(act, kind, words):
    with pytest.raises(kind, match=words):
        act()
