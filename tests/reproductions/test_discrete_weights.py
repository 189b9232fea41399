"""Discrete weights: the network, its schedules, and statements that can fail."""

import dataclasses

import pytest
import torch
from torch import nn

import reproductions.discrete_weights as module
from reproductions.common.classification import LabelledImages
from reproductions.discrete_weights.data import Task, digits
from reproductions.discrete_weights.networks import (
    BINARY,
    REAL,
    TERNARY,
    Course,
    network_of,
    trained,
)

COURSE = Course(width=8, epochs=2, batch=20, start=0.1, fall=0.1, penalty=1e-4)


@pytest.fixture
def task():
    side = LabelledImages(torch.rand(50, 16), torch.randint(10, (50,)))
    return Task("noise", side, side)


@pytest.mark.parametrize(
    ("weights", "values"), [(TERNARY, [-1, 0, 1]), (BINARY, [-1, 1]), (REAL, [])]
)
def test_weights_lie_in_their_set(task, weights, values):
    found = trained(weights, task, COURSE, seed=0)
    assert found.values == values
    assert found.weights == 16 * 8 + 8 * 8 + 8 * 10
    assert len(found.accuracies) == COURSE.epochs


def test_networks_end_with_a_normalisation():
    layers = [*network_of(8, 16)]
    assert isinstance(layers[-1], nn.BatchNorm1d)
    assert sum(isinstance(layer, nn.Linear) for layer in layers) == 3


def test_digits_are_split():
    found = digits()
    assert found.training.images.shape == (1297, 64)
    assert found.held_out.images.shape == (500, 64)
    assert set(found.held_out.classes.tolist()) == set(range(10))


def test_statements_can_fail(task):
    run = trained(BINARY, task, COURSE, seed=0)
    bad = dataclasses.replace(run, accuracies=[80.0], values=[-1.0, 0.5])
    good = dataclasses.replace(run, accuracies=[82.0])
    runs = {REAL: [good], BINARY: [bad]}
    assert not module._close("noise", BINARY, runs, margin=1.5).holds
    assert module._close("noise", BINARY, runs, margin=2.0).holds
    assert not module._in_set("noise", BINARY, runs).holds
