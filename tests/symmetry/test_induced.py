"""Representations on functions over cosets, induced ones, and permutations of channels."""

import pytest
import torch

from darboux.symmetry._groups.cyclic import Cyclic, Dihedral
from darboux.symmetry._groups.permutations import PermutationGroup, Permutations
from darboux.symmetry._groups.planar import SO2
from darboux.symmetry._groups.polyhedral import Octahedral
from darboux.symmetry._groups.so3 import SO3
from darboux.symmetry._groups.subgroup import Subgroup
from darboux.symmetry._representations.cosets import cosets, subgroup_elements
from darboux.symmetry._representations.decompose import intertwiners
from darboux.symmetry._representations.induced import induced, permutation_representation, quotient
from darboux.symmetry._representations.standard import irreducible, regular, restrict, trivial
from darboux.testing import assert_close

QUATERNIONS = PermutationGroup(((2, 3, 1, 0, 6, 7, 5, 4), (4, 5, 7, 6, 1, 0, 2, 3)))
CUBE = Octahedral()
FINITE = [Cyclic(1), Cyclic(8), Dihedral(4), CUBE, Permutations(4), QUATERNIONS]


def check(representation):
    """An orthogonal homomorphism whose parts are where `content` and `basis` say."""
    group, table = representation.group, representation.matrices()
    for g in group.elements():
        parts = torch.block_diag(*(group.irrep(name, g) for name in representation.content))
        formula = representation.basis @ parts @ representation.basis.T
        assert float((table[g] - formula).abs().max()) < 1e-12
        assert float((table[g] @ table - table[group.products()[g]]).abs().max()) < 1e-12


def count(content):
    return {name: content.count(name) for name in content}


def generating(representation):
    return [representation.matrix(g) for g in representation.group.generators()]


def hom(first, second):
    """The dimension of the space of intertwiners."""
    return len(intertwiners(generating(first), generating(second)))


@pytest.mark.parametrize("group", FINITE, ids=repr)
def test_extreme_quotients(group):
    first = quotient(group, [0])
    assert first == regular(group)
    last = quotient(group, group)
    assert last == trivial(group)
    check(first)


def test_quotients_of_the_cube():
    vertices, faces = Subgroup(CUBE, (2,)), Subgroup(CUBE, (1,))
    assert sorted(quotient(CUBE, vertices).content) == ["A1", "A2", "T1", "T2"]
    assert sorted(quotient(CUBE, faces).content) == ["A1", "E", "T1"]
    for subgroup in (vertices, faces):
        rep = quotient(CUBE, subgroup)
        assert rep.permutes
        check(rep)
        assert rep == quotient(CUBE, subgroup.members())


def test_cosets():
    group = Permutations(4)
    members = subgroup_elements(group, [0, 1])
    found = cosets(group, members)
    assert found.representatives[0] == 0
    for g in group.elements():
        r = found.representatives[int(found.coset[g])]
        assert group.compose(r, members[int(found.remainder[g])]) == g
        assert r <= g


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: quotient(CUBE, [0, 1]), r"closed under products and none twice; got \[0, 1\]"),
        (lambda: quotient(CUBE, []), "Expected the elements of a subgroup"),
        (lambda: quotient(CUBE, [0, 0]), r"got \[0, 0\]"),
        (lambda: quotient(CUBE, [0, 99]), r"got \[0, 99\]"),
        (lambda: quotient(Cyclic(6), Cyclic(4)), "Expected a subgroup of C6; got C4"),
        (
            lambda: induced(Cyclic(6), Cyclic(2), trivial(Cyclic(3))),
            "expected a representation of the subgroup, C2; got",
        ),
        (
            lambda: induced(Cyclic(8), [0, 6, 4, 2], irreducible(Cyclic(2), "1")),
            r"expected a representation of the subgroup, elements \(0, 6, 4, 2\)",
        ),
    ],
)
def test_refused_subgroups(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: quotient(SO2(), Cyclic(4)),
        lambda: quotient(Dihedral(4), SO2()),
        lambda: induced(SO3(), CUBE, trivial(CUBE)),
    ],
)
def test_infinite_quotients_are_refused(make):
    with pytest.raises(
        TypeError, match=r"(Expected finite groups; got SO|to be a FiniteGroup; got a SO)"
    ):
        make()


INDUCED = [
    (Cyclic(6), Cyclic(2)),
    (Cyclic(8), Cyclic(4)),
    (Dihedral(4), Cyclic(4)),
    (Dihedral(6), Dihedral(3)),
    (Dihedral(4), Subgroup(Dihedral(4), (4,))),
    (CUBE, Subgroup(CUBE, (1,))),
    (CUBE, Subgroup(CUBE, (2,))),
    (Permutations(4), PermutationGroup(((1, 2, 0, 3), (1, 0, 3, 2)))),
    (QUATERNIONS, Subgroup(QUATERNIONS, (1,))),
    (Permutations(3), Permutations(3)),
]


@pytest.mark.parametrize(("group", "subgroup"), INDUCED, ids=str)
def test_frobenius_reciprocity(group, subgroup):
    for name in subgroup.irreps():
        rep = irreducible(subgroup, name)
        up = induced(group, subgroup, rep)
        assert up.size * subgroup.order == rep.size * group.order
        check(up)
        for other in group.irreps():
            down = restrict(irreducible(group, other), subgroup)
            assert hom(irreducible(group, other), up) == hom(down, rep)


@pytest.mark.parametrize(("group", "subgroup"), INDUCED, ids=str)
def test_inducing_known_ones(group, subgroup):
    assert induced(group, subgroup, trivial(subgroup)) == quotient(group, subgroup)
    through = induced(group, subgroup, regular(subgroup))
    assert count(through.content) == count(regular(group).content)


def test_inducing_is_transitive():
    big, middle, small = Dihedral(8), Dihedral(4), Cyclic(4)
    rep = irreducible(small, "1")
    twice = induced(big, middle, induced(middle, small, rep))
    assert count(twice.content) == count(induced(big, small, rep).content)


def test_induced_from_listed_elements():
    rep = irreducible(Cyclic(4), "1")
    assert induced(Cyclic(8), [0, 2, 4, 6], rep) == induced(Cyclic(8), Cyclic(4), rep)
    # the same group in another order: another way to read the matrices
    other = induced(Cyclic(8), [0, 6, 4, 2], rep)
    check(other)
    assert other.content == induced(Cyclic(8), Cyclic(4), rep).content


def test_induced_moves_mackey_functions():
    group, subgroup = Dihedral(4), Cyclic(4)
    rep = irreducible(subgroup, "1")
    members = subgroup_elements(group, subgroup)
    found = cosets(group, members)
    values = torch.randn(len(found.representatives), rep.size, dtype=torch.float64)

    def function(values, g):  # x(r h) = ρ(h)⁻¹ x(r)
        return rep.matrix(int(found.remainder[g])).T @ values[int(found.coset[g])]

    for g in group.elements():
        moved = (induced(group, subgroup, rep).matrix(g) @ values.flatten()).reshape(values.shape)
        for k in group.elements():
            expected = function(values, group.compose(group.inverse(g), k))
            assert_close(function(moved, k), expected, size=4, scale=1.0)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_defining_representation(n):
    group = Permutations(n)
    rep = permutation_representation(group)
    assert rep.size == n
    assert rep.permutes
    assert torch.equal(rep.matrices(), group.faithful())
    assert [group.size(name) for name in rep.content] == ([1, n - 1] if n > 1 else [1])
    assert rep.invariants().shape == (n, 1)


def test_defining_representation_of_permutations_only():
    # eight points on which Q8 acts freely
    content = count(permutation_representation(QUATERNIONS).content)
    assert content == count(regular(QUATERNIONS).content)
    with pytest.raises(TypeError, match="expected group to be a Permuting; got a Cyclic"):
        permutation_representation(Cyclic(4))
