"""Runs that train a regulariser: their files, their continuation, and what is loaded of them."""

import json
from dataclasses import replace

import pytest
import torch

import darboux as dx
from darboux.training import (
    DenoiseConfig,
    MetricsLog,
    RegularizerConfig,
    RunFolder,
    build_network,
    load_tensors,
    save_tensors,
    train_denoiser,
)

SMALL = RegularizerConfig(
    steps=4, batch=2, patch=8, eval_every=2, filters=8, kernel_size=3, iterations=3, seed=5
)


class StoppedError(Exception):
    """Raised by a listener, as a kill would come."""


class Stopper:
    def phase(self, text):
        pass

    def evaluation(self, line):
        pass

    def step(self, network, done, total):
        if done == 3:
            raise StoppedError


@pytest.fixture(scope="session")
def settings(folders):
    return replace(SMALL, images=str(folders["training"]), held_out=str(folders["held-out"]))


@pytest.fixture(scope="session")
def finished(settings, tmp_path_factory):
    out = tmp_path_factory.mktemp("regularizer") / "run"
    return out, train_denoiser(settings, out, effort="quick")


def test_run_writes_its_files_and_is_loaded_with_its_certificate(finished, settings):
    out, metrics = finished
    assert {file.name for file in out.iterdir()} == {
        *("config.json", "model.safetensors", "metrics.json", "metrics.jsonl"),
        *("certificate.json", "report.html", "tv.json", ".lock"),
    }
    assert (metrics["task"], metrics["certificate_verdict"]) == ("regularizer", "holds")
    assert (
        "A regulariser that is weakly convex by construction" in (out / "report.html").read_text()
    )
    model, certificate = dx.load(out)
    assert certificate.holds
    assert certificate.require(dx.WeaklyConvex(1.0))
    network = build_network("model", settings)
    RunFolder(out).load_weights("model", network)
    x = torch.rand(1, 1, 12, 12)
    assert torch.equal(model(x), network.prior(x))
    assert not model.training


def test_stopped_run_resumes_to_the_same_result(finished, settings, quick, tmp_path):
    with pytest.raises(StoppedError):
        train_denoiser(settings, tmp_path / "run", listener=Stopper())
    train_denoiser(settings, tmp_path / "run", resume=True)
    one, other = RunFolder(finished[0]), RunFolder(tmp_path / "run")
    weights, others = (load_tensors(folder.weights("model"))[0] for folder in (one, other))
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    lines, more = (MetricsLog(folder.log).lines() for folder in (one, other))
    assert [line["psnr"] for line in lines] == [line["psnr"] for line in more]


def test_weights_that_were_changed_are_not_loaded(finished, tmp_path):
    for name in ("config.json", "metrics.json", "certificate.json"):
        (tmp_path / name).write_bytes((finished[0] / name).read_bytes())
    tensors, about = load_tensors(finished[0] / "model.safetensors")
    tensors["prior.bank.weight"][0, 0, 0, 0] += 1e-3
    save_tensors(tmp_path / "model.safetensors", tensors, about)
    with pytest.raises(ValueError, match=r"weights that .*certificate\.json speaks of; got others"):
        dx.load(tmp_path)


def test_run_that_is_not_complete_is_not_loaded(finished, tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((finished[0] / name).read_bytes())
    with pytest.raises(FileNotFoundError, match=r"darboux train regularizer --out .* --resume"):
        dx.load(tmp_path)


def test_settings_go_through_json_and_know_their_task(tmp_path):
    config = RegularizerConfig(weak=0.5, turns=False, filters=12)
    config.save(tmp_path / "config.json")
    assert RunFolder(tmp_path).load_config() == config
    assert json.loads((tmp_path / "config.json").read_text())["task"] == "regularizer"
    with pytest.raises(ValueError, match="config of a denoising run; got another"):
        DenoiseConfig.load(tmp_path / "config.json")
    with pytest.raises(ValueError, match="task: 'denoise', not 'regularizer'"):
        RunFolder(tmp_path).check(DenoiseConfig(), resume=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weak": 1.5}, "0 <= weak <= 1; got 1.5"),
        ({"sharpness": 1.0}, "sharpness > 1; got 1"),
        ({"penalty": float("inf")}, "penalty > 1; got inf"),
        ({"kernel_size": 4}, "odd, from 3 to 101; got 4"),
        ({"filters": 12}, "multiple of 8; got 12"),
        ({"filters": 6, "turns": False}, "multiple of 4; got 6"),
        ({"derivative": "exact"}, "one of jacobian-free, implicit, unrolled; got 'exact'"),
        ({"iterations": 0}, "iterations >= 1; got 0"),
        ({"filters": 2**24, "kernel_size": 9}, "(weights) <= "),
    ],
    ids=str,
)
def test_impossible_values_are_refused(change, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        RegularizerConfig(**change)
