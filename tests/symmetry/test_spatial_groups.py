"""Groups of space: the cube, the icosahedron, all rotations, and spherical harmonics."""

import itertools
import math

import pytest
import torch

from darboux.symmetry._groups.harmonics import sphere_quadrature, spherical_harmonics
from darboux.symmetry._groups.polyhedral import Icosahedral, Octahedral
from darboux.symmetry._groups.so3 import O3, SO3
from darboux.testing import assert_close

DEGREES = range(9)
GOLDEN = (1 + 5**0.5) / 2


def sphere(count):
    points = torch.randn(count, 3, dtype=torch.float64)
    return points / points.norm(dim=1, keepdim=True)


def character(group, name):
    return group.irrep_table(name).diagonal(dim1=1, dim2=2).sum(dim=1)


def by_class(group, name):
    """The character by (trace, angle class): {(trace, order of the element): value}."""
    found = {}
    for a in group.elements():
        power, count = a, 1
        while power:
            power, count = group.compose(power, a), count + 1
        trace = round(float(group.action(a).trace()), 6)
        found.setdefault((trace, count), set()).add(round(float(character(group, name)[a]), 9))
    return found


@pytest.mark.parametrize("reflections", [False, True])
def test_octahedral_matrices(reflections):
    group = Octahedral(reflections=reflections)
    matrices = group.faithful()
    assert len(matrices) == (48 if reflections else 24)
    assert torch.equal(matrices, matrices.round())
    assert torch.equal(matrices.abs().sum(dim=1), torch.ones(len(matrices), 3).double())
    determinants = torch.linalg.det(matrices).round()
    assert torch.equal(determinants[:24], torch.ones(24).double())
    assert torch.equal(determinants[24:], -torch.ones(len(matrices) - 24).double())
    assert group.grid_elements() == group.elements()
    assert Octahedral() != Octahedral(reflections=True)


# rows of the table of characters: identity, third, half (axes), quarter, half (diagonals)
CUBE = [(3.0, 1), (0.0, 3), (-1.0, 2), (1.0, 4)]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("A1", [{1}, {1}, {1}, {1}]),
        ("A2", [{1}, {1}, {1, -1}, {-1}]),
        ("E", [{2}, {-1}, {2, 0}, {0}]),
        ("T1", [{3}, {0}, {-1}, {1}]),
        ("T2", [{3}, {0}, {-1, 1}, {-1}]),
    ],
)
def test_characters_of_the_cube(name, values):
    assert list(map(by_class(Octahedral(), name).get, CUBE)) == values


def test_octahedral_irreps_are_harmonics():
    # degree 2 = E + T2 in the bases 2z² - x² - y², x² - y² and yz, zx, xy
    points = sphere(20)

    def quadratic(p):
        x, y, z = p.unbind(1)
        first = torch.stack([(2 * z**2 - x**2 - y**2) / 12**0.5, (x**2 - y**2) / 2], dim=1)
        return first, torch.stack([y * z, z * x, x * y], dim=1)

    group = Octahedral()
    for a in group.elements():
        for name, before, after in zip(
            ("E", "T2"), quadratic(points), quadratic(points @ group.action(a).T), strict=True
        ):
            assert_close(after, before @ group.irrep(name, a).T, size=8, scale=1.0)


@pytest.mark.parametrize("group", [Octahedral(reflections=True), Icosahedral(reflections=True)])
def test_inversion_gives_parity(group):
    half = group.order // 2
    assert torch.equal(group.action(half), -torch.eye(3).double())
    for name in group.irreps():
        sign = 1.0 if name[-1] == "g" else -1.0
        eye = torch.eye(group.size(name)).double()
        assert_close(group.irrep(name, half), sign * eye, size=5)
        for a in range(half):
            assert torch.equal(group.irrep(name, half + a), sign * group.irrep(name, a))
    assert torch.equal(group.irrep_table("T1u"), group.faithful())


def test_names_with_reflections():
    cube = "A1g A2g Eg T1g T2g A1u A2u Eu T1u T2u"
    assert Octahedral(reflections=True).irreps() == tuple(cube.split())
    assert Icosahedral().irreps() == ("A", "T1", "T2", "G", "H")
    assert Icosahedral(reflections=True).irreps(0) == ("Ag",)


def test_icosahedral_group_moves_vertices():
    group = Icosahedral()
    corners = [
        torch.tensor([0.0, s * GOLDEN, t], dtype=torch.float64).roll(k)
        for k in range(3)
        for s, t in itertools.product((1, -1), repeat=2)
    ]
    vertices = torch.stack(corners)
    for a in group.elements():
        distance = torch.cdist(vertices @ group.action(a).T, vertices)
        assert float(distance.amin(dim=1).max()) < 1e-7  # cdist takes a root of rounding
        assert len(distance.argmin(dim=1).unique()) == 12


ICOSAHEDRON = [(3.0, 1), (round(GOLDEN, 6), 5), (round(1 - GOLDEN, 6), 5), (0.0, 3), (-1.0, 2)]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("A", [1, 1, 1, 1, 1]),
        ("T1", [3, GOLDEN, 1 - GOLDEN, 0, -1]),
        ("T2", [3, 1 - GOLDEN, GOLDEN, 0, -1]),
        ("G", [4, -1, -1, 1, 0]),
        ("H", [5, 0, 0, -1, 1]),
    ],
)
def test_characters_of_the_icosahedron(name, values):
    found = by_class(Icosahedral(), name)
    for key, value in zip(ICOSAHEDRON, values, strict=True):
        assert len(found[key]) == 1
        assert found[key].pop() == pytest.approx(value, abs=1e-8)


def test_rotations_do_not_depend_on_rounding():
    matrices = Icosahedral().faithful()
    exact = torch.tensor([0.0, 1.0, 0.5, GOLDEN / 2, (GOLDEN - 1) / 2], dtype=torch.float64)
    distance = (matrices.abs().flatten()[:, None] - exact).abs().amin(dim=1)
    assert float(distance.max()) < 2e-16
    assert len(Icosahedral().grid_elements()) == 12


@pytest.mark.parametrize("degree", DEGREES)
def test_harmonics_are_orthonormal(degree):
    points, weights = sphere_quadrature(2 * degree)
    values = spherical_harmonics(degree, points)
    gram = values.T @ (weights[:, None] * values)
    assert_close(gram, torch.eye(2 * degree + 1).double(), size=len(points), c=1.0)
    lower = spherical_harmonics(max(degree - 1, 0), points)
    if degree:
        cross = values.T @ (weights[:, None] * lower)
        assert_close(cross, torch.zeros_like(cross), size=len(points), scale=1.0, c=1.0)


@pytest.mark.parametrize("degree", DEGREES)
def test_harmonics_add_up(degree):
    # the addition theorem: they span the harmonic polynomials of this degree and nothing else
    x, y = sphere(9), sphere(9)
    mutual = (spherical_harmonics(degree, x) * spherical_harmonics(degree, y)).sum(dim=1)
    legendre = torch.special.legendre_polynomial_p((x * y).sum(dim=1), torch.tensor(degree))
    assert_close(mutual, (2 * degree + 1) / (4 * math.pi) * legendre, size=50, scale=1.0)


def test_first_harmonics_are_the_point():
    points = sphere(5)
    assert_close(spherical_harmonics(1, points), (3 / (4 * math.pi)) ** 0.5 * points, size=4)


@pytest.mark.parametrize("degree", [0, 1, 4, 9])
def test_quadrature_integrates_monomials(degree):
    points, weights = sphere_quadrature(degree)
    assert bool((weights > 0).all())
    for powers in itertools.product(range(degree + 1), repeat=3):
        if sum(powers) > degree:
            continue
        value = (weights * (points ** torch.tensor(powers)).prod(dim=1)).sum()
        exact = 0.0
        if all(power % 2 == 0 for power in powers):
            gammas = math.prod(math.gamma((power + 1) / 2) for power in powers)
            exact = 2 * gammas / math.gamma((sum(powers) + 3) / 2)
        assert abs(float(value) - exact) < 1e-13 * max(1, len(points))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, torch.eye(3)), "expected degree to be a degree from 0 to 256; got -1"),
        ((1, torch.eye(2)), r"expected real points \(count, 3\); got a tensor of shape \(2, 2\)"),
        ((1, 2 * torch.eye(3)), "expected unit vectors; got norms that are off by 1"),
    ],
)
def test_harmonics_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        spherical_harmonics(*arguments)


@pytest.mark.parametrize("degree", range(12))
def test_rotations_move_harmonics(degree):
    group, points = SO3(), sphere(7)
    for a in group.sample(3, seed=degree):
        psi = group.irrep(str(degree), a)
        moved = spherical_harmonics(degree, points @ a.T)
        expected = spherical_harmonics(degree, points) @ psi.T
        assert float((moved - expected).abs().max()) < 1e-13


def test_parity():
    group, minus = O3(), -torch.eye(3).double()
    for name in group.irreps(4):
        sign = 1.0 if name[-1] == "e" else -1.0
        expected = sign * torch.eye(group.size(name)).double()
        assert_close(group.irrep(name, minus), expected, size=30)
    a = group.sample(2, seed=0)[1]
    assert float(torch.linalg.det(a)) < 0
    assert_close(group.irrep("1o", a), a, size=3)
    assert_close(group.irrep("1e", a), -a, size=3)
    assert group.irreps(0)[0] == "0e"


@pytest.mark.parametrize(
    ("group", "cube"), [(SO3(), Octahedral()), (O3(), Octahedral(reflections=True))]
)
def test_elements_of_the_grid(group, cube):
    found = group.grid_elements()
    assert torch.equal(torch.stack(found), cube.faithful())
    assert torch.equal(found[0], torch.eye(3).double())


@pytest.mark.parametrize("group", [SO3(), O3()], ids=repr)
def test_samples_are_uniform(group):
    # over the group ρ(g) has mean 0 and ρ(g) ⊗ ρ(g) has the mean of its invariants, I/3
    count = 20000
    matrices = torch.stack(group.sample(count, seed=0))
    noise = 5 / count**0.5
    assert float(matrices.mean(dim=0).abs().max()) < noise
    second = torch.einsum("gij,gkl->ijkl", matrices, matrices) / count
    eye = torch.eye(3).double()
    assert float((second - torch.einsum("ik,jl->ijkl", eye, eye) / 3).abs().max()) < noise
    positive = (torch.linalg.det(matrices) > 0).sum()
    assert int(positive) == (count if group == SO3() else count // 2)


def test_locating():
    turn = SO3().sample(1, seed=3)[0]
    assert torch.equal(SO3().locate(turn), turn)
    assert torch.equal(O3().locate(-turn), -turn)
    with pytest.raises(ValueError, match="Expected a rotation of space; got the reflection"):
        SO3().locate(-turn)
    for group in (SO3(), O3()):
        with pytest.raises(ValueError, match="of space; got"):
            group.locate(2 * turn)
        with pytest.raises(ValueError, match="of space; got"):
            group.locate(torch.eye(2))


@pytest.mark.parametrize("group", [SO3(), O3()], ids=repr)
def test_unknown_names_are_refused(group):
    for name in ("", "x", "-1", "1f", "e"):
        with pytest.raises(ValueError, match="expected an irreducible representation among"):
            group.irrep(name, torch.eye(3).double())
        with pytest.raises(ValueError, match="expected an irreducible representation among"):
            group.commutant(name)
