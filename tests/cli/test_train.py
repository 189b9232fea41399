"""``darboux train denoise``: options, refusals, and a whole small run."""

import json
import re
import runpy
import sys
from dataclasses import fields, replace

import pytest
import torch

from darboux.data import Picture
from darboux.training import DenoiseConfig

TINY = [
    *("--steps", 3, "--batch", 2, "--patch", 8, "--eval-every", 2),
    *("--features", 8, "--units", 8, "--depth", 2, "--effort", "quick", "--lr", 0.003),
]

OTHER = DenoiseConfig(
    sigma=0.2,
    steps=7,
    batch=3,
    patch=9,
    lr=0.5,
    twin_lr=0.25,
    warmup=0.5,
    loss="l1",
    seed=4,
    eval_every=5,
    twin=False,
    images="a",
    held_out="b",
    channels=3,
    features=6,
    units=7,
    depth=3,
    shuffle=1,
    kernel_size=5,
    threshold=0.5,
    fraction=0.5,
    metric="norm",
)


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
    assert json.loads((out / "metrics.json").read_text())["certificate_verdict"] == "holds"
    config = DenoiseConfig.load(out / "config.json")
    assert (config.steps, config.lr, config.seed) == (3, 0.003, 0)

    before = {file.name: file.read_bytes() for file in out.iterdir()}
    assert "already holds a run" in refused(*command, *TINY)
    assert "lr: 0.1, not 0.003" in refused(*command, "--resume", "--lr", 0.1)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before


@pytest.mark.parametrize(("verdict", "code"), [("refuted", 1), ("undecided", 3)])
def test_exit_code_tells_the_verdict(run, tmp_path, monkeypatch, verdict, code):
    metrics = dict.fromkeys(("psnr_noisy", "psnr_model", "psnr_tv"), 20.0)
    metrics |= {"psnr_unconstrained": None, "certificate_verdict": verdict}
    monkeypatch.setattr("darboux.cli._train.train_denoiser", lambda *args, **options: metrics)
    result = run("train", "denoise", "--out", tmp_path / "run")
    assert result.code == code
    assert f"The certificate is {verdict.upper()}" in result.out
    assert "unconstrained" not in result.out


def test_interruption_says_how_to_go_on(run, tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("darboux.cli._train.train_denoiser", interrupted)
    result = run("train", "denoise", "--out", tmp_path / "run")
    assert result.code == 130
    assert result.err == "Interrupted. Continue with --resume.\n"


def test_options_arrive_and_those_not_given_are_the_runs_own(run, tmp_path, monkeypatch):
    assert not [f.name for f in fields(OTHER) if getattr(OTHER, f.name) == f.default]
    seen = []
    monkeypatch.setattr(
        "darboux.cli._train.train_denoiser",
        lambda config, out, **own: seen.append((config, own["resume"])),
    )
    monkeypatch.setattr("darboux.cli._train._summary", lambda metrics, out: "")
    options = [
        f"--{name.replace('_', '-')}={255 * value if name == 'sigma' else value}"
        for name, value in OTHER.to_dict().items()
        if name not in ("task", "twin")
    ]
    run("train", "denoise", "--out", tmp_path, "--no-twin", *options)
    assert seen.pop() == (OTHER, False)
    run("train", "denoise", "--out", tmp_path)
    assert seen.pop() == (DenoiseConfig(), False)
    OTHER.save(tmp_path / "config.json")
    run("train", "denoise", "--out", tmp_path, "--resume", "--depth", 8)
    assert seen.pop() == (replace(OTHER, depth=8), True)


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

    monkeypatch.setattr("darboux.data._files._write_through", full)
    folders = ("--out", tmp_path / "run", "--images", images, "--held-out", images)
    error = refused("train", "denoise", *folders, *TINY)
    assert "No space is left on the disk" in error


def test_divergence_is_said_in_the_last_line(run, images, tmp_path):
    result = run(
        *("train", "denoise", "--out", tmp_path / "run", "--images", images, "--held-out", images),
        *TINY,
        *("--lr", 1e39, "--steps", 8),
    )
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith("Error: Expected a finite training loss")
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_divergence_of_the_twin_is_said_and_the_report_written(run, images, tmp_path):
    result = run(
        *("train", "denoise", "--out", tmp_path / "run", "--images", images, "--held-out", images),
        *TINY,
        *("--twin-lr", 1e30, "--steps", 8),
    )
    assert result.code == 0
    assert "without the unconstrained twin. Expected a finite training loss" in result.err
    assert "unconstrained" not in result.out
    assert (tmp_path / "run" / "report.html").is_file()


def test_help_names_every_setting_with_its_meaning_and_default(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = " ".join(run("train", "denoise", "--help").out.replace("│", " ").split())
    shown = {"sigma": "25", "twin": "twin"} | dict.fromkeys(
        ("images", "held_out"), "scikit-image.*"
    )
    for setting in fields(DenoiseConfig):
        flag, default = setting.name.replace("_", "-"), shown.get(setting.name, setting.default)
        meaning = r"<\w+> ((?!--).){12,}?"
        assert re.search(rf"--{flag} (--no-twin )?{meaning} \[default: \({default}\)\]", text), flag


@pytest.mark.parametrize(
    "command", [[], ["train"], ["train", "denoise"], ["denoise"], ["certify"]], ids=" ".join
)
def test_every_command_has_help(run, command):
    result = run(*command, "--help")
    assert result.code == 0
    assert "Usage:" in result.out


@pytest.mark.parametrize("module", ["darboux", "darboux.cli"])
def test_module_runs_as_a_program_without_a_traceback(module, tmp_path, monkeypatch, capsys):
    arguments = ["train", "denoise", "--sigma=0", f"--out={tmp_path}"]
    monkeypatch.setattr(sys, "argv", ["darboux", *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_module(module, run_name="__main__")
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: Expected a noise level")
    assert error.count("\n") == 1
