"""The parts of the flows of measures: risk, distance, classifiers; and that statements can fail."""

import math
from dataclasses import replace

import pytest
import torch

from reproductions.wasserstein_flow import statements
from reproductions.wasserstein_flow.experiments import drifts
from reproductions.wasserstein_flow.margins import Margin, margin
from reproductions.wasserstein_flow.measures import wasserstein
from reproductions.wasserstein_flow.particles import Measure, diverse, flowed, risk


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_risk_is_that_of_many_inputs():
    student, teacher = diverse(6, 3, seeded(1)), diverse(2, 3, seeded(2))
    x = torch.randn(400_000, 3, generator=seeded(), dtype=torch.float64)
    values = [(x @ m.a.T).relu() @ (m.w * m.c) for m in (student, teacher)]
    squares = 0.5 * (values[0] - values[1]).square()
    error = 4 * float(squares.std()) / math.sqrt(len(x))
    assert float(risk(student, teacher)) == pytest.approx(float(squares.mean()), abs=error)


def test_slope_of_the_risk_is_right_and_finite_where_particles_coincide():
    teacher = diverse(2, 3, seeded(2))
    start = diverse(4, 3, seeded(1))
    a = (1.5 * start.a).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: risk(replace(start, a=a), teacher), [a])
    same = torch.cat([teacher.a, teacher.a]).requires_grad_()
    value = risk(
        Measure(same, torch.cat([teacher.c] * 2), torch.full((4,), 0.25).double()), teacher
    )
    (slope,) = torch.autograd.grad(value, same)
    assert value.item() == pytest.approx(0, abs=1e-15)
    assert slope.abs().max() < 1e-15


def test_distance_of_a_translation_is_its_length_and_that_of_copies_0():
    one = diverse(8, 3, seeded())
    moved = replace(one, a=one.a + torch.tensor([0.03, 0.04, 0.0]))
    assert wasserstein(one, moved) == pytest.approx(0.05)
    order = torch.randperm(16, generator=seeded())
    copies = Measure(*(torch.cat([x, x])[order] for x in (one.a, one.c, one.w / 2)))
    assert wasserstein(copies, one) == 0


def test_distance_is_that_of_the_linear_programme():
    from scipy.optimize import linprog

    few, many = diverse(3, 2, seeded(1)), diverse(6, 2, seeded(2))
    costs = torch.cdist(few.points, many.points).square().numpy()
    rows = torch.eye(3).repeat_interleave(6, dim=1)
    columns = torch.eye(6).repeat(1, 3)
    best = linprog(
        costs.reshape(-1),
        A_eq=torch.cat([rows, columns]).numpy(),
        b_eq=[1 / 3] * 3 + [1 / 6] * 6,
    )
    assert wasserstein(few, many) == pytest.approx(math.sqrt(best.fun), rel=1e-9)


def test_a_teacher_is_where_its_own_flow_rests():
    teacher = diverse(3, 2, seeded())
    found = flowed(teacher, teacher, rate=1.0, steps=3)
    torch.testing.assert_close(found.end.points, teacher.points, rtol=0, atol=1e-14)


def test_classifiers_keep_what_is_not_trained():
    options = {"points": 32, "features": 5, "width": 8, "steps": 3, "seed": 0}
    first, again = (margin(**options, both=False) for _ in range(2))
    assert first == again
    assert margin(**options, both=True) != first


def failed(said):
    return [s.measured for s in said if not s.holds]


def test_statements_can_fail():
    assert len(failed(statements.wide_enough({2: [0.01], 10: [0.5]}))) == 2
    assert len(failed(statements.converging({8: (0.5, 0.5), 16: (0.5, 0.6)}))) == 2
    found, boosted = drifts(0)
    assert not failed(statements.balance(found, boosted))
    assert len(failed(statements.balance(dict.fromkeys(found, 0.1), 1e-3))) == 2
    errors = {both: {2: [Margin(0.0, 0.1)]} for both in (True, False)}
    assert failed(statements.separated(errors)) == ["2: 10.0% against 10.0%"]


def test_quick_run_shows_what_is_named(reproduced):
    result, _ = reproduced("wasserstein-flow")
    assert result.numbers["imbalance after boosts"] < 1e-13
    assert {path.name for path in result.files} == {"particles.png", "widths.png", "margins.png"}
