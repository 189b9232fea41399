"""The motions: reading, integration, distances beside slow ones; statements can fail."""

import math

import pytest
import torch

from darboux.manifolds import SO
from reproductions import reproduce
from reproductions.activity_recognition.data import INTERVAL, Motions, made_up, recorded
from reproductions.activity_recognition.measures import (
    distances,
    euclidean,
    invariant,
    right,
    rotations,
    slower,
    warped,
)
from reproductions.activity_recognition.networks import CurveNetwork, trained
from reproductions.activity_recognition.statements import (
    INVARIANT,
    WARPED,
    counted,
    invariances,
    learned,
    no_better,
    on_group,
    unmoved,
)

HEADER = "#about\n@dimensions 6\n@classLabel true Standing Running\n@data\n"


def write(folder, rows, header=HEADER):
    for split in ("TRAIN", "TEST"):
        (folder / f"BasicMotions_{split}.ts").write_text(header + "\n".join(rows))


def test_files_are_read(tmp_path):
    write(tmp_path, ["1,2:3,4:5,6:7,8:9,10:11,12:Running", "0,0:0,0:0,0:1,1:1,1:1,1:Standing"])
    found = recorded(tmp_path, split="TEST")
    assert found.velocities[0].tolist() == [[7.0, 9.0, 11.0], [8.0, 10.0, 12.0]]
    assert found.classes.tolist() == [1, 0]


@pytest.mark.parametrize("row", ["", "1,2:3,4:Running", "1:1:1:1:1:1:Flying"])
def test_other_files_are_refused(tmp_path, row):
    write(tmp_path, [row])
    with pytest.raises(ValueError, match="Expected recordings of six dimensions"):
        recorded(tmp_path, split="TRAIN")


def test_the_full_size_needs_data(tmp_path):
    with pytest.raises(ValueError, match=r"BasicMotions_TEST\.ts; got none.*--data"):
        reproduce("activity-recognition", tmp_path / "out")
    with pytest.raises(ValueError, match=r"Expected a folder with BasicMotions_TRAIN\.ts"):
        reproduce("activity-recognition", tmp_path / "out", data=tmp_path)


def test_data_of_a_folder_is_used(tmp_path):
    motions = made_up(8, samples=12, generator=torch.Generator().manual_seed(0))
    names = ("Standing", "Running", "Walking", "Badminton")
    still = [",".join(["0"] * 12)] * 3
    rows = [
        ":".join([*still, *(",".join(f"{x:.4f}" for x in axis) for axis in velocities.T), names[k]])
        for velocities, k in zip(motions.velocities, motions.classes.tolist(), strict=True)
    ]
    write(tmp_path, rows, HEADER.replace("Standing Running", " ".join(names)))
    found = recorded(tmp_path, split="TRAIN")
    torch.testing.assert_close(found.velocities, motions.velocities, rtol=0, atol=1e-4)


def test_a_constant_velocity_turns_about_its_axis():
    velocity = torch.tensor([0.0, 0.0, 30.0], dtype=torch.float64)  # more than a quarter turn
    curve = rotations(velocity.expand(10, 3))
    assert SO(3).check(curve)[0]
    angle = 30 * INTERVAL * 10
    expected = [math.cos(angle), math.sin(angle), 0.0]
    torch.testing.assert_close(curve[-1][:, 0], torch.tensor(expected).double(), atol=1e-6, rtol=0)


def test_warping_is_the_least_cost_of_all_matchings():
    x, y = torch.randn(5, 2), torch.randn(4, 2)

    def least(i, j):
        if min(i, j) < 0:
            return 0.0 if i == j == -1 else math.inf
        cost = float((x[i] - y[j]).square().sum())
        return cost + min(least(i - 1, j), least(i, j - 1), least(i - 1, j - 1))

    assert float(warped(x, y)) == pytest.approx(least(4, 3) ** 0.5, rel=1e-5)


def test_only_the_invariant_distance_forgets_speed_and_orientation():
    first, second = made_up(8, samples=30).velocities.double().split(4)
    apart = invariant(rotations(first), rotations(second))
    start = SO(3).random_point(dtype=torch.float64)
    same = invariant(rotations(first), start @ rotations(slower(first)))
    assert (same < 1e-3 * apart).all()
    assert (warped(first, slower(first)) > 0.1).all()


def test_the_nearest_neighbour_by_hand():
    training = Motions(torch.tensor([0.0, 1.0])[:, None, None], torch.tensor([3, 7]))
    judged = Motions(torch.tensor([0.2, 0.9, 0.4])[:, None, None], torch.tensor([3, 7, 7]))
    table = distances(euclidean, judged.velocities, training.velocities)
    torch.testing.assert_close(table[0], torch.tensor([0.2, 0.8]))
    assert right(table, training, judged).tolist() == [True, True, False]


def test_a_network_learns_and_forgets_the_first_orientation():
    motions = made_up(12, samples=30, generator=torch.Generator().manual_seed(0))
    curves = rotations(motions.velocities)
    network = trained(curves, motions, classes=4, seed=0)
    assert bool((network(curves).argmax(1) == motions.classes).all())
    other = CurveNetwork(4).double()
    curves = curves.double()
    start = SO(3).random_point(dtype=torch.float64)
    torch.testing.assert_close(other(start @ curves), other(curves))
    assert not torch.allclose(other(curves @ start), other(curves))


def test_statements_can_fail():
    assert learned(torch.tensor([[True, True], [True, False]]), least=0.75).holds
    assert not learned(torch.tensor([[True, True], [True, False]]), least=0.8).holds
    assert not unmoved(torch.ones(2), torch.tensor([1.0, 1.1])).holds
    all_, half = torch.tensor([True] * 4), torch.tensor([True, False] * 2)
    assert no_better({INVARIANT: half, WARPED: all_}).holds
    assert not no_better({INVARIANT: all_, WARPED: half}).holds
    assert [s.holds for s in counted({"a": half}, least={"a": 2})] == [True]
    assert [s.holds for s in counted({"a": half}, least={"a": 3})] == [False]
    assert not invariances({"x": {INVARIANT: 0.1, WARPED: 1.0}})[0].holds
    assert on_group(SO(3).identity(2, 5)).holds
    assert not on_group(1.01 * SO(3).identity(2, 5)).holds
