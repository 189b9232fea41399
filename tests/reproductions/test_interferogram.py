"""The phases: their noise beside its law, the networks and measures; statements can fail."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import gamma, hyp2f1
from torch import nn

import darboux as dx
from darboux.manifolds import Circle
from reproductions.interferogram.data import (
    AMBIGUITY,
    LOOKS,
    Phases,
    elevation_phases,
    terrain_phases,
    with_noise,
    wrapped,
)
from reproductions.interferogram.measures import (
    best_window,
    local_mean,
    near_jumps,
    shift_error,
    tile_errors,
)
from reproductions.interferogram.networks import embedded, euclidean, shift_equivariant
from reproductions.interferogram.statements import ANGLES, CIRCLE, PLANE, Run, jumps, lower, shifts
from reproductions.interferogram.training import Setting, Trained, trained

TINY = Setting(iterations=2, width=2, ordinary=3, steps=1, runs=1, tile=8, image=16, side=16)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(5)


def test_the_elevation_model_turns_the_phase_once_for_the_height_of_ambiguity():
    phases = elevation_phases()
    assert phases.shape == (1, 344, 403)
    assert float(phases.abs().max()) <= math.pi + 1e-6
    heights = wrapped(phases.diff(dim=1)) * AMBIGUITY / (2 * math.pi)
    torch.testing.assert_close(heights, heights.round(), rtol=0, atol=1e-3)  # whole metres


@pytest.mark.parametrize("coherence", [0.3, 0.7])
def test_noise_has_the_law_of_phases_of_several_looks(coherence, generator):
    """The mean of cos φ, integrated over the density of Lee et al. 1994."""
    angles = np.linspace(-np.pi, np.pi, 4001)
    beta, rest = coherence * np.cos(angles), (1 - coherence**2) ** LOOKS
    density = rest / (2 * np.pi) * hyp2f1(LOOKS, 1, 0.5, beta**2)
    scale = gamma(LOOKS + 0.5) / (2 * np.sqrt(np.pi) * gamma(LOOKS))
    density += scale * rest * beta / (1 - beta**2) ** (LOOKS + 0.5)
    expected = np.trapezoid(density * np.cos(angles), angles)
    clean = torch.full((1, 300, 300), 0.5)
    noisy = with_noise(clean, torch.tensor([coherence]), generator).noisy
    assert float((noisy - 0.5).cos().mean()) == pytest.approx(expected, abs=0.006)
    assert float((noisy - 0.5).sin().mean()) == pytest.approx(0, abs=0.006)


def test_without_decoherence_there_is_no_noise(generator):
    clean = terrain_phases(2, side=16, generator=generator)
    noisy = with_noise(clean, torch.ones(2), generator).noisy
    assert float(Circle().dist(noisy, clean).max()) < 1e-4


def test_local_means_know_that_angles_jump():
    phases = wrapped(torch.tensor([math.pi - 0.1, math.pi + 0.1]).repeat(5, 5))[None]
    found = local_mean(3)(phases)
    assert float(Circle().dist(found, torch.tensor(math.pi)).max()) < 0.11


def test_errors_by_tile_and_near_jumps():
    clean = torch.zeros(1, 8, 16)
    clean[..., 8:] = math.pi - 0.1
    phases = Phases(clean, wrapped(clean + 0.3))
    errors = tile_errors(lambda x: x, phases, tile=8)
    torch.testing.assert_close(errors, torch.full((2,), 0.3))
    error = torch.zeros(1, 8, 16)
    error[..., 8:] = 2.0
    assert near_jumps(clean, error) == {"near": 2.0, "elsewhere": 0.0}


def test_more_noise_wants_a_larger_window(generator):
    flat = torch.zeros(4, 32, 32)
    noisy = with_noise(flat, torch.full((4,), 0.3), generator)
    assert best_window([noisy]) == 7
    rough = wrapped(2.0 * torch.arange(32.0)).expand(4, 32, 32)
    assert best_window([Phases(rough, rough)]) == 3


def test_only_complex_convolutions_commute_with_shifts(generator):
    phases = terrain_phases(1, side=16, generator=generator)
    networks = {b: b(3, 1) for b in (shift_equivariant, embedded, euclidean)}
    worst = {b: shift_error(network, phases) for b, network in networks.items()}
    assert worst[shift_equivariant] < 1e-5
    assert min(worst[embedded], worst[euclidean]) > 1e-4
    network = networks[shift_equivariant]
    assert network.claims()[0].structure == dx.OnManifold(Circle())
    found = network(phases)
    assert found.shape == phases.shape
    assert Circle().check(found)[0]


def test_equal_seeds_train_equally():
    def losses(seed):
        torch.manual_seed(0)
        return trained(shift_equivariant(2, 1), TINY, seed=seed).losses

    assert losses(1) == losses(1) != losses(2)


def run(error, *, shifted=0.0, near=1.0):
    done = Trained(nn.Identity(), [1.0], 1.0)
    return Run(done, {0.5: error}, shifted, {"near": near, "elsewhere": 1.0})


def test_statements_can_fail():
    small, large = torch.tensor([0.1, 0.2, 0.1]), torch.tensor([0.3, 0.5, 0.4])
    fine = {CIRCLE: [run(small)], PLANE: [run(large)], ANGLES: [run(large, near=3.0)]}
    assert lower(fine, ANGLES, None, 0.5).holds
    assert lower(fine, "mean", {0.5: large}, 0.5).holds
    assert shifts(fine).holds
    assert jumps(fine).holds
    worse = {**fine, CIRCLE: [fine[CIRCLE][0], run(large, shifted=0.1, near=2.0)]}
    assert not lower(worse, "mean", {0.5: large}, 0.5).holds
    assert not shifts(worse).holds
    assert not jumps(worse).holds
    undefined = {**fine, CIRCLE: [fine[CIRCLE][0], run(small, shifted=math.nan, near=math.nan)]}
    assert not shifts(undefined).holds
    assert not jumps(undefined).holds
    assert not jumps({**fine, ANGLES: [replace(fine[ANGLES][0], near=fine[PLANE][0].near)]}).holds
