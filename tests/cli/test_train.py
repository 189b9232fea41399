"""``darboux train denoise``: options, refusals, and a whole small run."""

import json
import subprocess
import sys
from dataclasses import fields

import pytest
import torch

from darboux.data import Picture
from darboux.training import DenoiseConfig

TINY = [
    *("--steps", 3, "--batch", 2, "--patch", 8, "--eval-every", 2),
    *("--features", 8, "--units", 8, "--depth", 2, "--effort", "quick", "--lr", 0.003),
]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    generator = torch.Generator().manual_seed(0)
    for name in ("a.png", "b.png"):
        Picture(torch.rand(1, 18, 21, generator=generator)).save(folder / name)
    return folder


def test_whole_run_and_what_may_follow_it(run, refused, images, tmp_path):
    out = tmp_path / "run"
    command = ["train", "denoise", "--out", out, "--images", images, "--held-out", images]
    result = run(*command, *TINY)
    assert result.code == 0, result.err
    assert "total variation" in result.out
    assert "certificate holds" in result.out
    assert json.loads((out / "metrics.json").read_text())["certificate_holds"] is True
    config = DenoiseConfig.load(out / "config.json")
    assert (config.steps, config.lr, config.seed) == (3, 0.003, 0)

    before = {file.name: file.read_bytes() for file in out.iterdir()}
    assert "already holds a run" in refused(*command, *TINY)
    assert "lr: 0.1, not 0.003" in refused(*command, "--resume", "--lr", 0.1)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before


def test_refuted_certificate_gives_exit_code_1(run, images, tmp_path, monkeypatch):
    class Refuted:
        holds = False

        def to_json(self):
            return "{}"

        def to_html(self):
            return ""

    monkeypatch.setattr("darboux.training._run.certify_denoiser", lambda *a, **k: Refuted())
    out = tmp_path / "run"
    result = run(
        "train",
        "denoise",
        "--out",
        out,
        "--images",
        images,
        "--held-out",
        images,
        "--no-twin",
        *TINY,
    )
    assert result.code == 1
    assert "REFUTED" in result.out
    assert "is refuted" in (out / "report.html").read_text()


def test_resuming_needs_no_repetition_of_the_options(run, images, tmp_path, monkeypatch):
    seen = []

    def train(config, out, **options):
        seen.append((config, options["resume"]))
        return {}

    monkeypatch.setattr("darboux.cli._train.train_denoiser", train)
    monkeypatch.setattr("darboux.cli._train._summary", lambda metrics, out: "")
    out = tmp_path / "run"
    out.mkdir()
    config = DenoiseConfig(images=str(images), depth=3, sigma=0.2, twin=False)
    config.save(out / "config.json")
    run("train", "denoise", "--out", out, "--resume")
    run("train", "denoise", "--out", out, "--resume", "--depth", 5)
    assert seen[0] == (config, True)
    assert seen[1][0].depth == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sigma", 0], "sigma > 0; got 0"),
        (["--sigma", -25], "sigma > 0"),
        (["--steps", 0], "steps >= 1"),
        (["--lr", 0], "lr > 0"),
        (["--loss", "l9"], "got 'l9'"),
        (["--metric", "best"], "got 'best'"),
        (["--channels", 2], "1 or 3 channels"),
        (["--images", "nowhere"], "Expected a folder of images; got nowhere"),
        (["--patch", 200], "at least 200 x 200 pixels"),
        (["--features", 2], "eatures"),
        (["--fraction", 1.5], "raction"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_bad_input_is_refused_and_nothing_is_written(refused, images, tmp_path, options, message):
    if "--images" not in options:
        options = [*options, "--images", images, "--held-out", images]
    out = tmp_path / "run"
    base = ["--patch", 8] if "--patch" not in options else []
    assert message in refused("train", "denoise", "--out", out, *base, *options)
    assert not out.exists()


def test_corrupt_image_is_refused_by_name(refused, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    error = refused("train", "denoise", "--out", tmp_path / "run", "--images", folder)
    assert "broken.jpg" in error


def test_full_disk_is_one_line(refused, images, tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("darboux.training._files._write_through", full)
    error = refused(
        "train",
        "denoise",
        "--out",
        tmp_path / "run",
        "--images",
        images,
        "--held-out",
        images,
        *TINY,
    )
    assert "No space is left on the disk" in error


def test_divergence_is_said_in_the_last_line(run, images, tmp_path):
    result = run(
        *("train", "denoise", "--out", tmp_path / "run", "--images", images, "--held-out", images),
        *TINY,
        *("--twin-lr", 1e30, "--steps", 8),
    )
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith("Error: Expected a finite training loss")
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_help_names_every_setting_with_its_default(run):
    text = " ".join(run("train", "denoise", "--help").out.split())
    missing = [
        f.name
        for f in fields(DenoiseConfig)
        if f.name != "warmup" and f"--{f.name.replace('_', '-')}" not in text
    ]
    assert missing == []
    assert "25" in text


@pytest.mark.parametrize(
    "command", [[], ["train"], ["train", "denoise"], ["denoise"], ["certify"]], ids=" ".join
)
def test_every_command_has_help(run, command):
    result = run(*command, "--help")
    assert result.code == 0
    assert "Usage:" in result.out


def test_module_runs_as_a_program_without_a_traceback(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "darboux.cli", "train", "denoise", "--sigma=0", f"--out={tmp_path}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: Expected a noise level")
    assert done.stderr.count("\n") == 1
