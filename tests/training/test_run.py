"""Whole runs: what they write, and that stopping, killing and resuming change nothing."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from darboux.data import Picture
from darboux.training import MetricsLog, RunFolder, load_tensors, train_denoiser
from darboux.training._stage import Stage

FILES = {
    "config.json",
    "model.safetensors",
    "twin.safetensors",
    "metrics.json",
    "metrics.jsonl",
    "certificate.json",
    "report.html",
    "tv.json",
    ".lock",
}


SCRIPT = Path(__file__).with_name("killed.py")


class StoppedError(Exception):
    """Raised by a listener, as a kill would come."""


class Stopper:
    """A listener that stops the run at a step of a network."""

    def __init__(self, network, step):
        self.at = (network, step)

    def phase(self, text):
        pass

    def evaluation(self, line):
        pass

    def step(self, network, done, total):
        if (network, done) == self.at:
            raise StoppedError


def trained(folder):
    """The weights of both networks, and the log without its times."""
    folder = RunFolder(folder)
    weights = {n: load_tensors(folder.weights(n))[0] for n in ("model", "twin")}
    lines = MetricsLog(folder.log).lines()
    return weights, [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def assert_same(one, other):
    """Same machine, same number of threads: not one bit differs."""
    for name, weights in one[0].items():
        for key, tensor in weights.items():
            assert torch.equal(tensor, other[0][name][key]), f"{name}/{key}"
    assert one[1] == other[1]


def test_run_writes_its_files_and_nothing_else(reference):
    out, metrics = reference
    assert {file.name for file in out.iterdir()} == FILES
    assert json.loads((out / "metrics.json").read_text()) == metrics
    keys = {"psnr_noisy", "psnr_model", "psnr_tv", "psnr_unconstrained"}
    assert all(isinstance(metrics[key], float) for key in keys)
    assert metrics["certificate_verdict"] == metrics["twin_nonexpansive"] == "holds"


def test_means_are_those_of_the_table(reference):
    _, metrics = reference
    for method in ("noisy", "model", "tv", "unconstrained"):
        values = [row[method] for row in metrics["images"].values()]
        assert metrics[f"psnr_{method}"] == pytest.approx(sum(values) / len(values), rel=1e-12)


def test_log_has_one_line_per_evaluation(reference):
    out, metrics = reference
    lines = MetricsLog(out / "metrics.jsonl").lines()
    places = [(line["network"], line["step"]) for line in lines]
    assert places == [(name, step) for name in ("model", "twin") for step in (2, 4, 6)]
    assert lines[2]["psnr"] == pytest.approx(metrics["psnr_model"], abs=1e-6)
    assert lines[5]["psnr"] == pytest.approx(metrics["psnr_unconstrained"], abs=1e-6)


def test_run_of_another_seed_without_twin_and_refuted(small, reference, quick, tmp_path):
    quick.verdict, out = "refuted", tmp_path / "run"
    metrics = train_denoiser(replace(small, seed=6, twin=False), out)
    assert metrics["certificate_verdict"] == "refuted"
    assert metrics["psnr_unconstrained"] is None
    assert not (out / "twin.safetensors").exists()
    html = (out / "report.html").read_text()
    assert "The certificate is refuted" in html
    assert "unconstrained</th>" not in html
    weights = [load_tensors(RunFolder(f).weights("model"))[0] for f in (out, reference[0])]
    assert any(not torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())


@pytest.mark.parametrize(
    ("network", "step"),
    [
        pytest.param(
            "model", 1, marks=pytest.mark.slow
        ),  # a kill before the first checkpoint: below
        ("model", 3),
        ("model", 6),
        pytest.param("twin", 2, marks=pytest.mark.slow),
        ("twin", 5),
    ],
)
def test_stopped_run_resumes_to_the_same_result(small, reference, quick, tmp_path, network, step):
    out = tmp_path / "run"
    with pytest.raises(StoppedError):
        train_denoiser(small, out, listener=Stopper(network, step))
    train_denoiser(small, out, resume=True)
    assert_same(trained(reference[0]), trained(out))
    assert {file.name for file in out.iterdir()} == FILES


def test_kill_between_log_and_checkpoint_leaves_no_duplicates(
    small, reference, quick, tmp_path, monkeypatch
):
    out = tmp_path / "run"

    def killed(self, line, trainer):
        MetricsLog(self.folder.log).append(line)
        with self.folder.log.open("a") as file:
            file.write('{"network": "model", "st')
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(Stage, "_write", killed)
        with pytest.raises(StoppedError):
            train_denoiser(small, out)
    train_denoiser(small, out, resume=True)
    assert_same(trained(reference[0]), trained(out))


def test_resuming_a_complete_run_changes_nothing(small, reference, quick, tmp_path):
    out, metrics = tmp_path / "run", reference[1]
    shutil.copytree(reference[0], out)
    before = {n: (out / n).read_bytes() for n in FILES if n.endswith((".safetensors", ".jsonl"))}
    again = train_denoiser(small, out, resume=True)
    assert {n: (out / n).read_bytes() for n in before} == before
    assert again["images"] == metrics["images"]


def test_truncated_checkpoint_is_refused_by_name_and_kept(small, quick, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(StoppedError):
        train_denoiser(small, out, listener=Stopper("model", 3))
    checkpoint = out / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:300])
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors, which is truncated"):
        train_denoiser(small, out, resume=True)
    assert checkpoint.stat().st_size == 300


def test_full_disk_keeps_the_last_checkpoint(small, reference, quick, tmp_path, monkeypatch):
    out = tmp_path / "run"
    from darboux.data import _files as files

    genuine, calls = files._write_through, []

    def full_at_the_second_checkpoint(path, content):
        calls.append(path.name)
        if sum("checkpoint" in name for name in calls) == 2:
            raise OSError(28, os.strerror(28))
        genuine(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(files, "_write_through", full_at_the_second_checkpoint)
        with pytest.raises(OSError, match=r"No space is left .*checkpoint.*--resume"):
            train_denoiser(small, out)
    assert load_tensors(out / "checkpoint.safetensors")[1]["step"] == 2
    train_denoiser(small, out, resume=True)
    assert_same(trained(reference[0]), trained(out))


def test_run_that_diverges_at_its_last_step_is_not_finished(small, quick, tmp_path):
    out = tmp_path / "run"
    config = replace(small, steps=1, eval_every=1, lr=1e39)
    for resume in (False, True):
        with pytest.raises(FloatingPointError, match="the training diverged"):
            train_denoiser(config, out, resume=resume)
    assert sorted(file.name for file in out.iterdir()) == [".lock", "config.json", "metrics.jsonl"]
    assert MetricsLog(out / "metrics.jsonl").lines() == []


def test_twin_that_diverges_leaves_the_network_its_report(small, reference, quick, tmp_path):
    out = tmp_path / "run"
    for resume in (False, True):
        metrics = train_denoiser(replace(small, twin_lr=1e39), out, resume=resume)
        assert "the training diverged" in metrics["twin_diverged"]
        assert metrics["psnr_unconstrained"] is None
        assert metrics["psnr_model"] == reference[1]["psnr_model"]
        assert "There is no unconstrained network" in (out / "report.html").read_text()
        assert {file.name for file in out.iterdir()} == FILES - {"twin.safetensors"}


def test_changed_images_are_refused_on_resuming(small, quick, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    Picture(torch.rand(1, 20, 20)).save(images / "a.png")
    config = replace(small, images=str(images))
    with pytest.raises(StoppedError):
        train_denoiser(config, tmp_path / "run", listener=Stopper("model", 3))
    Picture(torch.rand(1, 20, 20)).save(images / "b.png")
    with pytest.raises(ValueError, match="files have been added, removed or changed"):
        train_denoiser(config, tmp_path / "run", resume=True)


def test_weights_of_another_network_are_refused(small, reference, tmp_path):
    from darboux.training import build_network

    network = build_network("model", replace(small, depth=3))
    with pytest.raises(ValueError, match=r"got others in .*model\.safetensors"):
        RunFolder(reference[0]).load_weights("model", network)


def test_corrupt_image_is_refused_before_anything_is_written(small, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    (images / "bad.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"bad\.png"):
        train_denoiser(replace(small, images=str(images)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_report_is_one_file_with_everything_inside(reference):
    html = (reference[0] / "report.html").read_text()
    assert html.count("data:image/png;base64,") == 2 * 5  # 2 images, 4 methods and the clean one
    assert html.count("<svg") == 2
    assert "<p>verdict</p>" in html
    assert html.count("<td>0 &lt;i&gt;&amp;.png</td>") == 1
    assert "<i>" not in html
    assert not re.findall(r"(?:src|href)=[\"'](?!data:|#)", html)
    assert "<script" not in html
    assert "prefers-color-scheme: dark" in html
    assert "{" not in html.split("</style>")[1].split("<svg")[0]  # no unfilled place


@pytest.mark.long
@pytest.mark.parametrize("length", ["short", pytest.param("long", marks=pytest.mark.slow)])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows forks no processes")
def test_killed_full_and_rival_runs_resume_to_the_same_result(small, tmp_path, length):
    """Real processes, one thread each on one machine: the weights agree bit by bit."""
    small.save(tmp_path / "config.json")
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path, tmp_path / "config.json", length],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    many = {"point": found["points"], "moment": 20, "disk": 14, "both": 1, "race": 10}
    few = {"point": 3, "moment": 1, "disk": 1, "both": 1}
    assert found["counts"] == (few if length == "short" else many)
