"""The pendulum, its drift, its modified energies; and that the statements can fail."""

import math

import pytest
import torch

from darboux.integrators import Euler, Kutta4, StormerVerlet, SymplecticEuler
from reproductions import energy
from reproductions.common.figures import COLOURS
from reproductions.energy.modified_energy import Convergence
from reproductions.energy.pendulum import START, Track, deviation, pendulum


def test_pendulum_has_the_energy_and_the_field_that_is_said():
    x = torch.randn(5, 2, dtype=torch.float64)
    z, p = x.unbind(dim=1)
    torch.testing.assert_close(pendulum().energy(0.0, x), p.square() / 2 - z.cos())
    torch.testing.assert_close(pendulum()(0.0, x), torch.stack([p, -z.sin()], dim=1))


def test_both_panels_show_every_method_of_the_legend(monkeypatch, tmp_path):
    figures = []
    monkeypatch.setattr(energy, "save", lambda figure, path: figures.append(figure))
    tracks = energy._tracks(steps=20)
    energy._draw_errors(tracks, tmp_path / "energy.png")
    for axes in figures[0].axes:
        assert [line.get_color() for line in axes.lines] == list(COLOURS[: len(tracks)])


def test_track_is_kick_drift_kick():
    h, (z, p) = 0.2, START
    for _ in range(5):
        p -= h / 2 * math.sin(z)
        z += h * p
        p -= h / 2 * math.sin(z)
    found = Track("", StormerVerlet(), h, 5).states[-1]
    torch.testing.assert_close(found, torch.tensor([z, p], dtype=torch.float64))


def test_drift_sees_a_line_and_not_an_oscillation():
    track = Track("", Euler(), h=0.1, steps=1000)
    track.__dict__["errors"] = 1e-3 * track.times / 100 + 0.05 * torch.sin(1.3 * track.times)
    assert track.drift() == pytest.approx(1e-3, rel=0.05)


def test_deviation_of_an_invariant_is_zero():
    states = torch.tensor([[1.0, 2.0], [2.0, 1.0]], dtype=torch.float64)
    assert deviation(lambda t, z: z.sum(dim=1), states).tolist() == [0.0, 0.0]
    assert deviation(lambda t, z: z[:, 0], states).tolist() == [0.0, 1.0]


def test_a_wrong_order_is_refuted():
    tracks = [Track("", SymplecticEuler(), 5 / n, n) for n in (50, 100)]
    assert Convergence("H", tracks, terms=0, order=1).statement().holds
    assert not Convergence("H", tracks, terms=0, order=2).statement().holds


def test_a_method_that_keeps_no_energy_is_refuted(monkeypatch):
    monkeypatch.setattr(energy, "StormerVerlet", Kutta4)
    monkeypatch.setattr(energy, "GonzalezGradient", Kutta4)
    said = energy._statements(energy._tracks(steps=250))
    failed = [s.text for s in said if not s.holds]
    assert "Störmer-Verlet: bounded, no drift" in failed
    assert "Gonzalez: energy kept to 1e-11" in failed
