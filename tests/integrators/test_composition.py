"""Symmetric compositions: their coefficients, and what they merge."""

import pytest
import torch

from darboux.integrators import (
    Composition,
    CompositionCoefficients,
    Euler,
    Gauss,
    ImplicitMidpoint,
    LeapfrogMidpoint,
    ReversibleHeun,
    Splitting,
    StormerVerlet,
    SymplecticEuler,
)
from darboux.integrators._composition_coefficients import scheme, scheme_names
from darboux.testing import check_hamiltonian_order, check_symplectic
from darboux.testing._checks._phase_problems import linear_problem
from tests.catalogue.integrators import SYMPLECTIC as CASES
from tests.integrators.phase import Phase, example


@pytest.mark.parametrize("base", [ImplicitMidpoint(), Splitting(), StormerVerlet(first="drift")])
def test_order_of_compositions_of_other_methods(base):
    check_hamiltonian_order(Composition(4, base=base, scheme="yoshida"))


@pytest.mark.parametrize("base", [ImplicitMidpoint(), Splitting()])
def test_symplectic_compositions_of_other_methods(base):
    check_symplectic(Composition(6, base=base), *example("hamiltonian-2-reversible"))


@pytest.mark.parametrize("base", ["stormer_verlet", "stormer_verlet_drift", "splitting"])
@pytest.mark.parametrize("autonomous", [True, False])
def test_merged_shears_are_the_single_steps(base, autonomous):
    """A composition, with what it merges, against its steps one after the other."""
    field = Phase(autonomous=autonomous).double()
    method = Composition(6, base=CASES[base]())
    x = torch.randn(2, 4, dtype=torch.float64)
    t, h, state = 0.3, 0.4, x
    for weight in method.coefficients.weights:
        state = CASES[base]().step(field, t, weight * h, state)
        t += weight * h
    torch.testing.assert_close(method.step(field, 0.3, h, x), state, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "drifts", "kicks"),
    [("stormer_verlet", 1, 2), ("stormer_verlet_drift", 2, 1), ("composition4", 5, 6)],
)
def test_nothing_is_evaluated_twice(name, drifts, kicks, monkeypatch):
    field, counts = Phase(autonomous=True), {"drift": 0, "kick": 0}
    for moves in counts:
        inner = getattr(field, moves)

        def counted(t, z, p, moves=moves, inner=inner):
            counts[moves] += 1
            return inner(t, z, p)

        monkeypatch.setattr(field, moves, counted)
    CASES[name]().step(field, 0.0, 0.1, torch.ones(1, 4))
    assert counts == {"drift": drifts, "kick": kicks}


def test_a_composition_has_a_lipschitz_factor_only_where_its_method_has():
    assert Composition(4, base=ImplicitMidpoint()).lipschitz_factor(0.1, 2.0) is None
    assert Composition(4, base=Splitting()).lipschitz_factor(0.1, 2.0) is None
    assert float(Composition(4).lipschitz_factor(0.1, 2.0)) > 1


@pytest.mark.parametrize("order", [4, 6, 8])
def test_coefficients_have_the_order_of_their_table(order):
    """By the conditions of all words, apart from the slopes."""
    for name in scheme_names(order):
        assert scheme(order, name).order == order


def linear_error(method, steps):
    """The distance from the matrix exponential after t = 2."""
    problem, h = linear_problem(), 2.0 / steps
    x = problem.solution(0.0)
    for k in range(steps):
        x = method.step(problem, k * h, h, x)
    return float((x - problem.solution(2.0)).norm())


@pytest.mark.parametrize("order", [4, 6, 8])
def test_the_default_scheme_has_the_smallest_error(order):
    """With equal numbers of Störmer-Verlet steps."""
    methods = [Composition(order, scheme=name) for name in scheme_names(order)]
    counts = [round(170 / len(method.coefficients.weights)) for method in methods]
    errors = [linear_error(m, n) for m, n in zip(methods, counts, strict=True)]
    assert errors[0] == min(errors)


def test_a_wrong_coefficient_is_refused_and_refuted():
    good = scheme(6, "kahan-li").weights
    wrong = (good[0] + 1e-3, good[1] - 1e-3, *good[2:7], good[1] - 1e-3, good[0] + 1e-3)
    coefficients = CompositionCoefficients(wrong, "typo")
    assert coefficients.order == 2
    with pytest.raises(ValueError, match="expected coefficients of order 6; got 'typo' of order 2"):
        Composition(6, scheme=coefficients)
    planted = Composition(2, scheme=coefficients)
    planted.order = 6
    with pytest.raises(AssertionError, match=r"errors fall like h\^[23].*; the order is 6"):
        check_hamiltonian_order(planted)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((), "at least one weight"),
        ((float("nan"),), "weights to be .*a finite number.*got .*nan"),
        ((0.2, 0.8), "read the same backwards"),
        ((0.3, 0.3, 0.3), "add up to 1"),
    ],
)
def test_coefficients_check_themselves(weights, message):
    with pytest.raises(ValueError, match=message):
        CompositionCoefficients(weights, "wrong")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"order": 3}, ValueError, "expected an order and the name of a scheme"),
        ({"order": 4, "scheme": "kahan-li"}, ValueError, "4: suzuki, yoshida"),
        ({"order": 4, "scheme": 5}, TypeError, "or a CompositionCoefficients or None; got 5"),
        ({"order": 4, "base": Euler()}, ValueError, "not symmetric and of order 1"),
        ({"order": 4, "base": SymplecticEuler()}, ValueError, "not symmetric and of order 1"),
        ({"order": 4, "base": Gauss(2)}, ValueError, "symmetric and of order 4"),
        ({"order": 4, "base": LeapfrogMidpoint()}, TypeError, "steps pairs of states"),
        ({"order": 4, "base": ReversibleHeun()}, TypeError, "steps pairs of states"),
        ({"order": 4, "base": "verlet"}, TypeError, r"an Integrator or None; .* Euler\(\)"),
        ({"order": 4, "base": StormerVerlet}, TypeError, r"the class .*Make one: StormerVerlet\("),
        ({"order": 4.0}, TypeError, "order to be a positive integer; got 4.0"),
    ],
)
def test_compositions_refuse(arguments, error, message):
    with pytest.raises(error, match=message):
        Composition(**arguments)
