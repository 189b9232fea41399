"""One frequency an orbit: as good a bound, and one for kernels that are rounded."""

import pytest
import torch

import darboux as dx
from darboux.linear._frequencies import half_lattice, samples_for, slack
from darboux.linear._gram import GramSamples
from darboux.linear._orbits import grid_moves, representatives
from darboux.linear._spectral import kernel_bound
from darboux.symmetry import (
    SO2,
    SO3,
    Cyclic,
    Dihedral,
    EquivariantConv,
    Feature,
    Icosahedral,
    Octahedral,
)


def _conv(group, fields, target=None, *, size=3, dim=2, **options):
    source = Feature(group, fields)
    target = source if target is None else Feature(group, target)
    return EquivariantConv(source, target, kernel_size=size, dim=dim, **options)


def _product():
    conv = _conv(Cyclic(4), ["regular"], ["trivial"] * 3)
    return dx.linear.Composed(conv, dx.linear.Transposed(conv))


# name: (map, moves of the grid)
CASES = {
    "C4": (lambda: _conv(Cyclic(4), ["regular"] * 2), 4),
    "C4, to one side": (lambda: _conv(Cyclic(4), ["trivial"], ["regular", "1"]), 4),
    "C8, 5x5": (lambda: _conv(Cyclic(8), ["regular", "1"], size=5), 4),
    "C6": (lambda: _conv(Cyclic(6), ["regular"]), 2),
    "D4": (lambda: _conv(Dihedral(4), ["regular"]), 8),
    "D4, stride 2": (lambda: _conv(Dihedral(4), ["regular"], size=4, stride=2), 8),
    "SO(2)": (lambda: _conv(SO2(), ["0", "1", "2"]), 4),
    "SO(3)": (lambda: _conv(SO3(), ["0", "1"], dim=3), 24),
    "SO(3), 5x5x5": (lambda: _conv(SO3(), ["0", "1"], size=5, dim=3), 24),
    "octahedral": (lambda: _conv(Octahedral(), ["trivial", "regular"], dim=3), 24),
    "icosahedral": (lambda: _conv(Icosahedral(), ["A", "T1"], dim=3), 12),
    "skew part": (lambda: dx.linear.SkewPart(_conv(Cyclic(4), ["regular"])), 4),
    "product": (_product, 4),
}


def _representatives(linear):
    weight = linear.exact_stencil().weight if hasattr(linear, "exact_stencil") else None
    weight = linear.whole().weight if weight is None else weight
    weight = weight.detach().double()
    samples = samples_for(weight.shape[2:])
    moves = grid_moves(linear.equivariant(), linear.dim)
    return weight, samples, representatives(weight, samples, moves)


@pytest.mark.parametrize("name", CASES)
def test_one_sample_an_orbit_gives_the_bound_of_all(name):
    make, moves = CASES[name]
    linear = make()
    weight, samples, (points, error) = _representatives(linear)
    whole = len(half_lattice(samples))
    assert len(points) * moves / 2 <= 2.2 * whole  # half of the orbits are smaller
    bound, expected = float(linear.norm_bound().detach()), float(kernel_bound(weight))
    assert error <= 1e-4 * expected
    assert expected * (1 - 1.1e-4) <= bound <= expected * (1 + 2e-4)


@pytest.mark.parametrize("name", CASES)
def test_every_sample_is_below_the_bound(name):
    linear = CASES[name][0]()
    weight, samples, _ = _representatives(linear)
    gram = GramSamples(weight, samples)
    top = max(float(torch.linalg.eigvalsh(gram.at(part)).max()) for part in gram.parts(gram.all()))
    least = top**0.5 * slack(weight.shape[2:], samples)
    assert float(linear.norm_bound().detach()) >= least * (1 - 1e-13)


def _singular(weight, samples, points=None):
    """Return the largest singular value at samples."""
    gram = GramSamples(weight, samples, points)
    return float(torch.linalg.eigvalsh(gram.at(gram.all())).max()) ** 0.5


@pytest.mark.parametrize("size", [1e-8, 1e-7, 1e-5, 1e-2])
def test_what_breaks_the_symmetry_counts(size):
    conv = _conv(Dihedral(4), ["regular"] * 2)
    weight = conv.whole().weight.detach().double()
    samples, moves = samples_for((3, 3)), grid_moves(conv.equivariant(), 2)
    points, _ = representatives(weight, samples, moves)
    # The kernel is turned a little towards one whose norm is attained outside the orbits' points.
    kept = {tuple(point) for point in points.tolist()}
    other = next(p for p in half_lattice(samples).tolist() if tuple(p) not in kept)
    places = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    turns = 2 * torch.pi * (places * torch.tensor(other)).sum(1) / samples[0]
    left, _, right = torch.linalg.svd(weight.sum((2, 3)))
    rank = (left[:, :1] @ right[:1])[..., None] * turns.cos()
    weight = size * rank.reshape(16, 16, 3, 3) + 1e-3 * size * weight / weight.norm()
    weight = weight + _isotropic(conv)
    points, error = representatives(weight, samples, moves)
    assert _singular(weight, samples) <= _singular(weight, samples, points) + error
    bound, expected = kernel_bound(weight, conv.equivariant()), kernel_bound(weight)
    assert float(expected) * (1 - 1e-4) <= float(bound) <= float(expected) * (1 + 2e-4)


def _isotropic(conv):
    """Return a kernel with the same norm at all frequencies."""
    return torch.eye(16, dtype=torch.float64)[..., None, None] * torch.eye(9)[4].reshape(3, 3)


def test_what_claims_a_symmetry_that_it_lacks_gets_the_bound_of_all_samples():
    conv = _conv(Cyclic(4), ["regular"])
    weight = torch.randn_like(conv.whole().weight)
    assert torch.equal(kernel_bound(weight, conv.equivariant()), kernel_bound(weight))


def test_derivatives_are_those_without_the_symmetry():
    conv = _conv(Cyclic(4), ["regular"] * 2).double()
    (slope,) = torch.autograd.grad(conv.norm_bound(), conv.weight)
    (expected,) = torch.autograd.grad(kernel_bound(conv.whole().weight), conv.weight)
    torch.testing.assert_close(slope, expected, rtol=1e-3, atol=1e-6)


def test_a_large_map_takes_few_samples():
    conv = _conv(SO3(), [0, 1], size=5, dim=3)
    _, samples, (points, _) = _representatives(conv)
    assert len(points) <= 1330 < len(half_lattice(samples)) / 17
