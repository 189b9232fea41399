"""The volumes: the quick run, scores beside exact answers, memory limits that bite."""

import pytest
import torch
from torch import nn

from reproductions import volume_segmentation as module
from reproductions.volume_segmentation import peak_memory, statements
from reproductions.volume_segmentation.networks import (
    INVERTIBLE,
    PLAIN,
    Volumes,
    dice,
    loss_of,
    segmented,
    threshold_dice,
    unet,
)
from reproductions.volume_segmentation.peak_memory import Steps, measured_steps
from reproductions.volume_segmentation.training_step import _reason


def test_the_quick_run_shows_what_the_full_one_does(reproduced):
    result, _ = reproduced("volume-segmentation")
    assert result.holds, str(result)
    side = module._QUICK.sides[-1]
    peaks = [
        result.costs[f"peak of a step, {name}, {side}³, MiB"]
        for name in (f"{INVERTIBLE} (under the limit)", PLAIN)
    ]
    assert peaks[0] < result.numbers["limit, MiB"] < peaks[1]


def test_both_networks_are_as_large():
    assert statements.as_large(module._FULL).holds  # the quick run says it of its own size


def test_networks_of_other_sizes_are_refuted(monkeypatch):
    def network(name, channels, depth):
        return nn.Linear(10 if name == PLAIN else 11, 10)

    monkeypatch.setattr(statements, "unet", network)
    assert not statements.as_large(module._QUICK).holds


def test_scores_of_sets_by_hand():
    classes = torch.tensor([[[0, 1, 1, 2, 2, 2]]])
    volumes = torch.tensor([[[[0.0, 0.5, 0.6, 0.4, 0.9, 0.8]]]])
    data = Volumes(volumes, classes)
    assert dice(classes == 1, classes == 1) == 1.0
    assert dice(classes == 1, classes == 2) == 0.0
    assert threshold_dice(data, 2) == pytest.approx(2 * 2 / (2 + 3))
    assert threshold_dice(data, 1) == pytest.approx(2 * 2 / (4 + 2))


def test_no_threshold_beats_the_best():
    classes = torch.randint(3, (2, 5, 5, 5))
    volumes = classes[:, None] + torch.randn(2, 1, 5, 5, 5)
    best = threshold_dice(Volumes(volumes, classes), 2)
    for t in volumes.flatten().tolist():
        assert dice(volumes[:, 0] >= t, classes == 2) <= best + 1e-6


def test_the_loss_falls_where_the_truth_gets_likelier():
    classes = torch.randint(3, (2, 4, 4, 4))
    sure = nn.functional.one_hot(classes, 3).movedim(-1, 1).float()
    losses = [float(loss_of(scale * sure, classes)) for scale in (0.0, 1.0, 5.0, 50.0)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 1e-5


def test_segmentation_does_not_depend_on_the_batch():
    network = unet(INVERTIBLE, 4, (1, 1))
    volumes = torch.rand(5, 1, 8, 8, 8)
    alone = torch.cat([segmented(network, v[None]) for v in volumes])
    assert torch.equal(segmented(network, volumes), alone)


def statements_of(*, scores=(0.9, 0.9, 0.5), steps=None, kept=((1, 1), (10, 19))):
    names = ("found", "found in large volumes", "best threshold")
    given = {name: {1: x, 2: x} for name, x in zip(names, scores, strict=True)}
    fine = statements.Measured(
        mine=Steps([1, 2, 3], ""), plain=Steps([2, 4, 6], ""), refused=Steps([], "no memory")
    )
    found = [
        *statements.learned(given, module._QUICK),
        *statements.limited(module._QUICK, steps or fine),
        *statements.spares(dict(zip((INVERTIBLE, PLAIN), kept, strict=True))),
    ]
    return [statement.holds for statement in found]


def test_statements_fail_where_they_should():
    bad = statements.Measured(
        mine=Steps([1], "no memory"), plain=Steps([2], ""), refused=Steps([3], "")
    )
    assert statements_of() == [True] * 7
    assert statements_of(scores=(0.5, 0.5, 0.45)) == [False] * 3 + [True] * 4
    assert statements_of(scores=(0.9, 0.9, 0.85)) == [True, False, False] + [True] * 4
    assert statements_of(steps=bad) == [True] * 3 + [False] * 2 + [True] * 2
    assert statements_of(kept=((10, 19), (1, 1))) == [True] * 5 + [False] * 2


def test_only_want_of_memory_is_taken_for_it():
    assert _reason(RuntimeError("DefaultCPUAllocator: can't allocate memory")).startswith("Default")
    assert _reason(MemoryError()) == "MemoryError"
    with pytest.raises(RuntimeError, match="size mismatch"):
        _reason(RuntimeError("size mismatch"))


def test_a_measurement_that_fails_otherwise_is_an_error(tmp_path):
    missing = tmp_path / "none.pt"
    with pytest.raises(RuntimeError, match=r"it ended with code 1: FileNotFoundError.*none\.pt"):
        measured_steps(PLAIN, channels=4, depth=(1,), sides=(8,), weights=missing)


def test_other_systems_are_refused(monkeypatch):
    monkeypatch.setattr(peak_memory.sys, "platform", "win32")
    with pytest.raises(OSError, match=r"Expected Linux.*; got win32"):
        measured_steps(PLAIN, channels=4, depth=(1,), sides=(8,))
