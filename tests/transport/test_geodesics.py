"""Kinetic energy and deviation from the Wasserstein geodesic along depth."""

import math
from itertools import pairwise

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch.testing import assert_close

import darboux as dx
from darboux.transport import geodesic_deviation, kinetic_energy, wasserstein_distance

DOUBLE = torch.float64


def convex_track(count=100, steps=6):
    x = torch.randn(count, 3, dtype=DOUBLE)
    times = torch.linspace(0, 1, steps + 1, dtype=DOUBLE)[:, None, None]
    return torch.lerp(x, 2 * x + x.relu() + 1, times)


def turning_track(angle, count=200, steps=8):
    x = torch.randn(count, 2, dtype=DOUBLE)
    angles = torch.linspace(0, angle, steps + 1, dtype=DOUBLE)
    turns = torch.stack([angles.cos(), angles.sin(), -angles.sin(), angles.cos()], dim=-1)
    return x @ turns.reshape(-1, 2, 2)


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
def test_interpolations_of_optimal_transport_are_geodesics(dtype):
    found = geodesic_deviation(convex_track().to(dtype))
    assert found.deviation.dtype == dtype
    assert float(found.deviation.max()) < 20 * torch.finfo(dtype).eps
    assert found.length == pytest.approx(found.distance, rel=1e-6)


def test_order_of_samples_does_not_count():
    track = convex_track()
    mixed = torch.stack([layer[torch.randperm(len(layer))] for layer in track])
    assert float(geodesic_deviation(mixed).deviation.max()) < 1e-12


def test_other_speeds_keep_the_length_and_lie_on_the_geodesic_at_other_times():
    track = convex_track()
    times = torch.linspace(0, 1, 7, dtype=DOUBLE).square()
    slow = torch.lerp(track[0], track[-1], times[:, None, None])
    found = geodesic_deviation(slow)
    assert found.length == pytest.approx(found.distance)
    assert found.relative == pytest.approx(0.25, abs=1e-9)  # max of t - t²
    assert float(geodesic_deviation(slow, times=times).deviation.max()) < 1e-12


def test_turning_clouds_take_a_detour():
    found = geodesic_deviation(turning_track(3.0))
    assert found.length / found.distance > 1.5
    assert found.relative > 0.1
    assert (found.deviation[0], found.deviation[-1]) == (0, 0)


def test_deviation_is_the_distance_to_the_interpolated_cloud():
    track = torch.randn(4, 30, 2, dtype=DOUBLE).cumsum(dim=0)
    found = geodesic_deviation(track)
    x, y = track[0], track[-1]
    exact = linear_sum_assignment(torch.cdist(x, y).square())[1]
    for t, z, value in zip(found.times, track, found.deviation, strict=True):
        assert_close(value, wasserstein_distance(z, torch.lerp(x, y[exact], t)))
    assert found.distance == pytest.approx(float(wasserstein_distance(x, y)))
    pieces = [float(wasserstein_distance(a, b)) for a, b in pairwise(track)]
    assert found.length == pytest.approx(sum(pieces))


def test_energy_is_bounded_from_below():
    """Benamou and Brenier: the energy, then the displacement, then the distance."""
    for track in (torch.randn(5, 40, 3).cumsum(dim=0), turning_track(2.0).float()):
        energy = float(kinetic_energy(track).mean())
        straight = float((track[-1] - track[0]).square().flatten(1).sum(dim=1).mean())
        assert energy > straight > geodesic_deviation(track).distance ** 2


def test_energy_is_least_on_straight_tracks_of_equal_steps():
    track = convex_track()
    least = (track[-1] - track[0]).square().sum(dim=1)
    assert_close(kinetic_energy(track), least)
    assert_close(kinetic_energy(track, horizon=4.0), least / 4)
    assert bool((kinetic_energy(track[[0, 1, 2, 6]]) > least).all())


def test_energy_of_a_flow_is_that_of_the_regulariser():
    fields = [
        dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.Tanh()) for _ in range(5)
    ]
    flow = dx.Flow(fields, dx.integrators.Euler(), horizon=2.0)
    states = flow.trajectory(torch.randn(9, 3))
    assert_close(
        kinetic_energy(states, horizon=2.0).mean(),
        dx.control.KineticEnergy().along(flow, states),
    )


def test_energy_has_gradients_and_takes_no_samples():
    track = torch.randn(4, 2, 3, dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradcheck(kinetic_energy, track)
    assert kinetic_energy(torch.zeros(3, 0, 2)).shape == (0,)
    assert kinetic_energy(torch.zeros(3, 2, 2, device="meta")).shape == (2,)
    assert kinetic_energy(track.detach().half()).dtype == torch.float32
    assert kinetic_energy(torch.full((2, 1, 1), math.nan)).isnan().all()


def test_clouds_that_end_where_they_began():
    x = torch.randn(10, 2)
    found = geodesic_deviation(torch.stack([x, x + 1, x]))
    assert found.distance == 0
    assert math.isnan(found.relative)
    assert found.length == pytest.approx(2 * math.sqrt(2), rel=1e-6)


def test_bad_input():
    track = convex_track(10, 3)
    with pytest.raises(ValueError, match=r"at least 2 of them; got shape \(1, 3\)"):
        geodesic_deviation(track[:, :1])
    with pytest.raises(ValueError, match=r"NaN or infinity at point 4"):
        geodesic_deviation(track.index_fill(1, torch.tensor([4]), math.nan))
    with pytest.raises(ValueError, match=r"times 0 = t_0 <= ... <= t_K = 1, 4 of them; got"):
        geodesic_deviation(track, times=torch.tensor([0.0, 0.7, 0.5, 1.0]))
    with pytest.raises(ValueError, match=r"horizon to be a positive finite number; got 0"):
        kinetic_energy(track, horizon=0)
    with pytest.raises(ValueError, match=r"kinetic_energy: expected states .* got shape \(3,\)"):
        kinetic_energy(torch.zeros(3))
