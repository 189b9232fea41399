"""What the functions read off a tableau, against the values of the literature."""

import math
from fractions import Fraction

import pytest
import torch

from darboux.integrators import (
    EULER,
    IMPROVED_EULER,
    KUTTA3,
    KUTTA4,
    RALSTON2,
    RALSTON3,
    RungeKutta,
    Tableau,
    contractivity_radius,
    is_algebraically_stable,
    is_symplectic,
    order,
)
from darboux.testing import check_radius, check_radius_is_sharp

NAMED = {t.name: t for t in (EULER, IMPROVED_EULER, KUTTA3, KUTTA4, RALSTON2, RALSTON3)}

ORDERS = {
    "implicit_euler": 1,
    "implicit_midpoint": 2,
    "trapezoidal": 2,
    "gauss2": 4,
    "gauss3": 6,
    "gauss4": 8,
    "gauss5": 10,
    "radau_iia2": 3,
    "radau_iia3": 5,
    "lobatto_iiic2": 2,
    "lobatto_iiia3": 4,
    "dormand_prince": 5,
    "heun3": 3,
    "three_eighths": 4,
    "inconsistent": 0,
    "floats_of_kutta4": 4,
}

STABLE = {
    "implicit_euler",
    "implicit_midpoint",
    "gauss2",
    "gauss3",
    "gauss4",
    "gauss5",
    "radau_iia2",
    "radau_iia3",
    "lobatto_iiic2",
}

SYMPLECTIC = {"implicit_midpoint", "gauss2", "gauss3", "gauss4", "gauss5"}


@pytest.mark.parametrize("name", ORDERS)
def test_order(name, tableaus):
    assert order(tableaus(name)) == ORDERS[name]


@pytest.mark.parametrize(
    ("name", "expected"), list(zip(NAMED, [1, 2, 3, 4, 2, 3], strict=True)), ids=list(NAMED)
)
def test_order_of_named_methods(name, expected):
    assert order(NAMED[name]) == expected


@pytest.mark.parametrize("name", ORDERS)
def test_algebraic_stability(name, tableaus):
    assert is_algebraically_stable(tableaus(name)) == (name in STABLE)


@pytest.mark.parametrize("name", ORDERS)
def test_symplecticity(name, tableaus):
    assert is_symplectic(tableaus(name)) == (name in SYMPLECTIC)


@pytest.mark.parametrize("name", NAMED)
def test_explicit_methods_are_neither(name):
    assert not is_algebraically_stable(NAMED[name])
    assert not is_symplectic(NAMED[name])


def test_symplectic_needs_every_pair_of_stages():
    half = Fraction(1, 2)
    diagonal = Tableau(((half / 2, 0), (0, half / 2)), (half, half), (half / 2, half / 2), "pair")
    assert not is_symplectic(diagonal)


RADII = {
    "Euler": 1.0,
    "improved Euler": 1.0,
    "Kutta(3)": 0.5,
    "Kutta(4)": 1.0,
    "Ralston(2)": (math.sqrt(21) - 3) / 2,
    "Ralston(3)": 2 * math.sqrt(6) - 4,
}


@pytest.mark.parametrize("name", RADII)
def test_radius(name):
    radius = contractivity_radius(NAMED[name])
    assert math.isclose(radius, RADII[name], rel_tol=1e-14)
    if RADII[name] in (0.5, 1.0):
        assert radius == RADII[name]


@pytest.mark.parametrize("name", RADII)
def test_radius_is_never_above_the_true_one(name):
    """With r a float, M + B/r >= 0 in fractions: every principal minor is >= 0."""
    tableau, s = NAMED[name], NAMED[name].stages
    a, b = tableau.a, tableau.b
    inverse = 1 / Fraction(contractivity_radius(tableau))
    matrix = [
        [
            b[i] * a[i][j] + b[j] * a[j][i] - b[i] * b[j] + (i == j) * b[i] * inverse
            for j in range(s)
        ]
        for i in range(s)
    ]
    for subset in range(1, 2**s):
        rows = [i for i in range(s) if subset >> i & 1]
        assert determinant([[matrix[i][j] for j in rows] for i in rows]) >= 0


def determinant(matrix):
    """The exact determinant, by expansion along the first row."""
    if not matrix:
        return Fraction(1)
    minors = ([row[:j] + row[j + 1 :] for row in matrix[1:]] for j in range(len(matrix)))
    pairs = zip(matrix[0], minors, strict=True)
    return sum((-1) ** j * x * determinant(minor) for j, (x, minor) in enumerate(pairs))


@pytest.mark.parametrize("name", sorted(STABLE))
def test_radius_of_algebraically_stable_methods_is_infinite(name, tableaus):
    assert contractivity_radius(tableaus(name)) == math.inf


@pytest.mark.parametrize(
    ("name", "expected"),
    [("trapezoidal", 2.0), ("three_eighths", 2 * math.sqrt(3) - 3), ("floats_of_kutta4", 1.0)],
    ids=["trapezoidal", "three_eighths", "floats"],
)
def test_radius_of_other_methods(name, expected, tableaus):
    radius = contractivity_radius(tableaus(name))
    assert math.isclose(radius, expected, rel_tol=1e-12)
    assert radius <= expected * (1 + 2**-52)


@pytest.mark.parametrize("name", ["heun3", "dormand_prince"])
def test_radius_is_refused_where_a_weight_is_not_positive(name, tableaus):
    with pytest.raises(ValueError, match=r"all weights b_i > 0; got b\[1\] = 0"):
        contractivity_radius(tableaus(name))


def test_radius_of_random_methods_is_a_rounded_down_eigenvalue():
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        tableau = random_rational(generator)
        a = torch.tensor([[float(x) for x in row] for row in tableau.a], dtype=torch.float64)
        b = torch.tensor([float(x) for x in tableau.b], dtype=torch.float64)
        scaled = (b.diag() @ a + a.T @ b.diag() - b.outer(b)) / b.outer(b).sqrt()
        expected = -1 / float(torch.linalg.eigvalsh(scaled)[0])
        assert math.isclose(contractivity_radius(tableau), expected, rel_tol=1e-12)


@pytest.mark.parametrize("name", ["three_eighths", "floats_of_kutta4"])
def test_radius_agrees_with_the_worst_linear_field(name, tableaus):
    method = RungeKutta(tableaus(name))
    check_radius(method)
    check_radius_is_sharp(method)


def random_rational(generator):
    """An explicit method with three stages and positive weights, all rational."""
    draw = torch.randint(1, 9, (6,), generator=generator).tolist()
    b = tuple(Fraction(x, sum(draw[:3])) for x in draw[:3])
    x, y, z = (Fraction(k, 7) for k in draw[3:])
    return Tableau(((0, 0, 0), (x, 0, 0), (y, -z, 0)), b, (0, x, y - z), "random")
