"""Finite groups: axioms, actions and real irreducible representations, up to order 120."""

import copy
import itertools
import math
import pickle

import pytest
import torch

from darboux.symmetry._groups import O2, SO2, Cyclic, Dihedral
from darboux.symmetry._groups.finite import irrep_tables
from darboux.symmetry._groups.icosahedral import Icosahedral
from darboux.symmetry._groups.octahedral import Octahedral, closure
from darboux.symmetry._groups.permutations import PermutationGroup, Permutations
from darboux.symmetry._groups.subgroup import Subgroup
from darboux.symmetry._representations import intertwiners
from darboux.testing import assert_close

QUATERNIONS = PermutationGroup(((2, 3, 1, 0, 6, 7, 5, 4), (4, 5, 7, 6, 1, 0, 2, 3)))
SMALL = PermutationGroup(((1, 2, 0, 3), (1, 0, 3, 2)))  # even permutations of four things
AFFINE = PermutationGroup(((1, 2, 3, 4, 5, 6, 0), (0, 2, 4, 6, 1, 3, 5)))  # order 21, complex type
MIXED = PermutationGroup(((1, 2, 3, 4, 0, 5, 6, 7, 8), (0, 1, 2, 3, 4, 6, 7, 8, 5)))  # C5 x C4

GROUPS = [
    *(Cyclic(n) for n in (1, 2, 3, 4, 5, 8, 12, 120)),
    *(Dihedral(n) for n in (1, 2, 3, 4, 5, 6, 60)),
    Octahedral(),
    Octahedral(reflections=True),
    Icosahedral(),
    Icosahedral(reflections=True),
    *(Permutations(n) for n in (1, 2, 3, 4, 5)),
    QUATERNIONS,
    SMALL,
    AFFINE,
    MIXED,
    Subgroup(Octahedral(), ()),
    Subgroup(Octahedral(), (1,)),
    Subgroup(Octahedral(reflections=True), (2, 24)),
    Subgroup(Icosahedral(), (1,)),
    Subgroup(QUATERNIONS, (1, 2)),
]
CASES = [(group, name) for group in GROUPS for name in group.irreps()]
each_group = pytest.mark.parametrize("group", GROUPS, ids=repr)
each_irrep = pytest.mark.parametrize(("group", "name"), CASES, ids=str)


def character(group, name):
    return group.irrep_table(name).diagonal(dim1=1, dim2=2).sum(dim=1)


@each_group
def test_axioms(group):
    products = group.products()
    everything = torch.arange(group.order)
    assert products.shape == (group.order, group.order)
    assert torch.equal(products[0], everything)
    assert torch.equal(products[:, 0], everything)
    assert torch.equal(products.sort(dim=1).values, everything.expand_as(products))
    # (a b) c = a (b c) for generators a, which is enough
    for a in group.generators():
        assert torch.equal(products[products[a]], products[a][products])
    for a in group.elements():
        assert group.compose(a, group.inverse(a)) == 0


@each_group
def test_generators_generate(group):
    assert len(closure(group.generators(), group.compose, 0, limit=group.order)) == group.order


@each_group
def test_faithful_matrices(group):
    matrices = group.faithful()
    eye = torch.eye(matrices.shape[1]).double().expand_as(matrices)
    assert_close(matrices @ matrices.mT, eye, size=8, what="orthogonality")
    for a in group.generators():
        product = matrices[a] @ matrices
        assert_close(product, matrices[group.products()[a]], size=8, what="ρ(a) ρ(b) = ρ(ab)")
    assert [group.locate(matrix) for matrix in matrices] == list(group.elements())


@each_group
def test_elements_move_points(group):
    assert group.action(0).shape == (group.dim, group.dim)
    if group.dim:
        assert torch.equal(group.action(0), torch.eye(group.dim).double())
    grid = group.grid_elements()
    assert grid[0] == 0
    for a in grid:
        assert torch.equal(group.action(a), group.action(a).round())


@each_group
def test_groups_are_data(group):
    for other in (copy.deepcopy(group), pickle.loads(pickle.dumps(group))):
        assert other == group
        assert hash(other) == hash(group)
    assert sum(group == other for other in GROUPS) == 1


@each_irrep
def test_irreps_are_orthogonal_homomorphisms(group, name):
    table = group.irrep_table(name)
    eye = torch.eye(table.shape[1]).double().expand_as(table)
    assert float((table @ table.mT - eye).abs().max()) < 1e-13
    for a in group.elements():
        product = table[a] @ table
        assert float((product - table[group.products()[a]]).abs().max()) < 1e-13


@each_irrep
def test_commutant(group, name):
    matrices = [group.irrep(name, a) for a in group.generators()]
    assert len(intertwiners(matrices, matrices)) == group.commutant(name)
    assert group.commutant(name) in (1, 2, 4)


@each_group
def test_characters_are_orthogonal(group):
    names = group.irreps()
    characters = torch.stack([character(group, name) for name in names])
    gram = characters @ characters.T / group.order
    expected = torch.diag(torch.tensor([float(group.commutant(name)) for name in names]).double())
    assert_close(gram, expected, size=group.order, scale=4.0)


@each_group
def test_irreps_are_complete(group):
    names = group.irreps()
    assert sum(group.size(name) ** 2 / group.commutant(name) for name in names) == group.order
    # as many real ones as classes of elements that are conjugate to one another or inverse
    products = group.products()
    inverse = torch.tensor([group.inverse(a) for a in group.elements()])
    conjugates = products[products[inverse], torch.arange(group.order)[:, None]]
    classes = conjugates.amin(dim=0)
    assert len(torch.minimum(classes, classes[inverse]).unique()) == len(names)


@each_group
def test_trivial_comes_first(group):
    first = group.irreps()[0]
    assert group.irreps(0)[0] == first
    assert torch.equal(group.irrep_table(first), torch.ones(group.order, 1, 1).double())


@each_group
def test_unknown_irrep_is_refused(group):
    with pytest.raises(ValueError, match="expected an irreducible representation among"):
        group.irrep_table("nothing")


@each_group
def test_sample(group):
    assert group.sample(group.order, seed=0) == group.elements()
    few = group.sample(3, seed=1)
    assert len(set(few)) == min(3, group.order)
    assert few == group.sample(3, seed=1)


@pytest.mark.parametrize(
    ("group", "types"),
    [
        (QUATERNIONS, {"1": 1, "1b": 1, "1c": 1, "1d": 1, "4": 4}),
        (PermutationGroup(((1, 2, 0),)), {"1": 1, "2": 2}),
        (SMALL, {"1": 1, "2": 2, "3": 1}),
        (AFFINE, {"1": 1, "2": 2, "6": 2}),
        (Permutations(4), {"1": 1, "1b": 1, "2": 1, "3": 1, "3b": 1}),
    ],
    ids=["Q8", "C3", "A4", "7:3", "S4"],
)
def test_types_of_numerical_irreps(group, types):
    assert {name: group.commutant(name) for name in group.irreps()} == types


@pytest.mark.parametrize("reflections", [False, True])
def test_numerical_irreps_are_the_closed_ones(reflections):
    for group in (Octahedral(reflections=reflections), Icosahedral(reflections=reflections)):
        tables = irrep_tables(group)
        closed = sorted(
            character(group, name).round(decimals=9).tolist() for name in group.irreps()
        )
        found = [
            t.diagonal(dim1=1, dim2=2).sum(dim=1).round(decimals=9) + 0.0 for t in tables.values()
        ]
        for ours, theirs in zip(sorted(f.tolist() for f in found), closed, strict=True):
            assert ours == pytest.approx(theirs, abs=1e-8)


@pytest.mark.parametrize(
    "group", [Cyclic(120), Dihedral(60), Icosahedral(reflections=True)], ids=repr
)
def test_numerical_irreps_are_exact(group):
    products = group.products()
    for table in irrep_tables(group).values():
        assert float((table[:, None] @ table - table[products]).abs().max()) < 1e-13
        eye = torch.eye(table.shape[1]).double()
        assert float((table @ table.mT - eye).abs().max()) < 1e-13


def test_more_names_than_letters():
    cycles = [
        tuple(3 * k + (i + 1) % 3 if 3 * k <= i < 3 * k + 3 else i for i in range(12))
        for k in range(4)
    ]
    names = PermutationGroup(tuple(cycles)).irreps()  # C3⁴: 81 elements, 40 planes
    assert len(names) == len(set(names)) == 41
    assert names[:3] == ("1", "2", "2b")
    assert names[26:29] == ("2z", "2aa", "2ab")


def test_close_eigenvalues_are_not_taken_for_one(monkeypatch):
    # eigenvalues nearer than this count as one: all of them, then none
    group = PermutationGroup(((1, 0, 2, 3), (0, 1, 3, 2)))
    irrep_tables.cache_clear()
    monkeypatch.setattr("darboux.symmetry._groups.finite._APART", 1e3)
    with pytest.raises(ArithmeticError, match="Expected clear eigenvalues"):
        irrep_tables(group)
    # the first random numbers make a plane of two one-dimensional parts; later ones do not
    monkeypatch.setattr("darboux.symmetry._groups.finite._APART", 0.8)
    assert list(irrep_tables(group)) == ["1", "1b", "1c", "1d"]
    irrep_tables.cache_clear()


@each_irrep
def test_irreducibility_by_two_means(group, name):
    values = character(group, name)
    squares = values[group.products().diagonal()]
    assert float(values.square().mean() + squares.mean()) == pytest.approx(2.0, abs=1e-9)


def test_numerical_irreps_do_not_depend_on_when_they_are_found():
    first = {name: table.clone() for name, table in irrep_tables(SMALL).items()}
    irrep_tables.cache_clear()
    torch.manual_seed(123)
    second = irrep_tables(SMALL)
    assert list(first) == list(second)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_permutations_act_as_functions():
    group = Permutations(4)
    listed = group.listed()
    assert listed == tuple(itertools.permutations(range(4)))
    a, b = 5, 17
    assert listed[group.compose(a, b)] == tuple(listed[a][i] for i in listed[b])
    values = torch.randn(4).double()
    moved = group.faithful()[a] @ values
    assert all(float(moved[listed[a][i]]) == float(values[i]) for i in range(4))


def test_subgroup_keeps_the_matrices():
    parent = Octahedral(reflections=True)
    subgroup = Subgroup(parent, (1, 24))
    assert subgroup.order == 8
    assert subgroup.dim == 3
    assert torch.equal(subgroup.faithful(), parent.faithful()[list(subgroup.members())])
    assert Subgroup(Permutations(3), (1,)).dim == 0


@pytest.mark.parametrize("group", [SO2(), O2()], ids=repr)
def test_continuous_groups_of_the_plane(group):
    samples = group.sample(6, seed=0)
    for a, b in itertools.product(samples, repeat=2):
        product = group.compose(a, b)
        assert_close(group.action(a) @ group.action(b), group.action(product), size=2)
        for name in group.irreps(5):
            psi = group.irrep(name, a) @ group.irrep(name, b)
            assert_close(psi, group.irrep(name, product), size=32)
        located = group.locate(group.action(a))
        assert_close(group.action(located), group.action(a), size=2)
    assert torch.allclose(group.action(group.grid_elements()[0]), torch.eye(2).double())
    assert all(
        bool((group.action(a) == group.action(a).round()).all()) for a in group.grid_elements()
    )


def test_elements_of_the_plane_are_counted():
    assert Cyclic(8).grid_elements() == (0, 2, 4, 6)
    assert len(Dihedral(12).grid_elements()) == 8
    assert len(Dihedral(3).grid_elements()) == 2
    assert math.isclose(float(Cyclic(6).action(1)[0, 0]), 0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Permutations(0), "expected a number of things n >= 1; got 0"),
        (lambda: Permutations(n=True), "expected a number of things n >= 1; got True"),
        (lambda: Permutations(6), "expected n <= 5; got 6, a group of 720 elements"),
        (lambda: Permutations(10**6), "got 1000000, a group of 1000000! elements"),
        (lambda: PermutationGroup(()), "expected at least one permutation; got none"),
        (lambda: PermutationGroup(((),)), "expected permutations of"),
        (lambda: PermutationGroup(((0, 0),)), r"each number once; got \(0, 0\)"),
        (lambda: PermutationGroup(((1, 0), (0, 1, 2))), r"got \(0, 1, 2\)"),
        (
            lambda: PermutationGroup(((1, 0, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5, 6, 0))),
            "expected generators of a group of at most 1000 elements",
        ),
        (lambda: Subgroup(Octahedral(), (24,)), "numbers from 0 to 23; got 24"),
        (lambda: Octahedral().locate(torch.eye(3) / 2), "Expected the matrix of an element of O"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_reflections_are_named():
    for make in (Octahedral, Icosahedral):
        with pytest.raises(TypeError, match="positional"):
            make(*[True])
