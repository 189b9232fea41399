"""The invertible classifiers: the quick run, its parts beside exact answers, data, refusals."""

from functools import partial

import pytest
import torch
from torch import nn

import darboux as dx
from reproductions import invertible_classifiers as module
from reproductions import reproduce
from reproductions.common.classification import LabelledImages
from reproductions.common.sizes import kept_bytes, same_size
from reproductions.invertible_classifiers import data as images
from reproductions.invertible_classifiers.data import CLASSES, Task, drawings, task_of
from reproductions.invertible_classifiers.inversion import bytes_kept, restored
from reproductions.invertible_classifiers.training import Budget, Fitted, fitted

NAMES = (module.COUPLING, module.RESIDUAL)


def found_of(coupling, residual, plain, *, network=None):
    """Outcomes with these accuracies."""
    network = network or nn.Sequential(nn.Linear(2, 2))
    accuracies = {NAMES[0]: coupling, NAMES[1]: residual, module.PLAIN: plain}
    return {k: [Fitted(network, [0.1], [a], 1.0)] for k, a in accuracies.items()}


def test_the_quick_run_shows_what_the_full_one_does(reproduced):
    result, _ = reproduced("invertible-classifiers")
    assert result.holds, str(result)
    assert "drawings, made up" in result.lead
    texts = " ".join(statement.text for statement in result.statements)
    for name in NAMES:
        assert f"{name}: accuracy at most 3 points below the plain ResNet" in texts
        assert result.numbers[f"held-out accuracy in %, {name}, run 1"] > 90
        kept = (
            result.numbers[f"bytes kept with memory={m}, {name}"] for m in ("constant", "autograd")
        )
        small, large = kept
        assert 3 * small < large


def test_an_invertible_network_that_lags_is_refuted():
    found = found_of(0.895, 0.889, 0.9)
    assert [module._close(found, name, 1.0).holds for name in NAMES] == [True, False]
    assert [module._close(found, name, 1.5).holds for name in NAMES] == [True, True]


def test_networks_of_other_sizes_are_refuted():
    found = found_of(0.9, 0.9, 0.9)
    assert module._same_size(found).holds
    found[NAMES[0]] = found_of(0.9, 0.9, 0.9, network=nn.Sequential(nn.Linear(2, 3)))[NAMES[0]]
    assert not module._same_size(found).holds


def test_other_statements_can_fail():
    assert same_size({"a": 100, "b": 105}, "").holds
    assert not same_size({"a": 100, "b": 106}, "").holds
    assert not module._comes_back("x", 0.1).holds
    assert not module._comes_back("x", float("nan")).holds
    assert not module._spares("x", 100, 51).holds
    assert not module._same_gradient(0.01).holds


@pytest.mark.parametrize("build", module._networks(10, 16).values())
def test_the_networks_of_the_full_size_are_as_large(build):
    plain = list(module._networks(10, 16).values())[-1]
    sizes = [sum(p.numel() for p in f().parameters()) for f in (build, plain)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_images_of_any_size_come_back(name):
    network = module._networks(3, 8)[name]().double()
    images = torch.randn(4, 1, 9, 11, dtype=torch.float64)
    network.train()(images)
    found = restored(network.eval(), images)
    assert found.shape == images.shape
    torch.testing.assert_close(found, images, rtol=0, atol=1e-9)


def test_kept_bytes_of_a_known_graph():
    layer, x = nn.Linear(10, 20), torch.ones(3, 10)
    assert kept_bytes(layer, lambda: layer(x)) == 4 * 30
    assert kept_bytes(layer, lambda: (layer(x) * x.sum()).exp().exp()) == 4 * (30 + 1 + 60 + 60)


def test_what_constant_memory_keeps_does_not_grow_with_depth():
    data = drawings(8, side=16, noise=0.1)
    sizes = {
        memory: [
            bytes_kept(
                dx.models.coupling_classifier(1, CLASSES, channels=8, depth=(k, k)), data, memory
            )
            for k in (2, 8)
        ]
        for memory in ("constant", "autograd")
    }
    assert sizes["constant"][1] <= 1.02 * sizes["constant"][0]
    assert sizes["autograd"][1] > 3 * sizes["autograd"][0]


def test_drawings_are_reproducible_and_of_all_classes():
    first, again = (
        drawings(200, side=16, noise=0.1, generator=torch.Generator().manual_seed(2))
        for _ in range(2)
    )
    assert torch.equal(first.images, again.images)
    assert first.classes.unique().tolist() == list(range(CLASSES))
    clean = drawings(400, side=24, noise=0.0)
    assert (clean.images.flatten(1).sum(dim=1) > 5).all()


def test_training_is_the_same_for_the_same_seed():
    task = Task(drawings(64, side=8, noise=0.0), drawings(32, side=8, noise=0.0), CLASSES, "")
    build = partial(nn.Sequential, nn.Flatten())

    def net():
        return build(nn.Linear(64, CLASSES))

    runs = [fitted(net, task, Budget(epochs=2, batch=32), seed=s).losses for s in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_a_loss_that_is_not_finite_ends_the_training():
    bad = LabelledImages(torch.full((32, 1, 8, 8), torch.nan), torch.zeros(32, dtype=torch.int64))

    def net():
        return nn.Sequential(nn.Flatten(), nn.Linear(64, CLASSES))

    with pytest.raises(FloatingPointError, match="a finite loss; got nan at step 1"):
        fitted(net, Task(bad, bad, CLASSES, ""), Budget(epochs=1, batch=32), seed=0)


def test_data_of_a_folder_is_used(monkeypatch, tmp_path):
    asked = []

    def reader(folder, *, split="training"):
        asked.append((folder, split))
        return tuple(drawings(1600 if split == "training" else 600, side=12, noise=0.0))

    monkeypatch.setattr(images, "idx_images", reader)
    task = task_of(tmp_path / "clothes", images=1536, held_out=512, seed=0, quick=True)
    assert asked == [(tmp_path / "clothes", "training"), (tmp_path / "clothes", "held-out")]
    assert (task.source, task.classes) == ("clothes", CLASSES)
    assert (len(task.training.images), len(task.held_out.images)) == (1536, 512)
    assert float(task.training.images.std()) == pytest.approx(1, abs=1e-3)


def test_the_full_size_needs_data(tmp_path):
    with pytest.raises(ValueError, match=r"four IDX files of Fashion-MNIST; got none.*--data"):
        reproduce("invertible-classifiers", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_data_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(NotADirectoryError, match="Expected a folder of IDX files"):
        reproduce("invertible-classifiers", tmp_path / "out", data=tmp_path / "nowhere", quick=True)


def test_experiments_without_data_refuse_it(tmp_path):
    with pytest.raises(
        ValueError, match=r"Expected no data, for energy needs none; got .*Leave out"
    ):
        reproduce("energy", tmp_path / "out", data=tmp_path)
    assert not (tmp_path / "out").exists()
