"""Tableaus written out, or computed in floats, by name: beside those that the package makes."""

from fractions import Fraction

import pytest
import torch

from darboux.integrators import DORMAND_PRINCE, Tableau


def collocation(nodes, name):
    """The collocation method with given nodes, in floats: C(s) and B(s) hold."""
    c = torch.tensor(nodes, dtype=torch.float64)
    k = torch.arange(1, len(nodes) + 1, dtype=torch.float64)
    powers = c.unsqueeze(1) ** (k - 1)  # (nodes, degrees)
    a = torch.linalg.solve(powers.T, ((c.unsqueeze(1) ** k) / k).T).T
    b = torch.linalg.solve(powers.T, 1 / k)
    rows = tuple(tuple(row) for row in a.tolist())
    return Tableau(rows, tuple(b.tolist()), tuple(sum(row) for row in rows), name)


def gauss(stages):
    diagonal = [k / (4 * k**2 - 1) ** 0.5 for k in range(1, stages)]
    jacobi = torch.diag(torch.tensor(diagonal, dtype=torch.float64), 1)
    nodes = torch.linalg.eigvalsh(jacobi + jacobi.T)
    return collocation(((nodes + 1) / 2).tolist(), f"Gauss({stages})")


ROOT6 = 6**0.5

TABLEAUS = {
    "implicit_euler": lambda: Tableau(((1,),), (1,), (1,), "implicit Euler"),
    "implicit_midpoint": lambda: Tableau(
        ((Fraction(1, 2),),), (1,), (Fraction(1, 2),), "implicit midpoint"
    ),
    "trapezoidal": lambda: Tableau(
        ((0, 0), (Fraction(1, 2), Fraction(1, 2))),
        (Fraction(1, 2), Fraction(1, 2)),
        (0, 1),
        "trapezoidal",
    ),
    "gauss2": lambda: gauss(2),
    "gauss3": lambda: gauss(3),
    "gauss4": lambda: gauss(4),
    "gauss5": lambda: gauss(5),
    "radau_iia2": lambda: Tableau(
        ((Fraction(5, 12), Fraction(-1, 12)), (Fraction(3, 4), Fraction(1, 4))),
        (Fraction(3, 4), Fraction(1, 4)),
        (Fraction(1, 3), 1),
        "Radau IIA(2)",
    ),
    "radau_iia3": lambda: collocation([(4 - ROOT6) / 10, (4 + ROOT6) / 10, 1.0], "Radau IIA(3)"),
    "lobatto_iiic2": lambda: Tableau(
        ((Fraction(1, 2), Fraction(-1, 2)), (Fraction(1, 2), Fraction(1, 2))),
        (Fraction(1, 2), Fraction(1, 2)),
        (0, 1),
        "Lobatto IIIC(2)",
    ),
    "lobatto_iiia3": lambda: Tableau(
        (
            (0, 0, 0),
            (Fraction(5, 24), Fraction(1, 3), Fraction(-1, 24)),
            (Fraction(1, 6), Fraction(2, 3), Fraction(1, 6)),
        ),
        (Fraction(1, 6), Fraction(2, 3), Fraction(1, 6)),
        (0, Fraction(1, 2), 1),
        "Lobatto IIIA(3)",
    ),
    "dormand_prince": lambda: DORMAND_PRINCE,
    "heun3": lambda: Tableau(
        ((0, 0, 0), (Fraction(1, 3), 0, 0), (0, Fraction(2, 3), 0)),
        (Fraction(1, 4), 0, Fraction(3, 4)),
        (0, Fraction(1, 3), Fraction(2, 3)),
        "Heun(3)",
    ),
    "three_eighths": lambda: Tableau(
        ((0, 0, 0, 0), (Fraction(1, 3), 0, 0, 0), (Fraction(-1, 3), 1, 0, 0), (1, -1, 1, 0)),
        (Fraction(1, 8), Fraction(3, 8), Fraction(3, 8), Fraction(1, 8)),
        (0, Fraction(1, 3), Fraction(2, 3), 1),
        "three eighths",
    ),
    "inconsistent": lambda: Tableau(((0,),), (Fraction(1, 2),), (0,), "half a step"),
    "floats_of_kutta4": lambda: Tableau(
        ((0.0,) * 4, (0.5, 0.0, 0.0, 0.0), (0.0, 0.5, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0)),
        (1 / 6, 1 / 3, 1 / 3, 1 / 6),
        (0.0, 0.5, 0.5, 1.0),
        "Kutta(4) in floats",
    ),
}


@pytest.fixture
def tableaus():
    """Build a tableau by name."""
    return lambda name: TABLEAUS[name]()
