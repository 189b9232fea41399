"""Kernel bases: as many as characters say, equivariant, complete."""

import itertools
import time

import pytest
import torch

from darboux.symmetry._feature import move
from darboux.symmetry._groups.cyclic import Cyclic, Dihedral
from darboux.symmetry._groups.finite import FiniteGroup
from darboux.symmetry._groups.planar import O2, SO2
from darboux.symmetry._groups.polyhedral import Icosahedral, Octahedral
from darboux.symmetry._groups.so3 import O3, SO3
from darboux.symmetry._kernels import basis as room
from darboux.symmetry._kernels.basis import kernel_basis
from darboux.symmetry._kernels.dimension import count_between, kernel_dimension, steerable_count
from darboux.symmetry._kernels.rings import taps
from darboux.symmetry._representations.representation import Representation
from darboux.symmetry._representations.standard import irreducible, regular, trivial
from tests.catalogue.groups import Swap

TINY = 1e-12


def stacked(group, names):
    """The direct sum of irreducible parts, in a basis that mixes them all."""
    size = sum(group.size(name) for name in names)
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(size, size, generator=generator, dtype=torch.float64)
    return Representation(group, "+".join(names), tuple(names), torch.linalg.qr(normal)[0])


def pairs(group, names, *, large=()):
    """All pairs of irreducible ones, and pairs of larger ones with each other."""
    irreps = [irreducible(group, name) for name in names]
    found = list(itertools.product(irreps, irreps))
    mixed = stacked(group, [*names[::-1], names[0], names[-1]])
    found += list(itertools.product([trivial(group), mixed, *large], [mixed, *large]))
    return found


def cases():
    for group in (Cyclic(1), Cyclic(2), Cyclic(4), Dihedral(1), Dihedral(2), Dihedral(4)):
        for source, target in pairs(group, group.irreps(), large=[regular(group)]):
            yield from ((source, target, kernel, 2) for kernel in (2, 3))
        yield from ((regular(group), trivial(group), kernel, 2) for kernel in (1, 4, 5))
    for n in (3, 5, 6, 8):
        for group in (Cyclic(n), Dihedral(n)):
            for source, target in pairs(group, group.irreps(2)[1:], large=[regular(group)]):
                yield source, target, 3, 2
            yield from ((trivial(group), regular(group), kernel, 2) for kernel in (1, 2, 4, 5))
    for group in (SO2(), O2()):
        for source, target in pairs(group, group.irreps(2)):
            yield from ((source, target, kernel, 2) for kernel in (3, 4))
        yield from ((trivial(group), irreducible(group, "3"), kernel, 2) for kernel in (1, 5, 7))
    for group in (Octahedral(), Octahedral(reflections=True)):
        for source, target in itertools.product(group.irreps()[:5], group.irreps()[-3:]):
            yield irreducible(group, source), irreducible(group, target), 3, 3
        yield from ((trivial(group), regular(group), kernel, 3) for kernel in (1, 2, 3))
        mixed = stacked(group, group.irreps()[1:4])
        yield mixed, mixed, 2, 3
    for group in (Icosahedral(), Icosahedral(reflections=True)):
        for source, target in itertools.product(group.irreps()[:5:2], group.irreps()[:4]):
            yield irreducible(group, source), irreducible(group, target), 3, 3
    for group in (SO3(), O3()):
        for source, target in pairs(group, group.irreps(1)):
            yield source, target, 3, 3
        yield from ((trivial(group), trivial(group), kernel, 3) for kernel in (1, 2))
    yield stacked(SO3(), ["0", "1", "2"]), stacked(SO3(), ["2", "0"]), 5, 3
    for dim in range(4):
        for source, target in pairs(Swap(), ("even", "odd"), large=[regular(Swap())]):
            yield source, target, 1 if not dim else 2, dim
    for group in (Cyclic(8), Dihedral(4), SO2(), SO3()):
        yield stacked(group, group.irreps(2)), stacked(group, group.irreps(1)), 1, 0


CASES = list(cases())


def name(case):
    source, target, kernel, dim = case
    return f"{source.group!r}-{source.name}-{target.name}-{kernel}-{dim}"


def equal_up_to(actual, expected, bound=TINY):
    assert actual.shape == expected.shape
    assert float((actual - expected).abs().max() if actual.numel() else 0.0) <= bound


def acted(g, source, target, kernels, dim):
    """ρ₂(g) k(g⁻¹ t) ρ₁(g)⁻¹."""
    moved = kernels.flatten(1, 2)
    moved = (move(source.group.action(g), moved) if dim else moved).reshape(kernels.shape)
    return torch.einsum("ij,bjk...,lk->bil...", target.matrix(g), moved, source.matrix(g))


def test_there_are_many_cases():
    assert len(CASES) >= 200
    assert len({(repr(source.group), dim) for source, _, _, dim in CASES}) >= 24


@pytest.mark.parametrize("case", CASES, ids=name)
def test_is_as_large_as_characters_say_and_equivariant(case):
    source, target, kernel, dim = case
    basis = kernel_basis(source, target, kernel_size=kernel, dim=dim)
    expected = kernel_dimension(source, target, kernel_size=kernel, dim=dim)
    assert basis.shape == (expected, target.size, source.size, *[kernel] * dim)
    assert basis.dtype == torch.float64
    equal_up_to(basis.flatten(1) @ basis.flatten(1).T, torch.eye(expected, dtype=torch.float64))
    elements = source.group.grid_elements()
    if not dim and not isinstance(source.group, FiniteGroup):
        elements = source.group.sample(5, seed=0)  # without pixels, every element is kept
    for g in elements:
        equal_up_to(acted(g, source, target, basis, dim), basis)
    if keeps_the_grid_and_is_small(*case):
        check_completeness(*case, basis.flatten(1))


def keeps_the_grid_and_is_small(source, target, kernel, dim):
    group = source.group
    return (
        isinstance(group, FiniteGroup)
        and len(group.grid_elements()) == group.order <= 24
        and source.size * target.size * kernel**dim <= 240
    )


def check_completeness(source, target, kernel, dim, basis):
    """The mean over the group projects all kernels on the equivariant ones."""
    size = source.size * target.size * kernel**dim
    kernels = torch.eye(size, dtype=torch.float64)
    kernels = kernels.reshape(size, target.size, source.size, *[kernel] * dim)
    group = source.group
    total = sum(acted(g, source, target, kernels, dim) for g in group.elements())
    projector = (total / group.order).flatten(1)
    assert torch.linalg.matrix_rank(projector, atol=1e-9) == len(basis)
    equal_up_to(basis.T @ basis, projector)


def test_there_are_many_complete_cases():
    assert sum(keeps_the_grid_and_is_small(*case) for case in CASES) >= 100


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 6, 7])
def test_regular_fields_have_as_many_kernels_as_functions(kernel):
    """Hom(regular, regular ⊗ functions) has |G| dimensions for each function."""
    for group in (Cyclic(8), Dihedral(3)):
        basis = kernel_basis(regular(group), regular(group), kernel_size=kernel, dim=2)
        assert len(basis) == group.order * kernel * (kernel + 1) // 2
    basis = kernel_basis(regular(Cyclic(4)), regular(Cyclic(4)), kernel_size=kernel, dim=2)
    assert len(basis) == 4 * kernel**2


def test_sixteen_regular_fields_of_c8_have_12288_weights():
    ρ = regular(Cyclic(8))
    assert 16**2 * len(kernel_basis(ρ, ρ, kernel_size=3, dim=2)) == 12288


def test_kernels_of_scalars_are_isotropic():
    basis = kernel_basis(trivial(SO2()), trivial(SO2()), kernel_size=3, dim=2)[:, 0, 0]
    assert len(basis) == 2
    equal_up_to(basis[:, 0, 0], basis[:, 2, 2])
    equal_up_to(basis[:, 0, 1], basis[:, 1, 0])


@pytest.mark.parametrize(
    ("group", "vector", "dim"), [(O2(), "1", 2), (SO3(), "1", 3), (O3(), "1o", 3)], ids=str
)
def test_kernels_from_scalars_to_vectors_point_outwards(group, vector, dim):
    basis = kernel_basis(trivial(group), irreducible(group, vector), kernel_size=3, dim=dim)
    (kernel,) = basis.reshape(1, dim, -1)
    places = taps(3, dim).T
    along = (kernel * places).sum(dim=0) / places.square().sum(dim=0).clamp_min(1)
    equal_up_to(kernel, along * places)
    axis = along[places.square().sum(dim=0) == 1].abs()
    assert float(axis.min()) > 0.1
    equal_up_to(axis, axis[:1].expand_as(axis))


def test_a_pseudoscalar_needs_a_chiral_kernel():
    """No function of the circle or sphere changes sign under every reflection alone."""
    for group, odd, dim in ((O2(), "0-", 2), (O3(), "0o", 3)):
        basis = kernel_basis(trivial(group), irreducible(group, odd), kernel_size=5, dim=dim)
        assert basis.shape == (0, 1, 1, *[5] * dim)
        assert (
            kernel_dimension(trivial(group), irreducible(group, odd), kernel_size=5, dim=dim) == 0
        )


def test_is_computed_once():
    ρ = regular(Dihedral(4))
    first = kernel_basis(ρ, ρ, kernel_size=3, dim=2)
    again = Representation(ρ.group, "regular once more", ρ.content, ρ.basis, ρ.table)
    assert kernel_basis(again, ρ, kernel_size=3, dim=2) is first


def test_serves_gradients_after_it_was_asked_for_in_inference_mode():
    ρ = regular(Cyclic(7))
    with torch.inference_mode():
        kernel_basis(ρ, ρ, kernel_size=3, dim=2)
    basis = kernel_basis(ρ, ρ, kernel_size=3, dim=2)
    weights = torch.ones(len(basis), dtype=torch.float64, requires_grad=True)
    torch.einsum("c,coipq->oipq", weights, basis).square().sum().backward()
    equal_up_to(weights.grad, 2 * torch.ones_like(weights), 1e-11)


TIMES = {
    "C8 regular, 5": (lambda: (regular(Cyclic(8)),) * 2, 5, 2, 0.2),
    "D8 regular, 7": (lambda: (regular(Dihedral(8)),) * 2, 7, 2, 0.5),
    "SO3 degrees 0..2, 5": (lambda: (stacked(SO3(), ["0", "1", "2"]),) * 2, 5, 3, 2.0),
    "O regular, 3": (lambda: (regular(Octahedral()),) * 2, 3, 3, 3.0),
}


@pytest.mark.parametrize("what", TIMES)
def test_is_built_fast(what):
    """Five times what an idle processor may take: others may be at work."""
    make, kernel, dim, seconds = TIMES[what]
    source, target = make()
    hash(source)
    room._basis.cache_clear()
    room._irreducible.cache_clear()
    start = time.process_time()
    basis = kernel_basis(source, target, kernel_size=kernel, dim=dim)
    assert time.process_time() - start < 5 * seconds
    assert len(basis) == kernel_dimension(source, target, kernel_size=kernel, dim=dim)


REFUSED = {
    "another dimension": (Cyclic(4), 3, 3, ValueError, r"expected dim=2, the axes that C4 acts on"),
    "a line": (SO3(), 3, 1, ValueError, r".* got dim=1\. Use dim=3, or a group of 1-dim"),
    "no taps": (Cyclic(4), 0, 2, ValueError, r"expected kernel_size to be an integer .*; got 0"),
    "half a tap": (Cyclic(4), 1.5, 2, TypeError, r"expected kernel_size to be .*; got 1\.5"),
    "taps without axes": (Cyclic(4), 3, 0, ValueError, r"expected kernel_size=1 where there"),
    "four axes": (Swap(), 3, 4, ValueError, r"expected dim to be 0, 1, 2 or 3 .*; got 4"),
    "many taps": (Swap(), 10**8, 2, ValueError, r"expected kernel_size to be .*; got 100000000"),
    "taps of space": (SO3(), 255, 3, ValueError, r"expected at most 2048 taps .* got 255\^3"),
    "a boolean": (Swap(), 3, True, TypeError, r"expected dim to be .*; got True"),
}


@pytest.mark.parametrize("ask", [kernel_basis, kernel_dimension, steerable_count])
@pytest.mark.parametrize("what", REFUSED)
def test_refuses(ask, what):
    group, kernel, dim, error, message = REFUSED[what]
    with pytest.raises(error, match=f"{ask.__name__}: {message}"):
        ask(trivial(group), trivial(group), kernel_size=kernel, dim=dim)


@pytest.mark.parametrize("ask", [kernel_basis, kernel_dimension, steerable_count])
def test_refuses_two_groups_and_no_representation(ask):
    with pytest.raises(TypeError, match=r"representations of one group; got C4 and C8"):
        ask(trivial(Cyclic(4)), trivial(Cyclic(8)), kernel_size=3, dim=2)
    with pytest.raises(TypeError, match=r"expected target to be a Representation; got 'regular'"):
        ask(trivial(Cyclic(4)), "regular", kernel_size=3, dim=2)


def test_refuses_to_count_harmonics_that_nothing_turns():
    with pytest.raises(ValueError, match=r"acts on the plane or on space.*Use kernel_dimension"):
        steerable_count(trivial(Swap()), trivial(Swap()), kernel_size=3, dim=2)


def test_refuses_characters_that_are_not_known():
    with pytest.raises(TypeError, match=r"a finite group, SO\(2\), .*; got Swap"):
        count_between(Swap(), "even", "odd", 1)
