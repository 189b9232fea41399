"""The parts of the rates: the minimiser, metrics read off steps; and that a rate can be refuted."""

import dataclasses

import torch

from reproductions.metric_rates import _predicted
from reproductions.metric_rates.measures import DECAY, Problem, _inverse_metric, metrics, rates


def test_metrics_are_read_off_steps_and_rates_are_refuted_where_they_are_others():
    torch.manual_seed(0)
    problem = Problem()
    assert float(torch.func.grad(problem.energy)(problem.minimiser).norm()) < 1e-11
    found = metrics(problem)
    eye = torch.eye(len(problem.minimiser), dtype=torch.float64)
    torch.testing.assert_close(_inverse_metric(problem, found["identity"]), eye)
    inverse = _inverse_metric(problem, found["Fisher"])
    values = torch.linalg.eigvalsh(inverse)
    assert 0 < float(values[0]) < float(values[-1]) <= 1 / DECAY * (1 + 1e-9)
    rate = rates(problem, "Fisher", found["Fisher"])[0]
    assert _predicted(rate).holds
    assert not _predicted(dataclasses.replace(rate, predicted=rate.predicted * 1.02)).holds
