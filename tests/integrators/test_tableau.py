"""Tableaus check themselves and are plain data."""

import copy
import math
import pickle
from dataclasses import FrozenInstanceError
from fractions import Fraction

import pytest

from darboux.integrators import EULER, KUTTA3, KUTTA4, Tableau

HALF = Fraction(1, 2)


def test_integers_become_fractions_and_lists_become_tuples():
    tableau = Tableau([[0, 0], [1, 0]], [HALF, HALF], [0, 1], "from lists")
    assert tableau.a == ((Fraction(0), Fraction(0)), (Fraction(1), Fraction(0)))
    assert all(isinstance(x, Fraction) for x in (*tableau.a[0], *tableau.b, *tableau.c))
    assert hash(tableau) == hash(copy.deepcopy(tableau))


def test_properties():
    assert (KUTTA4.stages, KUTTA4.explicit, KUTTA4.rational) == (4, True, True)
    midpoint = Tableau(((0.5,),), (1,), (0.5,), "midpoint")
    assert (midpoint.stages, midpoint.explicit, midpoint.rational) == (1, False, False)
    upper = Tableau(((0, HALF), (0, 0)), (HALF, HALF), (HALF, 0), "later stage first")
    assert not upper.explicit


def test_is_frozen_and_survives_copies():
    with pytest.raises(FrozenInstanceError):
        KUTTA3.name = "other"
    assert pickle.loads(pickle.dumps(KUTTA3)) == KUTTA3 == copy.deepcopy(KUTTA3) != EULER


REFUSED = {
    "ragged": (((0, 0), (1,)), (HALF, HALF), (0, 1), r"rows of \[2, 1\]"),
    "not_square": (((0, 0),), (1,), (0,), r"s rows of s entries.*rows of \[2\], 1 weights"),
    "few_nodes": (((0,),), (1,), (), "1 weights and 0 nodes"),
    "empty": ((), (), (), "s >= 1; got rows of"),
    "nodes": (((0, 0), (HALF, 0)), (0, 1), (0, 1), r"c\[1\] = Σ_j a\[1\]\[j\] = 1/2; got 1"),
    "float_nodes": (((0.1,),), (1,), (0.1001,), r"c\[0\]"),
    "infinite": (((math.inf,),), (1,), (math.inf,), "a to be .* a finite number.*; got .*inf"),
    "nan": (((0,),), (math.nan,), (0,), "b to be .* a finite number.*; got .*nan"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    a, b, c, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        Tableau(a, b, c, name)


def test_refuses_what_is_no_number():
    with pytest.raises(TypeError, match=r"b to be .*a Fraction or a finite number.*; got \('1'"):
        Tableau(((0,),), ("1",), (0,), "text")


def test_nodes_of_irrational_methods_may_be_rounded():
    row = (0.1, 0.2, 0.3)
    tableau = Tableau((row, row, row), (0.3, 0.3, 0.4), (0.6, 0.6, 0.6), "rounded")
    assert sum(row) != 0.6
    assert tableau.c == (0.6, 0.6, 0.6)
