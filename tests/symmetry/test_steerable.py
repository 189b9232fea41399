"""The functions that kernels are made of: angular parts, rings, taps."""

import itertools

import pytest
import torch

from darboux.symmetry._feature import move
from darboux.symmetry._groups.cyclic import Cyclic, Dihedral
from darboux.symmetry._groups.planar import O2, SO2
from darboux.symmetry._groups.polyhedral import Icosahedral, Octahedral
from darboux.symmetry._groups.so3 import O3, SO3
from darboux.symmetry._kernels.angular import (
    fixed_vectors,
    harmonic_matrix,
    harmonics_at,
    planar_angular,
    solved_angular,
)
from darboux.symmetry._kernels.basis import kernel_basis
from darboux.symmetry._kernels.dimension import count_between, steerable_count
from darboux.symmetry._kernels.irreducible import orthonormal, steerable_kernels
from darboux.symmetry._kernels.rings import Rings, tap_permutations, taps
from darboux.symmetry._representations.decompose import intertwiners
from darboux.symmetry._representations.representation import Representation
from darboux.symmetry._representations.standard import regular, trivial

TINY = 1e-12


def equal_up_to(actual, expected, bound=TINY):
    assert actual.shape == expected.shape
    assert float((actual - expected).abs().max() if actual.numel() else 0.0) <= bound


PLANAR = [Cyclic(3), Cyclic(5), Cyclic(6), Cyclic(8), Dihedral(3), Dihedral(8), SO2(), O2()]
FREQUENCIES = [0, 1, 2, 3, 4]
SPATIAL = [SO3(), O3(), Icosahedral(), Icosahedral(reflections=True)]


@pytest.mark.parametrize("frequency", FREQUENCIES)
@pytest.mark.parametrize("group", PLANAR, ids=str)
def test_the_closed_form_spans_what_the_equations_do(group, frequency):
    for source, target in itertools.product(group.irreps(4), repeat=2):
        solved, closed = (
            orthonormal(solve(group, source, target, frequency=frequency)).flatten(1)
            for solve in (solved_angular, planar_angular)
        )
        assert len(closed) == len(planar_angular(group, source, target, frequency=frequency))
        equal_up_to(closed.T @ closed, solved.T @ solved)


@pytest.mark.parametrize("frequency", FREQUENCIES)
@pytest.mark.parametrize("group", [*PLANAR, *SPATIAL], ids=str)
def test_angular_parts_turn_with_every_element(group, frequency):
    generator = torch.Generator().manual_seed(1)
    points = torch.randn(7, group.dim, generator=generator, dtype=torch.float64)
    solve = planar_angular if group in PLANAR else solved_angular
    names = group.irreps(1 if group.order is None else None)[:5]
    for source, target in itertools.product(names[1:3], names):
        angular = solve(group, source, target, frequency=frequency)
        for g in group.sample(6, seed=2):
            moved = harmonics_at(points @ group.action(g).T, frequency)
            there = torch.einsum("cabj,jt->ctab", angular, moved)
            here = torch.einsum("cabj,jt->ctab", angular, harmonics_at(points, frequency))
            turned = group.irrep(target, g) @ here @ group.irrep(source, g).T
            equal_up_to(there, turned, 1e-11)


@pytest.mark.parametrize("frequency", FREQUENCIES)
@pytest.mark.parametrize("group", [O2(), O3()], ids=str)
def test_harmonics_turn_by_their_matrices(group, frequency):
    generator = torch.Generator().manual_seed(3)
    points = torch.randn(9, group.dim, generator=generator, dtype=torch.float64)
    for g in group.sample(8, seed=4):
        matrix = harmonic_matrix(group.action(g), frequency)
        moved = harmonics_at(points @ group.action(g).T, frequency)
        equal_up_to(moved, matrix @ harmonics_at(points, frequency), 1e-11)


@pytest.mark.parametrize("group", [SO2(), O2(), SO3(), O3()], ids=str)
def test_closed_counts_are_those_of_the_equations(group):
    for source, target in itertools.product(group.irreps(2), repeat=2):
        for frequency in range(4):
            solved = solved_angular(group, source, target, frequency=frequency)
            assert count_between(group, source, target, frequency) == len(solved)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 6, 7, 9])
def test_default_rings_are_independent_on_the_grid_in_the_plane(kernel):
    ρ, rings = trivial(Cyclic(1)), Rings.default(kernel)
    sampled = steerable_kernels(Cyclic(1), "0", "0", kernel_size=kernel, dim=2, rings=rings)
    assert (
        len(sampled)
        == steerable_count(ρ, ρ, kernel_size=kernel, dim=2)
        == kernel * (kernel + 1) / 2
    )


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_default_rings_are_independent_on_the_grid_in_space(kernel):
    rings, places = Rings.default(kernel), taps(kernel, 3)
    distances = places.norm(dim=1)
    places = torch.where(distances[:, None] > 0, places, 1.0)
    functions = [
        (profile * harmonics_at(places, frequency))
        for frequency in range(rings.largest + 1)
        for profile in rings.profiles(frequency, distances)
    ]
    rows = torch.cat(functions)
    rows = rows / rows.norm(dim=1, keepdim=True)
    values = torch.linalg.svdvals(rows)
    assert len(rows) == kernel * (kernel + 1) * (kernel + 2) / 6
    assert float(values[-1] / values[0]) > 0.05


def test_counts_before_and_after_sampling_differ_where_functions_coincide():
    """cos 2φ sees the taps on the axes alone, sin 2φ the corners: one ring has them all."""
    ρ, rings = trivial(Cyclic(1)), Rings((1.0, 1.2), (0.6, 0.6), (2, 2))
    assert steerable_count(ρ, ρ, kernel_size=3, dim=2, rings=rings) == 10
    sampled = steerable_kernels(Cyclic(1), "0", "0", kernel_size=3, dim=2, rings=rings)
    assert sampled.shape == (8, 1, 1, 9)
    equal_up_to(sampled.flatten(1) @ sampled.flatten(1).T, torch.eye(8, dtype=torch.float64))


def test_no_more_functions_than_taps_are_left():
    ρ, rings = trivial(Cyclic(1)), Rings((0.0, 1.0), (0.5, 0.5), (0, 5))
    assert steerable_count(ρ, ρ, kernel_size=3, dim=2, rings=rings) == 12
    rows = steerable_kernels(Cyclic(1), "0", "0", kernel_size=3, dim=2, rings=rings).flatten(1)
    assert len(rows) == 9
    equal_up_to(rows @ rows.T, torch.eye(9, dtype=torch.float64))


@pytest.mark.parametrize(
    ("group", "names", "kernel", "bound"),
    [
        (SO2(), ("0", "1", "2"), 3, 0.05),
        (SO2(), ("0", "1", "2"), 5, 0.05),
        (SO2(), ("0", "1", "2"), 7, 0.05),
        (SO3(), ("0", "1", "2"), 3, 0.05),
        (SO3(), ("0", "1", "2"), 5, 0.05),
    ],
    ids=str,
)
def test_responses_to_turned_waves_nearly_turn(group, names, kernel, bound):
    """Beyond the elements of the grid: waves of 5 pixels and longer, turned by any element."""
    dim = group.dim
    generator = torch.Generator().manual_seed(6)
    waves = torch.randn(200, dim, generator=generator, dtype=torch.float64)
    waves = waves / waves.norm(dim=1, keepdim=True) * (2 * torch.pi / 5)
    waves = waves * torch.rand(200, 1, generator=generator, dtype=torch.float64) ** (1 / dim)
    target = Representation(
        group, "all", names, torch.eye(sum(map(group.size, names)), dtype=torch.float64)
    )
    basis = kernel_basis(trivial(group), target, kernel_size=kernel, dim=dim).flatten(2).flatten(2)

    def response(waves):
        phases = torch.polar(torch.ones((), dtype=torch.float64), waves @ taps(kernel, dim).T)
        return torch.einsum("cat,wt->wca", basis.to(phases.dtype), phases)

    still = response(waves)
    for g in group.sample(5, seed=7):
        turned = response(waves @ group.action(g).T)
        expected = torch.einsum("ab,wcb->wca", target.matrix(g).to(still.dtype), still)
        assert float((turned - expected).norm()) < bound * float(still.norm())


def test_orthonormal_functions_are_the_nearest():
    generator = torch.Generator().manual_seed(5)
    rows = torch.randn(4, 9, generator=generator, dtype=torch.float64)
    rows = rows / rows.norm(dim=1, keepdim=True)
    left, _, right = torch.linalg.svd(rows, full_matrices=False)
    equal_up_to(orthonormal(rows), left @ right)


def test_fixed_vectors_span_what_intertwiners_do():
    group = Dihedral(4)
    matrices = [regular(group).matrix(g) for g in group.generators()]
    maps = intertwiners(matrices, matrices).flatten(1)
    both = torch.stack([torch.kron(m, m) for m in matrices])
    fixed = fixed_vectors(both)
    equal_up_to(fixed.T @ fixed, maps.T @ maps)


@pytest.mark.parametrize(
    ("group", "kernel", "dim"), [(Dihedral(4), 4, 2), (Octahedral(), 3, 3)], ids=str
)
def test_taps_are_permuted_as_images_are(group, kernel, dim):
    image = torch.arange(float(kernel**dim), dtype=torch.float64).reshape(1, 1, *[kernel] * dim)
    moved = tap_permutations(group, group.elements(), kernel_size=kernel, dim=dim)
    for g in group.elements():
        expected = torch.empty(kernel**dim, dtype=torch.float64)
        expected[moved[g]] = image.flatten()
        equal_up_to(move(group.action(g), image).flatten(), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((0.0, 1.0), (0.6,), (0, 2)), r"a radius, a width and a frequency .* got 2, 1 and 2"),
        (((-1.0,), (0.6,), (0,)), r"expected radii to be .* of 0 or more.*; got \(-1.0,\)"),
        (((1.0,), (0.0,), (0,)), r"expected widths to be .* positive .*; got \(0.0,\)"),
        (((float("nan"),), (1.0,), (0,)), r"expected radii to be .*; got \(nan,\)"),
        (((1.0,), (float("nan"),), (0,)), r"expected widths to be .*; got \(nan,\)"),
        (((1.0,), (0.6,), (-1,)), r"expected frequencies to be .*; got \(-1,\)"),
        (((1.0,), (0.6,), (10**8,)), r"a frequency from 0 to 256.*; got \(100000000,\)"),
    ],
)
def test_refuses_rings(arguments, message):
    with pytest.raises(ValueError, match=message):
        Rings(*arguments)
