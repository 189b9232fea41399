"""The parts of the comparison: equal tuning, runs that repeat; and that statements can fail."""

import dataclasses

import pytest
import torch
from torch import nn

from reproductions.common.classification import LabelledImages
from reproductions.optimisers_on_networks.networks import COMPETITORS
from reproductions.optimisers_on_networks.statements import statements
from reproductions.optimisers_on_networks.training import Problem, Run, compared, trained, tuned


def problem(steps=4):
    torch.manual_seed(0)
    images = LabelledImages(torch.randn(50, 3), torch.randint(10, (50,)))
    return Problem("noise", lambda: nn.Linear(3, 10), images, images, steps, 8)


def test_every_optimiser_has_as_many_settings():
    assert {len(each.settings) for each in COMPETITORS} == {6}


@pytest.mark.parametrize("competitor", COMPETITORS, ids=lambda each: each.name)
def test_runs_repeat_and_tuning_takes_the_best(competitor):
    setting = competitor.settings[0]
    first, second = (trained(problem(), competitor, setting, 0) for _ in range(2))
    assert first.losses == second.losses
    best = tuned(problem(), competitor, [0], 7).setting
    final = {str(s): trained(problem(), competitor, s, 7).final for s in competitor.settings}
    assert final[str(best)] == min(final.values())


def test_statements_are_refuted_where_nothing_is_learnt():
    found = {"noise": compared(problem(), [0], 1)}
    assert not statements(found)[0].holds
    slow = [
        dataclasses.replace(each, runs=[Run([2.0] * 4, [0.1] * 4, 0.1)]) for each in found["noise"]
    ]
    slow[0] = dataclasses.replace(slow[0], runs=[Run([1.0] * 4, [0.1] * 4, 0.1)])
    assert not statements({"noise": slow})[1].holds
