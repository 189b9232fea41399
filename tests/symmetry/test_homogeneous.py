"""The kernel constraint on homogeneous spaces: counts by characters, and equivariance."""

import pytest
import torch

from darboux.symmetry._groups.cyclic import Cyclic, Dihedral
from darboux.symmetry._groups.permutations import PermutationGroup, Permutations
from darboux.symmetry._groups.planar import SO2
from darboux.symmetry._groups.polyhedral import Octahedral
from darboux.symmetry._groups.subgroup import Subgroup
from darboux.symmetry._homogeneous import mackey_kernels, mackey_matrix
from darboux.symmetry._representations.cosets import cosets, subgroup_elements
from darboux.symmetry._representations.induced import induced
from darboux.symmetry._representations.standard import irreducible, regular, trivial
from darboux.testing import assert_close

CUBE = Octahedral()
QUATERNIONS = PermutationGroup(((2, 3, 1, 0, 6, 7, 5, 4), (4, 5, 7, 6, 1, 0, 2, 3)))
ALTERNATING = PermutationGroup(((1, 2, 0, 3), (1, 0, 3, 2)))


def irreps(group, *names):
    return [irreducible(group, name) for name in names or group.irreps()]


def pairs(group, firsts, seconds):
    return [(group, first, second) for first in firsts for second in seconds]


C1, C2, C4, D2 = Cyclic(1), Cyclic(2), Cyclic(4), Dihedral(2)
MIRROR = Subgroup(Dihedral(4), (4,))
TURN, CYCLE = Subgroup(CUBE, (1,)), Subgroup(CUBE, (2,))
TRIPLES = [
    *pairs(Cyclic(8), [trivial(C1), *irreps(C4)], [trivial(C1), *irreps(C2)]),
    *pairs(Dihedral(4), [regular(C2), *irreps(C4)], [trivial(C1), *irreps(D2), *irreps(MIRROR)]),
    *pairs(Dihedral(4), irreps(Dihedral(4)), [*irreps(MIRROR), irreducible(Dihedral(4), "1")]),
    *pairs(CUBE, irreps(TURN), [*irreps(CYCLE), irreducible(CUBE, "T1"), trivial(TURN)]),
    *pairs(CUBE, [trivial(Subgroup(CUBE, ()))], [trivial(Subgroup(CUBE, ())), *irreps(CYCLE)]),
    *pairs(Permutations(4), irreps(ALTERNATING), [*irreps(ALTERNATING), *irreps(Permutations(4))]),
    *pairs(QUATERNIONS, irreps(Subgroup(QUATERNIONS, (1,))), irreps(QUATERNIONS)),
]
each = pytest.mark.parametrize(
    ("group", "first", "second"), TRIPLES, ids=[f"{a}-{b!r}-{c!r}" for a, b, c in TRIPLES]
)


def induced_character(group, rep):
    """χ(g) = 1/|H| Σ_k χ_ρ(k⁻¹gk), over those k with k⁻¹gk in H."""
    members = subgroup_elements(group, rep.group)
    inner = torch.zeros(group.order, dtype=torch.float64)
    inner[list(members)] = rep.matrices().diagonal(dim1=1, dim2=2).sum(dim=1)
    products = group.products()
    inverse = torch.tensor([group.inverse(k) for k in group.elements()])
    conjugates = products[products[inverse], torch.arange(group.order)[:, None]]
    return inner[conjugates].sum(dim=0) / len(members)


def test_there_are_enough_cases():
    assert len(TRIPLES) >= 30
    assert any(a.group.order == b.group.order == 1 for _, a, b in TRIPLES)
    assert any(a.group == g for g, a, _ in TRIPLES)
    assert any(b.group == g for g, _, b in TRIPLES)


@each
def test_kernels_are_as_many_as_characters_say_and_satisfy_the_constraint(group, first, second):
    kernels = mackey_kernels(group, first, second)
    product = induced_character(group, first) @ induced_character(group, second)
    expected = float(product) / group.order
    assert abs(expected - round(expected)) < 1e-9
    assert len(kernels) == round(expected)
    gram = torch.einsum("agij,bgij->ab", kernels, kernels)
    assert_close(gram, torch.eye(len(kernels)).double(), size=64, scale=1.0)
    inner = subgroup_elements(group, first.group)
    outer = subgroup_elements(group, second.group)
    products = group.products()
    for k2, h2 in enumerate(outer):
        for k1, h1 in enumerate(inner):
            moved = kernels[:, products[products[h2], h1]]
            expected = second.matrix(k2) @ kernels @ first.matrix(k1)
            assert float((moved - expected).abs().max() if len(kernels) else 0.0) < 1e-13


@each
def test_maps_are_equivariant_and_all(group, first, second):
    kernels = mackey_kernels(group, first, second)
    matrices = mackey_matrix(kernels, group, first, second)
    source = induced(group, first.group, first)
    target = induced(group, second.group, second)
    assert matrices.shape == (len(kernels), target.size, source.size)
    for g in group.elements():
        left, right = target.matrix(g) @ matrices, matrices @ source.matrix(g)
        assert float((left - right).abs().max() if len(kernels) else 0.0) < 1e-13
    if len(kernels):
        assert int(torch.linalg.matrix_rank(matrices.flatten(1))) == len(kernels)


@pytest.mark.parametrize(
    ("group", "first", "second"),
    [
        (Dihedral(4), irreducible(C4, "1"), irreducible(D2, "1+")),
        (CUBE, irreducible(TURN, "2"), irreducible(CUBE, "T1")),
        (Permutations(4), irreducible(ALTERNATING, "3"), irreducible(ALTERNATING, "2")),
    ],
    ids=["plane", "cube", "permutations"],
)
def test_matrix_is_the_sum_over_the_group(group, first, second):
    kernel = mackey_kernels(group, first, second).sum(dim=0) + 0.0
    inner = subgroup_elements(group, first.group)
    sources = cosets(group, inner)
    values = torch.randn(len(sources.representatives), first.size, dtype=torch.float64)
    targets = cosets(group, subgroup_elements(group, second.group)).representatives
    moved = (mackey_matrix(kernel, group, first, second) @ values.flatten()).reshape(
        -1, second.size
    )
    for place, g in enumerate(targets):
        total = torch.zeros(second.size, dtype=torch.float64)
        for k in group.elements():
            x = first.matrix(int(sources.remainder[k])).T @ values[int(sources.coset[k])]
            total = total + kernel[group.compose(group.inverse(g), k)] @ x / len(inner)
        assert_close(moved[place], total, size=group.order, scale=1.0)


def test_group_convolution():
    group, scalars = Dihedral(3), trivial(Subgroup(Dihedral(3), ()))
    kernels = mackey_kernels(group, scalars, scalars)
    assert kernels.shape == (6, 6, 1, 1)
    delta = torch.zeros(6, 1, 1, dtype=torch.float64)
    delta[2] = 1.0
    x = torch.randn(6, dtype=torch.float64)
    moved = mackey_matrix(delta, group, scalars, scalars) @ x
    # F(x)(g) = x(g · 2)
    assert torch.equal(moved, x[group.products()[:, 2]])


def test_whole_group_gives_intertwiners():
    group = Dihedral(4)
    kernels = mackey_kernels(group, irreducible(group, "1"), irreducible(group, "1"))
    assert len(kernels) == 1
    at_identity = kernels[0, 0] * group.order**0.5 * 2**0.5
    assert_close(at_identity.abs(), torch.eye(2).double(), size=8)


def test_no_kernels():
    group = Cyclic(4)
    assert mackey_kernels(group, irreducible(group, "1"), trivial(group)).shape == (0, 4, 1, 2)


def test_gradients_reach_the_kernel():
    group, scalars = Cyclic(4), trivial(Cyclic(1))
    kernel = torch.randn(4, 1, 1, requires_grad=True)
    mackey_matrix(kernel, group, scalars, scalars).square().sum().backward()
    assert_close(kernel.grad, 8 * kernel.detach(), size=4)


def test_refusals():
    with pytest.raises(ValueError, match="Expected a subgroup of C4; got C8"):
        mackey_kernels(Cyclic(4), trivial(Cyclic(8)), trivial(Cyclic(1)))
    with pytest.raises(TypeError, match="expected group to be a FiniteGroup; got a SO2"):
        mackey_kernels(SO2(), trivial(SO2()), trivial(SO2()))
    with pytest.raises(
        ValueError, match=r"expected a kernel .* with \(4, 1, 1\); got a tensor of shape \(4, 1"
    ):
        mackey_matrix(torch.zeros(4, 1), Cyclic(4), trivial(C1), trivial(C2))
