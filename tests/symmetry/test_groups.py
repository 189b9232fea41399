"""Groups: axioms, actions and real irreducible representations, over all of the catalogue."""

import copy
import inspect
import itertools
import math
import pickle

import pytest
import torch

from darboux import symmetry
from darboux.symmetry._groups.cyclic import Cyclic, Dihedral
from darboux.symmetry._groups.finite import FiniteGroup, irrep_tables
from darboux.symmetry._groups.group import Group, closure
from darboux.symmetry._groups.permutations import PermutationGroup, Permutations
from darboux.symmetry._groups.planar import SO2
from darboux.symmetry._groups.polyhedral import Icosahedral, Octahedral
from darboux.symmetry._groups.so3 import O3, SO3
from darboux.symmetry._groups.subgroup import Subgroup
from darboux.symmetry._representations.decompose import intertwiners
from darboux.symmetry._representations.standard import regular
from darboux.testing import assert_close
from tests.catalogue.groups import CASES, QUATERNIONS

GROUPS = {name: make() for name, make in CASES.items()}
FINITE = {name: group for name, group in GROUPS.items() if isinstance(group, FiniteGroup)}
CONTINUOUS = {name: group for name, group in GROUPS.items() if name not in FINITE}
EXPORTED = [getattr(symmetry, name) for name in symmetry.__all__]
each_group = pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
each_finite = pytest.mark.parametrize("group", FINITE.values(), ids=FINITE)
each_continuous = pytest.mark.parametrize("group", CONTINUOUS.values(), ids=CONTINUOUS)


def character(group, name):
    return group.irrep_table(name).diagonal(dim1=1, dim2=2).sum(dim=1)


def generating(group, name):
    return [group.irrep(name, a) for a in group.generators()]


def differ(group, a, b):
    """How far two elements are from each other: by number, or by what they do to points."""
    if isinstance(group, FiniteGroup):
        return float(a != b)
    return float((group.action(a) - group.action(b)).abs().max())


@pytest.mark.parametrize(
    "kind", [k for k in EXPORTED if inspect.isclass(k) and issubclass(k, Group)]
)
def test_every_exported_class_has_an_entry(kind):
    abstract = inspect.isabstract(kind)
    listed = any(isinstance(g, kind) if abstract else type(g) is kind for g in GROUPS.values())
    assert listed, f"no case in tests.catalogue.groups builds {kind.__name__}"


@each_group
def test_axioms(group):
    sample = group.sample(6, seed=0)
    for a, b, c in itertools.product(sample, repeat=3):
        left = group.compose(group.compose(a, b), c)
        assert differ(group, left, group.compose(a, group.compose(b, c))) < 1e-14
    identity = group.grid_elements()[0]
    for a in sample:
        assert differ(group, group.compose(a, group.inverse(a)), identity) < 1e-14
        assert differ(group, group.compose(a, identity), a) < 1e-14


@each_finite
def test_products(group):
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


@each_finite
def test_generators_generate(group):
    assert len(closure(group.generators(), group.compose, 0, limit=group.order)) == group.order


@each_finite
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
    eye = torch.eye(group.dim).double()
    sample = group.sample(6, seed=0)
    for a, b in itertools.product(sample, repeat=2):
        product = group.action(group.compose(a, b))
        assert_close(group.action(a) @ group.action(b), product, size=4)
    for a in sample:
        assert group.action(a).shape == eye.shape
        assert_close(group.action(a) @ group.action(a).T, eye, size=4)
        if group.dim:
            assert differ(group, group.locate(group.action(a)), a) < 1e-14


@each_group
def test_elements_of_the_grid(group):
    grid = group.grid_elements()
    assert torch.equal(group.action(grid[0]), torch.eye(group.dim).double())
    for a in grid:
        assert torch.equal(group.action(a), group.action(a).round())


@each_group
def test_groups_are_data(group):
    for other in (copy.deepcopy(group), pickle.loads(pickle.dumps(group))):
        assert other == group
        assert hash(other) == hash(group)
    assert sum(group == other for other in GROUPS.values()) == 1


@each_finite
def test_irreps_are_orthogonal_homomorphisms(group):
    for name in group.irreps():
        table = group.irrep_table(name)
        eye = torch.eye(table.shape[1]).double().expand_as(table)
        assert float((table @ table.mT - eye).abs().max()) < 1e-13
        for a in group.generators():  # and so for all products of generators
            product = table[a] @ table
            assert float((product - table[group.products()[a]]).abs().max()) < 1e-13


@each_continuous
@pytest.mark.parametrize("degree", range(9))
def test_irreps_of_continuous_groups_are_orthogonal_homomorphisms(group, degree):
    for name in group.irreps(degree)[-2:]:
        for a, b in itertools.pairwise(group.sample(4, seed=1)):
            psi = group.irrep(name, a)
            assert float((psi @ psi.T - torch.eye(group.size(name)).double()).abs().max()) < 1e-13
            product = psi @ group.irrep(name, b)
            assert float((product - group.irrep(name, group.compose(a, b))).abs().max()) < 1e-13
            back = group.irrep(name, group.inverse(a))
            assert float((back - psi.T).abs().max()) < 1e-13


@each_continuous
def test_irreps_of_continuous_groups_are_irreducible_and_differ(group):
    for first, second in itertools.product(group.irreps(3), repeat=2):
        expected = group.commutant(first) if first == second else 0
        assert len(intertwiners(generating(group, first), generating(group, second))) == expected


@each_finite
def test_commutant(group):
    for name in group.irreps():
        matrices = generating(group, name)
        assert len(intertwiners(matrices, matrices)) == group.commutant(name)
        assert group.commutant(name) in (1, 2, 4)


@each_finite
def test_irreducibility_by_two_means(group):
    for name in group.irreps():
        values = character(group, name)
        squares = values[group.products().diagonal()]
        assert float(values.square().mean() + squares.mean()) == pytest.approx(2.0, abs=1e-9)


@each_finite
def test_characters_are_orthogonal(group):
    names = group.irreps()
    characters = torch.stack([character(group, name) for name in names])
    gram = characters @ characters.T / group.order
    expected = torch.diag(torch.tensor([float(group.commutant(name)) for name in names]).double())
    assert_close(gram, expected, size=group.order, scale=4.0)


@each_finite
def test_irreps_are_complete(group):
    names = group.irreps()
    assert sum(group.size(name) ** 2 / group.commutant(name) for name in names) == group.order
    # as many real ones as classes of elements that are conjugate to one another or inverse
    products = group.products()
    inverse = torch.tensor([group.inverse(a) for a in group.elements()])
    conjugates = products[products[inverse], torch.arange(group.order)[:, None]]
    classes = conjugates.amin(dim=0)
    assert len(torch.minimum(classes, classes[inverse]).unique()) == len(names)


@pytest.mark.parametrize("name", [name for name, group in FINITE.items() if group.order <= 24])
def test_the_regular_representation_decomposes(name):
    group = FINITE[name]
    found = regular(group)
    for irrep in group.irreps():
        assert found.content.count(irrep) == group.size(irrep) // group.commutant(irrep)
    parts = torch.stack(
        [torch.block_diag(*(group.irrep(n, g) for n in found.content)) for g in group.elements()]
    )
    assert float((found.basis @ parts @ found.basis.T - found.matrices()).abs().max()) < 1e-12


@each_group
def test_trivial_comes_first(group):
    first = group.irreps(0)[0]
    assert group.irreps(None if isinstance(group, FiniteGroup) else 3)[0] == first
    for a in group.sample(6, seed=0):
        assert torch.equal(group.irrep(first, a), torch.ones(1, 1).double())


@each_group
def test_unknown_irrep_is_refused(group):
    for ask in (group.commutant, lambda name: group.irrep(name, group.generators()[0])):
        with pytest.raises(ValueError, match="expected an irreducible representation among"):
            ask("nothing")


@each_continuous
def test_infinitely_many_irreps_are_not_listed(group):
    assert group.order is None
    with pytest.raises(ValueError, match="infinitely many irreducible representations"):
        group.irreps()


@each_finite
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
        (FINITE["even-permutations"], {"1": 1, "2": 2, "3": 1}),
        (FINITE["affine"], {"1": 1, "2": 2, "6": 2}),
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


def test_numerical_irreps_do_not_depend_on_when_they_are_found():
    group = FINITE["even-permutations"]
    first = {name: table.clone() for name, table in irrep_tables(group).items()}
    irrep_tables.cache_clear()
    torch.manual_seed(123)
    second = irrep_tables(group)
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


def test_elements_of_the_plane_are_counted():
    assert Cyclic(8).grid_elements() == (0, 2, 4, 6)
    assert len(Dihedral(12).grid_elements()) == 8
    assert len(Dihedral(3).grid_elements()) == 2
    assert math.isclose(float(Cyclic(6).action(1)[0, 0]), 0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Permutations(0), "expected n to be an integer from 1 to 5 .*; got 0"),
        (lambda: Permutations(6), "expected n to be an integer from 1 to 5 .*; got 6"),
        (lambda: Permutations(10**6), "PermutationGroup.*; got 1000000"),
        (lambda: Cyclic(10**8), "a number of rotations from 1 to 512; got 100000000"),
        (lambda: Dihedral(10**8), "a number of rotations from 1 to 512; got 100000000"),
        (lambda: SO2().irreps(10**8), "a frequency from 0 to 1024"),
        (lambda: O3().irreps(10**8), "a degree from 0 to 64"),
        (lambda: SO2().irrep("1025", 0.0), "'0', '1', .*'1024'; got '1025'"),
        (lambda: SO3().size("65"), "'0', '1', .*'64'; got '65'"),
        (lambda: SO3().size("02"), "got '02'"),
        (lambda: SO2().locate(torch.full((2, 2), torch.nan)), "Expected a rotation of the plane"),
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
