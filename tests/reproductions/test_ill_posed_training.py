"""The objective of Example 3.2.1, its minimisers, and statements that can fail."""

import dataclasses
import math

import pytest
import torch

import reproductions.ill_posed_training as topic
from reproductions.ill_posed_training.descents import descent, minimiser, problem


def test_the_objective_is_that_of_the_example():
    found = problem()
    with torch.no_grad():
        for name, p in found.flow.named_parameters():
            p.fill_(0.7 if "bias" in name else 3.0)
    assert float(found.objective().detach()) == pytest.approx((math.tanh(0.7) - 1) ** 2)


def test_a_minimiser_has_no_neighbour_below():
    found = minimiser(1e-3)

    def energy(b):
        return (math.tanh(b) - 1) ** 2 + 5e-4 * b * b

    assert found.value == pytest.approx(energy(found.size))
    assert all(energy(found.size + d) > found.value for d in (-1e-3, 1e-3))
    assert found.size == pytest.approx(found.exact, abs=1e-10)


def test_parameters_that_settle_are_refuted_where_they_should_run_away():
    free = {1: descent(problem(), steps=60), 2: descent(problem(layers=2), steps=60)}
    kept = {k: dataclasses.replace(d, sizes=torch.ones(60)) for k, d in free.items()}
    text = "minimising sequences are not bounded: ‖θ‖ grows in every step"
    for runs, holds in ((free, True), (kept, False)):
        assert next(s for s in topic._unbounded(runs) if s.text == text).holds is holds
    settled = topic._coercive(free, [minimiser(w) for w in (1e-1, 1e-2, 1e-3)])[0]
    assert not settled.holds
