"""The parts of the deep limits: problems, descents, trainings; and that statements can fail."""

from dataclasses import replace

import pytest
import torch
from torch.func import jacrev, vmap

from reproductions.deep_limits import statements
from reproductions.deep_limits.descent import descents
from reproductions.deep_limits.multilevel import Curve
from reproductions.deep_limits.problems import (
    NETWORKS,
    _points,
    _sheared,
    flow,
    problem,
    theta,
)
from reproductions.deep_limits.tolerances import Training, trained

OWN = Training("own", (1.0, 0.1), (1e-2, 1e-3), 100, 1.0, final=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_problems_have_a_loss_and_networks_of_equal_or_different_layers(name):
    assert problem(name, None, seed=0).objective() > 1e-3
    alike, apart = (flow(name, 4, seed=0, alike=same) for same in (True, False))
    assert torch.equal(theta(alike)[0], theta(alike)[3])
    assert not torch.equal(theta(apart)[0], theta(apart)[3])
    assert theta(apart).dtype == torch.float64


def test_goal_of_the_hamiltonian_network_keeps_areas():
    slopes = vmap(jacrev(lambda z: _sheared(z[None])[0]))(_points())
    torch.testing.assert_close(torch.linalg.det(slopes), torch.ones(16, dtype=torch.float64))


def test_gradient_descent_keeps_layers_equal_or_apart():
    alike, apart = (descents((4, 8, 16), steps=5, alike=same, seed=0) for same in (True, False))
    assert 0.8 < alike.rate < 1.3
    assert alike.distances[-1] < 0.2 * apart.distances[-1]
    assert max(alike.slopes) < min(apart.slopes)
    said = statements.starts((_Values(), _Values()), alike, apart)
    assert said[1].holds
    assert not statements.starts((_Values(), _Values()), apart, alike)[1].holds


class _Values:
    values = (1.0,)


def test_training_counts_what_tolerances_cost():
    loose, tight, own = (trained(t, steps=3, seed=0) for t in (1e-2, 1e-6, None))
    assert loose.evaluations < tight.evaluations
    assert own.tolerances[0] <= 1e-2
    assert len(own.losses) == 3


def test_equal_training_is_the_loosest_that_ends_as_low():
    trainings = [OWN, replace(OWN, name="a", final=1e-2), replace(OWN, name="b", final=1.04e-3)]
    assert statements.equal([*trainings, replace(OWN, name="c")]).name == "b"
    stops, saves = statements.built_in_errors(trainings, quick=False)
    assert stops.holds
    assert not saves.holds  # as many evaluations are not fewer


def test_multilevel_has_to_reach_the_loss_in_time():
    fine = Curve((1.0, 2.0), (0.5, 0.4), (0.8, 0.9))
    early, late = (Curve((t,), (0.3,), (0.9,)) for t in (0.9, 1.1))
    never = Curve((0.5,), (0.45,), (0.9,))
    holds = [statements.multilevel(fine, c, share=0.5)[0].holds for c in (early, late, never)]
    assert holds == [True, False, False]
