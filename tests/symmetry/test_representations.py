"""Sums, products, restrictions and induced representations."""

import itertools
import time

import pytest
import torch

from darboux.symmetry._groups.cyclic import Cyclic, Dihedral
from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.permutations import PermutationGroup, Permutations
from darboux.symmetry._groups.planar import O2, SO2
from darboux.symmetry._groups.polyhedral import Icosahedral, Octahedral
from darboux.symmetry._groups.so3 import O3, SO3
from darboux.symmetry._groups.subgroup import Subgroup
from darboux.symmetry._representations.induced import quotient
from darboux.symmetry._representations.standard import (
    from_matrices,
    irreducible,
    named,
    regular,
    restrict,
    trivial,
)
from darboux.symmetry._representations.tensor import (
    direct_sum,
    product_of_irreps,
    tensor_product,
)
from darboux.testing import assert_close

QUATERNIONS = PermutationGroup(((2, 3, 1, 0, 6, 7, 5, 4), (4, 5, 7, 6, 1, 0, 2, 3)))
CUBE = Octahedral()
FINITE = [
    Cyclic(1),
    Cyclic(5),
    Cyclic(8),
    Dihedral(3),
    Dihedral(4),
    CUBE,
    Permutations(3),
    Permutations(4),
    QUATERNIONS,
    Subgroup(CUBE, (2, 4)),
]
LARGE = [Octahedral(reflections=True), Icosahedral()]
HUGE = [Permutations(5), Icosahedral(reflections=True)]
CONTINUOUS = [SO2(), O2(), SO3(), O3()]


def elements(group):
    return group.elements() if isinstance(group, FiniteGroup) else group.sample(5, seed=0)


def check(representation, *, tolerance=1e-12):
    """An orthogonal homomorphism whose parts are where `content` and `basis` say."""
    group, eye = representation.group, torch.eye(representation.size).double()
    assert float((representation.basis @ representation.basis.T - eye).abs().max()) < tolerance
    matrices = {}
    for k, g in enumerate(elements(group)):
        matrices[k] = representation.matrix(g)
        parts = torch.block_diag(*(group.irrep(name, g) for name in representation.content))
        formula = representation.basis @ parts @ representation.basis.T
        assert float((matrices[k] - formula).abs().max()) < tolerance
        assert float((matrices[k] @ matrices[k].T - eye).abs().max()) < tolerance
    for (k, a), (n, b) in itertools.product(enumerate(elements(group)), repeat=2):
        product = representation.matrix(group.compose(a, b))
        assert float((matrices[k] @ matrices[n] - product).abs().max()) < tolerance


def count(content):
    return {name: content.count(name) for name in content}


def generating(representation):
    return [representation.matrix(g) for g in representation.group.generators()]


@pytest.mark.parametrize(
    "group",
    [*FINITE, *LARGE, *(pytest.param(group, marks=pytest.mark.slow) for group in HUGE)],
    ids=repr,
)
def test_regular_contains_everything(group):
    rep = regular(group)
    expected = {name: group.size(name) // group.commutant(name) for name in group.irreps()}
    assert count(rep.content) == expected
    assert rep.permutes
    table = rep.matrices()
    parts = torch.stack(
        [torch.block_diag(*(group.irrep(n, g) for n in rep.content)) for g in group.elements()]
    )
    assert float((rep.basis @ parts @ rep.basis.T - table).abs().max()) < 1e-12
    assert rep.invariants().shape == (group.order, 1)
    constant = torch.ones(group.order, 1).double() / group.order**0.5
    assert_close(rep.invariants().abs(), constant)


@pytest.mark.parametrize("group", [*FINITE, *CONTINUOUS], ids=repr)
def test_irreps_are_representations(group):
    for name in group.irreps(None if isinstance(group, FiniteGroup) else 3):
        check(irreducible(group, name))
        assert irreducible(group, name) == named(group, name)


@pytest.mark.parametrize("group", FINITE, ids=repr)
def test_sum(group):
    last = irreducible(group, group.irreps()[-1])
    both = direct_sum(regular(group), last, trivial(group))
    check(both)
    assert both.size == group.order + last.size + 1
    for g in group.elements():
        expected = torch.block_diag(regular(group).matrix(g), last.matrix(g), torch.eye(1).double())
        assert torch.equal(both.matrix(g), expected)
    assert both.invariants().shape[1] == 2 + (last == trivial(group))


def test_sum_keeps_what_pointwise_activations_need():
    group = Dihedral(4)
    assert direct_sum(regular(group), trivial(group)).permutes
    assert not direct_sum(regular(group), irreducible(group, "0-")).permutes
    assert direct_sum(regular(group), irreducible(group, "0-")).signs


@pytest.mark.parametrize("group", FINITE, ids=repr)
def test_products_of_irreps(group):
    for first, second in itertools.product(group.irreps(), repeat=2):
        left, right = irreducible(group, first), irreducible(group, second)
        both = tensor_product(left, right)
        for g in group.elements():
            expected = torch.kron(left.matrix(g).contiguous(), right.matrix(g).contiguous())
            assert float((both.matrix(g) - expected).abs().max()) < 1e-12
        assert count(both.content) == count(product_of_irreps(group, second, first)[0])


@pytest.mark.parametrize("group", CONTINUOUS, ids=repr)
def test_products_of_irreps_of_continuous_groups(group):
    names = group.irreps(2)
    for first, second in itertools.product(names, repeat=2):
        left, right = irreducible(group, first), irreducible(group, second)
        both = tensor_product(left, right)
        for g in elements(group):
            expected = torch.kron(left.matrix(g).contiguous(), right.matrix(g).contiguous())
            assert float((both.matrix(g) - expected).abs().max()) < 1e-12


@pytest.mark.parametrize(
    ("group", "first", "second", "content"),
    [
        (SO2(), "0", "4", "4"),
        (SO2(), "2", "2", "0 0 4"),
        (O2(), "2", "2", "0+ 0- 4"),
        (O2(), "0-", "1", "1"),
        (SO3(), "1", "1", "0 1 2"),
        (SO3(), "3", "2", "1 2 3 4 5"),
        (O3(), "1o", "1o", "0e 1e 2e"),
        (O3(), "1o", "2e", "1o 2o 3o"),
        (O3(), "0o", "1e", "1o"),
        (CUBE, "T1", "T1", "A1 E T1 T2"),
        (CUBE, "E", "E", "A1 A2 E"),
        (Icosahedral(), "T1", "T2", "G H"),
        (Icosahedral(), "H", "T1", "T1 T2 G H"),
        (QUATERNIONS, "4", "4", " ".join(4 * ["1"] + 4 * ["1b"] + 4 * ["1c"] + 4 * ["1d"])),
    ],
    ids=str,
)
def test_known_products(group, first, second, content):
    assert product_of_irreps(group, first, second)[0] == tuple(content.split())


@pytest.mark.parametrize(("group", "ending"), [(SO3(), ""), (O3(), "o")], ids=str)
@pytest.mark.parametrize(("first", "second"), [(0, 5), (3, 4), (4, 4), (6, 6), (2, 16)])
def test_products_of_high_degree(group, ending, first, second):
    """Q is orthogonal, and (ψ₁ ⊗ ψ₂) Q = Q (⊕ψ): to rounding, at every degree."""
    names = (f"{first}{ending}", f"{second}{ending}")
    content, basis = product_of_irreps(group, *names)
    (g,) = group.sample(1, seed=0)
    left, right = (group.irrep(name, g).contiguous() for name in names)
    parts = torch.block_diag(*(group.irrep(name, g) for name in content))
    eye = torch.eye(len(basis), dtype=torch.float64)
    assert float((basis.T @ basis - eye).abs().max()) < 1e-13
    assert float((torch.kron(left, right) @ basis - basis @ parts).abs().max()) < 1e-13
    assert all(name.endswith("e" if ending else "") for name in content)


def test_products_of_vectors():
    """⟨x, y⟩/√3 and x × y/√2, up to their signs."""
    content, basis = product_of_irreps(SO3(), "1", "1")
    assert content == ("0", "1", "2")
    x, y = torch.randn(2, 3, dtype=torch.float64)
    both = torch.outer(x, y).flatten() @ basis
    assert_close(both[0].abs(), (x @ y).abs() / 3**0.5, size=9)
    cross = torch.linalg.cross(x, y) / 2**0.5
    assert min(float((both[1:4] - s * cross).abs().max()) for s in (1, -1)) < 1e-14


def test_products_are_decomposed_fast():
    """Five times what an idle processor may take: others may be at work."""
    product_of_irreps.cache_clear()
    start = time.process_time()
    for first, second in itertools.product(SO3().irreps(6), repeat=2):
        product_of_irreps(SO3(), first, second)
    assert time.process_time() - start < 5


def test_product_of_what_has_several_parts():
    group = Dihedral(4)
    first = direct_sum(regular(group), irreducible(group, "1"))
    second = direct_sum(irreducible(group, "1"), irreducible(group, "2-"))
    both = tensor_product(first, second)
    check(both)
    for g in group.elements():
        expected = torch.kron(first.matrix(g).contiguous(), second.matrix(g).contiguous())
        assert float((both.matrix(g) - expected).abs().max()) < 1e-12
    assert both.name == "(regular ⊕ ψ1) ⊗ (ψ1 ⊕ ψ2-)"
    # ρ ⊗ regular is a multiple of regular
    twice = tensor_product(irreducible(group, "1"), regular(group))
    assert count(twice.content) == {n: 2 * k for n, k in count(regular(group).content).items()}


def test_products_of_permutations_are_permutations():
    both = tensor_product(regular(Cyclic(4)), regular(Cyclic(4)))
    assert both.permutes
    assert torch.equal(both.matrices(), both.matrices().round())
    large = tensor_product(regular(CUBE), quotient(CUBE, [0]))
    assert large.size == 576
    assert (
        large.matrix(5)
        .round()
        .equal(
            torch.kron(regular(CUBE).matrix(5).contiguous(), regular(CUBE).matrix(5).contiguous())
        )
    )


def test_sums_and_products_of_one_group_only():
    for combine in (direct_sum, tensor_product):
        with pytest.raises(TypeError, match="Expected representations of one group; got C4 and C8"):
            combine(trivial(Cyclic(4)), trivial(Cyclic(8)))
    with pytest.raises(ValueError, match="expected at least one representation; got none"):
        direct_sum()


@pytest.mark.parametrize(
    ("group", "name", "subgroup", "content"),
    [
        (SO2(), "3", Cyclic(4), "1"),
        (SO2(), "4", Cyclic(4), "0 0"),
        (SO2(), "2", Cyclic(4), "2 2"),
        (O2(), "3", Dihedral(4), "1"),
        (O2(), "4", Dihedral(4), "0+ 0-"),
        (O2(), "0-", Cyclic(3), "0"),
        (O2(), "5", SO2(), "5"),
        (O2(), "0-", SO2(), "0"),
        (Dihedral(8), "3", Dihedral(4), "1"),
        (Dihedral(8), "2", Cyclic(4), "2 2"),
        (SO3(), "1", CUBE, "T1"),
        (SO3(), "2", CUBE, "E T2"),
        (SO3(), "3", CUBE, "A2 T1 T2"),
        (SO3(), "4", CUBE, "A1 E T1 T2"),
        (SO3(), "2", Icosahedral(), "H"),
        (SO3(), "3", Icosahedral(), "T2 G"),
        (SO3(), "6", Icosahedral(), "A T1 G H"),
        (O3(), "1o", Octahedral(reflections=True), "T1u"),
        (O3(), "2e", Octahedral(reflections=True), "Eg T2g"),
        (O3(), "0o", Icosahedral(reflections=True), "Au"),
        (O3(), "3o", SO3(), "3"),
        (O3(), "2e", Subgroup(CUBE, (1,)), "1 1b 1b 2"),
        (Octahedral(reflections=True), "Eu", CUBE, "E"),
        (Icosahedral(), "G", Subgroup(Icosahedral(), (2,)), "1 1 2"),
        (Permutations(3), "1b", PermutationGroup(((1, 2, 0),)), "1"),
        (Permutations(4), "2", PermutationGroup(((1, 2, 3, 0),)), "1 1b"),
    ],
    ids=str,
)
def test_restrictions(group, name, subgroup, content):
    rep = restrict(irreducible(group, name), subgroup)
    assert sorted(rep.content) == sorted(content.split())
    check(rep)


def test_restriction_keeps_the_matrices():
    group, subgroup = Dihedral(8), Cyclic(4)
    rep = restrict(regular(group), subgroup)
    assert count(rep.content) == {n: 4 * k for n, k in count(regular(subgroup).content).items()}
    assert rep.permutes
    for k in subgroup.elements():
        assert torch.equal(rep.matrix(k), regular(group).matrix(2 * k))
    assert rep.name == "regular|C4"


@pytest.mark.parametrize(
    ("group", "subgroup", "message"),
    [
        (Cyclic(6), Cyclic(4), "Expected a subgroup of C6; got C4, whose element 1 moves points"),
        (SO2(), Dihedral(4), r"Expected a subgroup of SO\(2\); got D4"),
        (SO3(), O3(), r"Expected a subgroup of SO\(3\); got O\(3\)"),
        (Dihedral(4), SO2(), r"Expected a subgroup of D4; got SO\(2\), whose element 1.0"),
        (SO3(), Cyclic(4), r"whose matrices are 3 by 3; got C4 with matrices 2 by 2"),
        (Permutations(4), Permutations(3), "matrices are 4 by 4; got S3 with matrices 3 by 3"),
        (Permutations(3), CUBE, "Use groups that move the same points"),
    ],
    ids=str,
)
def test_no_subgroup(group, subgroup, message):
    with pytest.raises(ValueError, match=message):
        restrict(trivial(group), subgroup)


@pytest.mark.parametrize("group", [SO3(), O3()], ids=repr)
def test_matrices_of_vectors(group):
    # strain: symmetric matrices, six numbers
    vector = "1" if group == SO3() else "1o"
    both = tensor_product(irreducible(group, vector), irreducible(group, vector))
    again = from_matrices(group, generating(both), name="matrices", degree=2)
    assert again == both
    assert again.content == both.content
    assert both.invariants().shape == (9, 1)
    expected = torch.eye(3).double().flatten() / 3**0.5
    assert_close(both.invariants()[:, 0].abs(), expected, size=20)
