"""Quadrature rules and the tableaus made of them, against the literature and the theory."""

import math
from fractions import Fraction

import pytest
import torch

from darboux.integrators import (
    EULER,
    KUTTA4,
    Gauss,
    LobattoIIIC,
    RadauIA,
    RadauIIA,
    Tableau,
    contractivity_radius,
    gauss_tableau,
    is_algebraically_stable,
    is_symmetric,
    is_symplectic,
    lobatto_iiic_tableau,
    order,
    radau_ia_tableau,
    radau_iia_tableau,
)
from darboux.integrators._quadrature import gauss_legendre, lobatto, radau_left, radau_right

EPS = torch.finfo(torch.float64).eps

# rule, least number of nodes, degree to which it is exact, fixed nodes
RULES = {
    "gauss": (gauss_legendre, 1, lambda s: 2 * s - 1, ()),
    "radau_left": (radau_left, 1, lambda s: 2 * s - 2, (0,)),
    "radau_right": (radau_right, 1, lambda s: 2 * s - 2, (1,)),
    "lobatto": (lobatto, 2, lambda s: 2 * s - 3, (0, 1)),
}
RULE_SIZES = [(name, s) for name in RULES for s in range(RULES[name][1], 9)]


@pytest.mark.parametrize(("name", "s"), RULE_SIZES)
def test_rules_integrate_polynomials_up_to_their_degree_and_no_further(name, s):
    build, _, degree, fixed = RULES[name]
    rule = build(s)
    assert len(rule.nodes) == len(rule.weights) == s
    assert list(rule.nodes) == sorted(set(rule.nodes))
    assert set(fixed) <= set(rule.nodes)
    assert all(0 <= node <= 1 for node in rule.nodes)
    assert all(weight > 0 for weight in rule.weights)
    for k in range(degree(s) + 2):
        pairs = zip(rule.weights, rule.nodes, strict=True)
        error = abs(sum(b * c**k for b, c in pairs) - Fraction(1, k + 1))
        assert (error < Fraction(1, 2**180)) == (k <= degree(s)), k


def test_gauss_nodes_are_those_of_the_jacobi_matrix():
    k = torch.arange(1, 8, dtype=torch.float64)
    jacobi = torch.diag(k / (4 * k**2 - 1).sqrt(), 1)
    expected = (torch.linalg.eigvalsh(jacobi + jacobi.T) + 1) / 2
    found = torch.tensor([float(x) for x in gauss_legendre(8).nodes], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=8 * EPS)


ROOT3, ROOT6, ROOT15 = 3**0.5, 6**0.5, 15**0.5
BOOK = {  # Hairer and Wanner, IV.5
    "gauss2": (gauss_tableau(2), [[1 / 4, 1 / 4 - ROOT3 / 6], [1 / 4 + ROOT3 / 6, 1 / 4]]),
    "gauss3": (
        gauss_tableau(3),
        [
            [5 / 36, 2 / 9 - ROOT15 / 15, 5 / 36 - ROOT15 / 30],
            [5 / 36 + ROOT15 / 24, 2 / 9, 5 / 36 - ROOT15 / 24],
            [5 / 36 + ROOT15 / 30, 2 / 9 + ROOT15 / 15, 5 / 36],
        ],
    ),
    "radau_ia2": (radau_ia_tableau(2), [[1 / 4, -1 / 4], [1 / 4, 5 / 12]]),
    "radau_ia3": (
        radau_ia_tableau(3),
        [
            [1 / 9, (-1 - ROOT6) / 18, (-1 + ROOT6) / 18],
            [1 / 9, (88 + 7 * ROOT6) / 360, (88 - 43 * ROOT6) / 360],
            [1 / 9, (88 + 43 * ROOT6) / 360, (88 - 7 * ROOT6) / 360],
        ],
    ),
    "radau_iia1": (radau_iia_tableau(1), [[1.0]]),
    "radau_iia2": (radau_iia_tableau(2), [[5 / 12, -1 / 12], [3 / 4, 1 / 4]]),
    "radau_iia3": (
        radau_iia_tableau(3),
        [
            [(88 - 7 * ROOT6) / 360, (296 - 169 * ROOT6) / 1800, (-2 + 3 * ROOT6) / 225],
            [(296 + 169 * ROOT6) / 1800, (88 + 7 * ROOT6) / 360, (-2 - 3 * ROOT6) / 225],
            [(16 - ROOT6) / 36, (16 + ROOT6) / 36, 1 / 9],
        ],
    ),
    "lobatto_iiic2": (lobatto_iiic_tableau(2), [[1 / 2, -1 / 2], [1 / 2, 1 / 2]]),
    "lobatto_iiic3": (
        lobatto_iiic_tableau(3),
        [[1 / 6, -1 / 3, 1 / 6], [1 / 6, 5 / 12, -1 / 12], [1 / 6, 2 / 3, 1 / 6]],
    ),
}


@pytest.mark.parametrize("name", BOOK)
def test_coefficients_are_those_of_the_book(name):
    tableau, expected = BOOK[name]
    found = torch.tensor([[float(x) for x in row] for row in tableau.a], dtype=torch.float64)
    expected = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=2 * EPS)


FAMILIES = {
    "gauss": (gauss_tableau, 1, lambda s: 2 * s),
    "radau_ia": (radau_ia_tableau, 2, lambda s: 2 * s - 1),
    "radau_iia": (radau_iia_tableau, 1, lambda s: 2 * s - 1),
    "lobatto_iiic": (lobatto_iiic_tableau, 2, lambda s: 2 * s - 2),
}
TABLEAUS = [(name, s) for name in FAMILIES for s in range(FAMILIES[name][1], 9)]


@pytest.mark.parametrize(("name", "s"), TABLEAUS)
def test_properties_of_the_families(name, s):
    build, _, theory = FAMILIES[name]
    tableau = build(s)
    assert (tableau.stages, tableau.explicit) == (s, False)
    assert is_algebraically_stable(tableau)
    assert contractivity_radius(tableau) == math.inf
    assert is_symplectic(tableau) == (name == "gauss")
    assert is_symmetric(tableau) == (name == "gauss")
    assert order(tableau) == theory(s)


@pytest.mark.parametrize(("name", "s"), TABLEAUS)
def test_simplifying_assumptions(name, s):
    """Collocation has C(s), Lobatto IIIC C(s - 1), Radau IA D(s): to the last bit or so."""
    tableau = FAMILIES[name][0](s)
    a = torch.tensor([[float(x) for x in row] for row in tableau.a], dtype=torch.float64)
    b, c = (
        torch.tensor([float(x) for x in v], dtype=torch.float64) for v in (tableau.b, tableau.c)
    )
    for k in range(1, s + 1 if name != "lobatto_iiic" else s):
        if name == "radau_ia":
            residual = (b * c ** (k - 1)) @ a - b * (1 - c**k) / k
        else:
            residual = a @ c ** (k - 1) - c**k / k
        assert float(residual.abs().max()) <= 2 * s * EPS


@pytest.mark.parametrize("name", ["radau_iia", "lobatto_iiic"])
def test_stiffly_accurate(name):
    for s in range(2, 9):
        tableau = FAMILIES[name][0](s)
        assert tableau.c[-1] == 1
        gaps = [abs(x - y) for x, y in zip(tableau.a[-1], tableau.b, strict=True)]
        assert max(gaps) <= EPS


def test_simple_coefficients_stay_fractions():
    exact = [gauss_tableau(1), radau_iia_tableau(1), radau_iia_tableau(2), radau_ia_tableau(2)]
    exact += [lobatto_iiic_tableau(2), lobatto_iiic_tableau(3)]
    assert all(tableau.rational for tableau in exact)
    assert not gauss_tableau(2).rational


SYMMETRIC = {
    "trapezoidal": (((0, 0), (Fraction(1, 2), Fraction(1, 2))), (Fraction(1, 2),) * 2, (0, 1)),
    "midpoint": (((Fraction(1, 2),),), (1,), (Fraction(1, 2),)),
}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetry(name):
    assert is_symmetric(Tableau(*SYMMETRIC[name], name))


def test_symmetry_needs_every_condition():
    assert not is_symmetric(EULER)
    assert not is_symmetric(KUTTA4)
    quarter = Fraction(1, 4)  # the rows are symmetric for equal weights, the weights are not
    assert not is_symmetric(
        Tableau(
            ((quarter, 0), (0, 3 * quarter)), (quarter, 3 * quarter), (quarter, 3 * quarter), "b"
        )
    )


REFUSED = {
    "gauss_zero": (Gauss, 0, "Gauss: expected stages to be an integer from 1 to 20; got 0"),
    "gauss_float": (Gauss, 2.0, "got 2.0"),
    "gauss_bool": (Gauss, True, "got True"),
    "gauss_many": (Gauss, 10**8, "got 100000000"),
    "tableau_bool": (gauss_tableau, True, "gauss_tableau: expected stages .* got True"),
    "radau_iia_negative": (RadauIIA, -1, "RadauIIA: expected stages to be an integer from 1"),
    "radau_ia_one": (RadauIA, 1, "RadauIA: expected .* from 2 .*ImplicitEuler.*; got 1"),
    "lobatto_one": (LobattoIIIC, 1, "LobattoIIIC: expected .* from 2 .*; got 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_stage_counts_are_refused(name):
    build, stages, message = REFUSED[name]
    with pytest.raises(ValueError if type(stages) is int else TypeError, match=message):
        build(stages)
