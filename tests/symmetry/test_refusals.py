"""Bad input is refused with what was expected, what came, and what to do."""

import re
import time

import pytest
import torch

from darboux.activations import Clip, ReLU
from darboux.symmetry import (
    SO2,
    Cyclic,
    Dihedral,
    EquivariantConv,
    EquivariantDense,
    Feature,
    FeatureLift,
    FourierActivation,
    NormActivation,
    Octahedral,
    Pointwise,
    ScaleConv,
    SphericalConv,
    band_limited,
    from_matrices,
    irreducible,
    kernel_basis,
    regular,
    restrict,
    scalars,
    tensor_product,
)

C4 = Cyclic(4)
SCALAR = Feature(C4, ["trivial"])
VECTOR = Feature(C4, [1])
REGULAR = Feature(C4, ["regular"])
TURN = torch.tensor([[0.0, -1.0], [1.0, 0.0]])


def conv(source=SCALAR, target=REGULAR, **options):
    return EquivariantConv(source, target, **{"kernel_size": 3, "dim": 2, **options})


CASES = {
    "group without elements": (
        lambda: Cyclic(0),
        ValueError,
        "a number of rotations from 1 to 512; got 0",
    ),
    "no group": (
        lambda: Feature("C4", ["trivial"]),
        TypeError,
        r"expected group to be a Group; got 'C4'. Write Cyclic\(4\)",
    ),
    "no fields": (lambda: Feature(C4, []), ValueError, "expected 1 to 65536 fields; got 0"),
    "one field, not in a list": (lambda: Feature(C4, "regular"), TypeError, r"Write \['regular'\]"),
    "unknown field": (lambda: Feature(C4, ["7"]), ValueError, "among '0', '1', '2'; got '7'"),
    "field of another group": (
        lambda: Feature(C4, [regular(Cyclic(8))]),
        TypeError,
        "representation of C4; got one of C8",
    ),
    "regular of a continuous group": (
        lambda: Feature(SO2(), ["regular"]),
        TypeError,
        "infinitely many dimensions",
    ),
    "not unitary": (
        lambda: from_matrices(Cyclic(2), [torch.eye(2), torch.eye(2) * 2], name="wrong"),
        ValueError,
        "wrong: expected orthogonal matrices; got that of element 1",
    ),
    "no homomorphism": (
        lambda: from_matrices(Cyclic(3), [torch.eye(2), TURN, TURN @ TURN], name="wrong"),
        ValueError,
        r"homomorphism of C3; got ρ\(1\) ρ\(2\) != ρ\(0\)",
    ),
    "too few matrices": (
        lambda: from_matrices(C4, [torch.eye(2), TURN], name="wrong"),
        ValueError,
        "one real square matrix for each of the 4 elements",
    ),
    "groups of a map differ": (
        lambda: conv(target=Feature(Cyclic(8), ["regular"])),
        ValueError,
        "features of one group; got C4 -> C8",
    ),
    "no features": (
        lambda: conv(target=4),
        TypeError,
        r"expected target to be a Feature; got 4. Make one, for instance Feature\(",
    ),
    "empty basis of a dense map": (
        lambda: EquivariantDense(SCALAR, VECTOR),
        ValueError,
        "from trivial to ψ1 of C4; the only one that commutes with the group is zero",
    ),
    "empty basis of a small kernel": (
        lambda: conv(target=VECTOR, kernel_size=1),
        ValueError,
        "Use a larger kernel_size",
    ),
    "a field that stays zero": (
        lambda: conv(Feature(Dihedral(4), ["0+"]), Feature(Dihedral(4), ["0+", "0-"])),
        ValueError,
        "to ψ0- of D4",
    ),
    "even kernel": (lambda: conv(kernel_size=4), ValueError, "An even one has no centre"),
    "stride of three": (
        lambda: conv(stride=3),
        ValueError,
        r"expected stride to be 1 or 2 .*; got 3",
    ),
    "wrong dimension": (lambda: conv(dim=3), ValueError, "expected dim=2, the space on which C4"),
    "group of space on pictures": (
        lambda: conv(Feature(Octahedral(), ["A1"]), Feature(Octahedral(), ["A1"])),
        ValueError,
        "expected dim=3",
    ),
    "unknown padding": (lambda: conv(padding_mode="replicate"), ValueError, "got 'replicate'"),
    "too many channels to lift": (
        lambda: FeatureLift(3, REGULAR, dim=2),
        ValueError,
        "expected 1 to 1 channels",
    ),
    "no feature to lift to": (
        lambda: FeatureLift(1, 4, dim=2),
        TypeError,
        r"expected target to be a Feature; got 4. Make one, for instance Feature\(",
    ),
    "wrong channels at a call": (
        lambda: conv()(torch.zeros(1, 3, 5, 5)),
        ValueError,
        "Expected 1 channels on axis 1",
    ),
    "wrong channels at a strided call": (
        lambda: conv(stride=2)(torch.zeros(1, 3, 5, 5)),
        ValueError,
        "Expected 1 channels on axis 1",
    ),
    "wrong size to restore": (
        lambda: conv(stride=2).restore(torch.zeros(1, 4, 3, 3), size=(8, 8)),
        ValueError,
        r"half the size \(8, 8\)",
    ),
    "an element that no grid allows": (
        lambda: Feature(Cyclic(8), ["trivial"]).act(1, torch.zeros(1, 1, 4, 4)),
        ValueError,
        "maps the grid of pixels to itself",
    ),
    "wrong features": (
        lambda: REGULAR.act(1, torch.zeros(1, 3, 4, 4)),
        ValueError,
        "Expected 4 channels on axis 1, features regular of C4",
    ),
    "sum over two groups": (
        lambda: REGULAR + Feature(SO2(), ["0"]),
        ValueError,
        "features of one group",
    ),
    "no subgroup": (
        lambda: restrict(irreducible(C4, "1"), Cyclic(3)),
        ValueError,
        "C3",
    ),
    "pointwise on a frequency": (
        lambda: Pointwise(VECTOR, ReLU()),
        ValueError,
        "NormActivation",
    ),
    "thresholds of channels": (
        lambda: Pointwise(REGULAR, Clip(4, dim=2)),
        ValueError,
        "the same function on every channel",
    ),
    "positive bias": (
        lambda: NormActivation(VECTOR, bias=0.1),
        ValueError,
        "expected bias to be a negative number",
    ),
    "kernel without taps": (
        lambda: kernel_basis(regular(C4), regular(C4), kernel_size=0, dim=2),
        ValueError,
        "kernel",
    ),
}


HUGE = 10**8

SIZES = {
    "fields of a scaling": lambda: ScaleConv(HUGE, 1, scales=2, kernel_size=9, lifting=True),
    "scales": lambda: ScaleConv(1, 1, scales=HUGE, kernel_size=9, lifting=True),
    "degree of a scaling": lambda: ScaleConv(
        1, 1, scales=2, kernel_size=9, lifting=True, degree=HUGE
    ),
    "channels on the sphere": lambda: SphericalConv(HUGE, 1, degree=3),
    "degree on the sphere": lambda: SphericalConv(1, 1, degree=HUGE),
    "samples": lambda: FourierActivation(
        Feature(SO2(), band_limited(SO2(), 1)), ReLU(), samples=HUGE
    ),
    "band": lambda: band_limited(SO2(), HUGE),
    "fields": lambda: REGULAR * HUGE,
    "scalars": lambda: scalars(C4, HUGE),
    "taps": lambda: conv(kernel_size=HUGE + 1),
    "dense map": lambda: EquivariantDense(SCALAR * 50000, SCALAR * 50000),
    "regular": lambda: regular(Cyclic(500)),
    "product": lambda: tensor_product(regular(Cyclic(100)), regular(Cyclic(100))),
}


@pytest.mark.parametrize("what", SIZES)
def test_sizes_that_nobody_can_wait_for_are_refused(what):
    start = time.process_time()
    with pytest.raises(ValueError, match=r"expected .*; got "):
        SIZES[what]()
    assert time.process_time() - start < 10


WRITTEN = {
    "C4": "Cyclic(4)",
    "d_6": "Dihedral(6)",
    "Dihedral(3)": "Dihedral(3)",
    "SO(2)": "SO2()",
    "o(3)": "O3()",
    "Octahedral": "Octahedral()",
    "S5": "Permutations(5)",
    "p4": "for instance Cyclic(4)",
}


@pytest.mark.parametrize("text", WRITTEN)
def test_a_group_as_a_text_is_told_by_its_class(text):
    with pytest.raises(TypeError, match=re.escape(WRITTEN[text])):
        Feature(text, ["trivial"])


def test_integers_are_no_features():
    for wrong in (torch.ones(1, 4).long(), torch.ones(1, 4) + 1j):
        with pytest.raises(TypeError, match="Expected real floating point numbers"):
            REGULAR.act(1, wrong)


def test_only_elements_act():
    for wrong in (-1, 4, 1.0, True, "1"):
        with pytest.raises(ValueError, match="Expected an element of C4"):
            REGULAR.act(wrong, torch.ones(1, 4))


@pytest.mark.parametrize("name", CASES)
def test_refused(name):
    make, kind, message = CASES[name]
    with pytest.raises(kind, match=message):
        make()
