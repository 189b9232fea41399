"""Trainings on two processes, as the documentation starts them and as they can go wrong."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from darboux.data import Picture

PAGE = Path(__file__).parents[2] / "docs" / "training.md"
COMMANDS = re.findall(r"^(?:torchrun|accelerate launch) .*", PAGE.read_text("utf-8"), re.MULTILINE)

TINY = [
    *("--steps=4", "--batch=2", "--patch=8", "--eval-every=2", "--features=8", "--units=8"),
    *("--depth=2", "--effort=quick", "--no-twin", "--images=images", "--held-out=images"),
]

DYING = """
import os, darboux.cli
from darboux.training._trainer import Trainer
one_step = Trainer._one_step
def step(self):
    if self.step == 2 and os.environ["RANK"] == os.environ["DIES"]:
        os._exit(9)
    return one_step(self)
Trainer._one_step = step
darboux.cli.main()
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png"):
        Picture(torch.rand(1, 18, 21)).save(tmp_path / "images" / name)
    return tmp_path


def environment(**own):
    """Return an environment of one thread a process, the loopback only and no GPU."""
    here = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "CUDA_VISIBLE_DEVICES": ""}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **here, "PATH": path, **own}


def started(command, folder, **own):
    options = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": folder}
    return subprocess.Popen(command, env=environment(**own), **options)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def test_both_launchers_are_documented():
    assert [command.split()[0] for command in COMMANDS] == ["torchrun", "accelerate"]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda text: text.split()[0])
def test_documented_command_runs_with_two_processes(command, folder):
    out, err = started([*shlex.split(command), *TINY], folder).communicate(timeout=300)
    written = folder / "runs" / "two" / "metrics.json"
    assert written.is_file(), err
    assert json.loads(written.read_text())["machine"]["processes"] == 2
    assert out.count("The certificate holds") == 1


LAUNCHED = {"ACCELERATE_MIXED_PRECISION": "no", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


def test_one_process_instead_of_two_is_refused(refused, folder, monkeypatch):
    """What ``accelerate launch --cpu --num_processes 2`` hands to the one that it starts."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    for name, value in LAUNCHED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    error = refused("train", "denoise", "--out", "run", *TINY)
    assert "it started one. Use: accelerate launch --multi_gpu --num_processes N" in error
    assert not (folder / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("option", [["--cpu"], []], ids=" ".join)
def test_accelerate_that_starts_one_process_instead_of_two_is_refused(folder, option):
    command = ["accelerate", "launch", *option, "--num_processes", "2", "-m", "darboux"]
    process = started([*command, "train", "denoise", "--out=run", *TINY], folder)
    _, err = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "it started one. Use: accelerate launch --multi_gpu" in err
    assert not (folder / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("dies", ["0", "1"])
def test_who_is_left_alone_says_so_in_one_line(folder, dies):
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    command = [sys.executable, "-c", DYING, "train", "denoise", "--out=run", *TINY]
    ranks = [
        started(command, folder, RANK=rank, LOCAL_RANK=rank, DIES=dies, **shared)
        for rank in ("0", "1")
    ]
    errors = [rank.communicate(timeout=300)[1] for rank in ranks]
    left = 1 - int(dies)
    assert ranks[left].returncode == 2, errors
    last = errors[left].splitlines()[-1]
    assert "Error: Expected to reach the other processes of this training; got: " in last
    assert errors[left].count("Error") == 1
    assert "Traceback" not in errors[left]
