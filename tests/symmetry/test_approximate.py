"""Bounds of the equivariance error off the grid are bounds, and sharp."""

import math
from itertools import pairwise

import pytest
import torch

from darboux.linear import Conv, Dense
from darboux.linear._stencil import Stencil
from darboux.structure import Kind, Lipschitz
from darboux.structure._near_equivariance import NearlyEquivariant
from darboux.symmetry._equivariance_error import commutator, equivariance_error, stencil_of
from darboux.symmetry._exponential_sum import (
    ExponentialSum,
    ball_samples,
    evaluate,
    largest_singular_value,
)
from darboux.symmetry._feature import Feature
from darboux.symmetry._groups.cyclic import Cyclic, Dihedral
from darboux.symmetry._groups.planar import O2, SO2
from darboux.symmetry._groups.polyhedral import Octahedral
from darboux.symmetry._layers.equivariant_conv import EquivariantConv
from darboux.symmetry._worst_error import near_claim, worst_equivariance_error
from darboux.testing import tolerance


def plain(group, source, target, *, kernel=5, dim=2):
    """Return an ordinary convolution between some features."""
    source, target = Feature(group, source), Feature(group, target)
    return (
        Conv(source.channels, target.channels, kernel_size=kernel, dim=dim).double(),
        source,
        target,
    )


def steerable(group, source, target, *, kernel=5, dim=2):
    source, target = Feature(group, source), Feature(group, target)
    return EquivariantConv(source, target, kernel_size=kernel, dim=dim).double(), source, target


def in_ball(count, dim, band):
    """Return random frequencies, half of them of the largest size."""
    x = torch.randn(count, dim, dtype=torch.float64)
    x = x / x.norm(dim=1, keepdim=True)
    radius = torch.rand(count, 1, dtype=torch.float64) ** (1 / dim)
    radius[::2] = 1.0
    return band * radius * x


def brute(conv, source, target, g, band, count=20000):
    """Return the largest error over random frequencies, from the definition."""
    stencil = conv if isinstance(conv, Stencil) else conv.stencil()
    offsets = (
        torch.cartesian_prod(
            *(torch.arange(k) + o for k, o in zip(stencil.kernel_size, stencil.origin, strict=True))
        )
        .double()
        .reshape(-1, stencil.dim)
    )
    kernel = stencil.weight.detach().flatten(2).movedim(2, 0)
    matrix = source.group.action(g)
    xi = in_ball(count, stencil.dim, band)
    there = evaluate(offsets, kernel, xi @ matrix.T) @ source.matrix(g).to(torch.complex128)
    here = target.matrix(g).to(torch.complex128) @ evaluate(offsets, kernel, xi)
    return float(torch.linalg.matrix_norm(there - here, ord=2).max())


CASES = {
    "C8 trivial -> regular": (Cyclic(8), ["trivial"], ["regular"], 1),
    "C16 1 -> 3": (Cyclic(16), ["1"], ["3", "trivial"], 3),
    "SO2 1 -> 2": (SO2(), ["1"], ["2", "trivial"], 0.3),
    "O2 0- -> 1": (O2(), ["0-"], ["1"], (0.7, True)),
    "D8 2 -> regular": (Dihedral(8), ["trivial"], ["regular"], 3),
}


@pytest.mark.parametrize("band", [0.4, 1.5, 3.0])
@pytest.mark.parametrize("make", [plain, steerable])
@pytest.mark.parametrize("case", CASES)
def test_bounds(case, make, band):
    group, source, target, g = CASES[case]
    conv, source, target = make(group, source, target)
    found = equivariance_error(conv, source, target, g, band=band)
    reached = brute(conv, source, target, g, band)
    assert 0 < found.lower <= found.upper <= 1.1 * found.lower
    assert 0.98 * found.lower <= reached <= found.upper


@pytest.mark.parametrize("dim", [1, 3])
def test_other_dimensions(dim):
    group = Octahedral() if dim == 3 else Cyclic(1)
    if dim == 3:
        conv, source, target = plain(group, ["trivial"], ["trivial"], kernel=3, dim=3)
        g = next(g for g in group.grid_elements() if g != 0)
        found = equivariance_error(conv, source, target, g, band=1.0)
        assert found.lower <= found.upper <= 1.1 * found.lower
        assert 0.95 * found.lower <= brute(conv, source, target, g, 1.0) <= found.upper
    else:
        points = torch.tensor([[-1.0], [0.0], [2.0]], dtype=torch.float64)
        matrices = torch.randn(3, 2, 4, dtype=torch.float64)
        found = ExponentialSum(points, matrices).supremum(band=2.0)
        reached = largest_singular_value(points, matrices, in_ball(20000, 1, 2.0))
        assert 0.99 * found.lower <= reached <= found.upper <= 1.1 * found.lower


@pytest.mark.parametrize("case", CASES)
def test_commutator_acts_as_defined(case):
    """A π(g) f - π'(g) A f of a wave, computed in space at one point."""
    group, source, target, g = CASES[case]
    conv, source, target = plain(group, source, target)
    xi, v = in_ball(1, 2, 1.0)[0], torch.randn(source.channels, dtype=torch.complex128)
    matrix, stencil = group.action(g), conv.stencil()
    axis = torch.arange(-2, 3).double()
    taps = torch.cartesian_prod(axis, axis)
    p = torch.randn(2, dtype=torch.float64)

    def f(q):  # (count, 2) -> (count, in)
        return torch.exp(1j * (q @ xi))[:, None] * v

    def moved(q):  # ρ(g) f(M⁻¹ q), M orthogonal
        return f(q @ matrix) @ source.matrix(g).T.to(v)

    kernel = stencil.weight.detach().flatten(2).to(v)
    first = torch.einsum("oit,ti->o", kernel, moved(p + taps))
    back = matrix.T @ p
    second = target.matrix(g).to(v) @ torch.einsum("oit,ti->o", kernel, f(back + taps))
    sum_ = commutator(stencil_of(conv), source, target, g)
    value = evaluate(sum_.points, sum_.matrices, xi[None])[0]
    wave = torch.exp(1j * ((matrix @ xi) @ p))
    torch.testing.assert_close(value @ v * wave, first - second, rtol=1e-12, atol=1e-12)


def test_translations_are_not_bounded_away():
    """The error of L² functions is that of waves: a wave packet comes close to it."""
    conv, source, target = plain(Cyclic(8), ["trivial"], ["trivial"], kernel=3)
    g, band = 1, 1.0
    matrix, kernel = source.group.action(g), conv.stencil().weight.detach()[0, 0].flatten()
    axis = torch.arange(-1, 2).double()
    taps = torch.cartesian_prod(axis, axis)
    sum_ = commutator(stencil_of(conv), source, target, g)
    xi = in_ball(4000, 2, 0.8)
    size = torch.linalg.matrix_norm(evaluate(sum_.points, sum_.matrices, xi), ord=2)
    top = xi[size.argmax()]
    grid = torch.cartesian_prod(*(torch.arange(-60, 60, dtype=torch.float64),) * 2)

    def f(q):  # a wide packet, its frequencies in the band up to e⁻²⁰
        return torch.exp(-(q**2).sum(-1) / 2 / 20**2) * (q @ top).cos()

    difference = sum(
        k * (f((grid + t) @ matrix) - f(grid @ matrix + t))
        for k, t in zip(kernel, taps, strict=True)
    )
    ratio = float(difference.norm() / f(grid).norm())
    found = equivariance_error(conv, source, target, g, band=band)
    assert ratio <= found.upper
    assert ratio >= 0.9 * float(size.max())


@pytest.mark.parametrize("case", CASES)
def test_elements_of_the_grid(case):
    group, source, target, _ = CASES[case]
    conv, source, target = steerable(group, source, target)
    for g in group.grid_elements():
        found = equivariance_error(conv, source, target, g, band=math.pi)
        assert found.upper <= tolerance(torch.float64, 25 * source.channels, c=16)


def test_worst_of_a_finite_group():
    conv, source, target = steerable(Cyclic(16), ["trivial"], ["1"])
    every = [equivariance_error(conv, source, target, g, band=1.5) for g in range(16)]
    worst = worst_equivariance_error(conv, source, target, band=1.5)
    assert max(e.lower for e in every) <= worst.upper
    assert worst.lower == pytest.approx(max(e.lower for e in every), rel=0.02)
    assert worst.upper <= 1.1 * worst.lower


@pytest.mark.parametrize("make", [plain, steerable])
@pytest.mark.parametrize("group", [SO2(), O2()], ids=str)
def test_worst_of_all_angles(group, make):
    fields = (["trivial"], ["1"]) if isinstance(group, SO2) else (["0+"], ["1"])
    conv, source, target = make(group, *fields)
    worst = worst_equivariance_error(conv, source, target, band=1.2)
    every = [brute(conv, source, target, g, 1.2, count=500) for g in group.sample(60, seed=1)]
    assert max(every) <= worst.upper <= 1.12 * worst.lower
    assert max(every) >= 0.93 * worst.lower


def test_worst_of_a_map_that_commutes():
    conv, source, target = steerable(SO2(), ["1"], ["1"], kernel=1)
    worst = worst_equivariance_error(conv, source, target, band=1.0)
    assert worst.upper <= 1e-13


def test_error_grows_with_the_band():
    conv, source, target = steerable(Cyclic(8), ["trivial"], ["regular"])
    bands = [0.25, 0.5, 1.0, 2.0]
    found = [worst_equivariance_error(conv, source, target, band=band) for band in bands]
    assert all(a.lower < b.lower for a, b in pairwise(found))


def test_many_channels():
    conv, source, target = plain(Cyclic(8), ["regular"] * 8, ["regular"] * 8)
    found = equivariance_error(conv, source, target, 1, band=1.0)
    assert 0.9 * found.lower <= brute(conv, source, target, 1, 1.0, count=300) <= found.upper


def test_samples_lie_in_the_ball():
    for dim in (1, 2, 3):
        size = ball_samples(dim, 12).norm(dim=1)
        assert float(size.max()) == pytest.approx(1.0, abs=1e-15)


def test_claim():
    conv, source, target = steerable(Cyclic(8), ["trivial"], ["regular"])
    claim = near_claim(conv, band=1.0)
    assert claim == near_claim(conv, source, target, band=1.0)
    assert claim.kind is Kind.BOUND
    assert claim.structure.gain <= 1.1 * float(conv.norm_bound().detach())
    assert claim.structure.error <= 2 * claim.structure.gain


def test_structure_composes():
    near = NearlyEquivariant(SO2(), band=1.0, error=0.1, gain=2.0)
    wide = NearlyEquivariant(SO2(), band=2.0, error=0.3, gain=0.5)
    both = wide.after(near)
    assert (both.band, both.error, both.gain) == (1.0, 0.3 * 2 + 0.5 * 0.1, 1.0)
    assert NearlyEquivariant(Cyclic(8)).after(near) is None
    scalar = Feature(SO2(), ["trivial"])
    assert NearlyEquivariant(SO2(), scalar).after(near) is None


def test_structure_implies():
    near = NearlyEquivariant(SO2(), band=1.0, error=0.1, gain=2.0)
    assert near.at_least(NearlyEquivariant(SO2(), band=0.5, error=0.2, gain=3.0))
    assert not near.at_least(NearlyEquivariant(SO2(), band=1.5, error=0.2, gain=3.0))
    assert not near.at_least(NearlyEquivariant(SO2(), band=0.5, error=0.05, gain=3.0))
    assert not near.at_least(NearlyEquivariant(Cyclic(8), band=0.5, error=0.2, gain=3.0))
    assert not near.at_least(Lipschitz(1.0))
    assert "<= 0.1 ‖f‖, g in SO(2), frequencies <= 1" in near.describe()


@pytest.mark.parametrize("numbers", [{"band": 0.0}, {"error": -1.0}, {"gain": math.nan}])
def test_structure_refuses(numbers):
    with pytest.raises(ValueError, match=r"expected (band|error|gain) to be a number "):
        NearlyEquivariant(SO2(), **numbers)


def test_refusals():
    conv, source, target = steerable(Cyclic(8), ["trivial"], ["regular"])
    with pytest.raises(ValueError, match="Expected a map 8 -> 1 channels"):
        equivariance_error(conv, target, source, 1, band=1.0)
    with pytest.raises(ValueError, match=r"expected band to be .* above 0, .*; got 0\.0"):
        equivariance_error(conv, source, target, 1, band=0.0)
    with pytest.raises(ValueError, match="of one group; got C8 and C4"):
        equivariance_error(conv, source, Feature(Cyclic(4), ["trivial"] * 8), 1, band=1.0)
    with pytest.raises(TypeError, match="to be a Stencil or a StencilMap; got a ReLU"):
        equivariance_error(torch.nn.ReLU(), source, target, 1, band=1.0)
    with pytest.raises(ValueError, match="got a dense map"):
        near_claim(Dense(1, 8), source, target)
    with pytest.raises(TypeError, match="Expected a map that knows its types; got Conv"):
        near_claim(Conv(1, 8, kernel_size=3, dim=2))
    line = Conv(1, 8, kernel_size=3, dim=1)
    with pytest.raises(ValueError, match="Expected 2 spatial axes, on which C8 acts"):
        equivariance_error(line, source, target, 1, band=1.0)


def test_refuses_other_continuous_groups():
    from darboux.symmetry._groups.so3 import SO3

    scalar = Feature(SO3(), ["trivial"])
    with pytest.raises(TypeError, match=r"Expected a finite group, SO2\(\) or O2\(\)"):
        worst_equivariance_error(Conv(1, 1, kernel_size=3, dim=3), scalar, scalar, band=1.0)
