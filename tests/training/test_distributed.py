"""Two gloo processes on the loopback: the same losses as one process at the same global batch.

Processes can abort while gloo is torn down, after correct results: so what is judged is what they
wrote, not their exit code.
"""

import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from darboux.training import MetricsLog, RunFolder, load_tensors

SCRIPT = str(Path(__file__).with_name("launched.py"))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def torchrun():
    return ["torch.distributed.run", "--nproc_per_node=2", f"--master_port={free_port()}"]


def accelerate():
    # Accelerate starts several processes on one machine by --multi_gpu only, GPU or none.
    here = ["--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]
    port = f"--main_process_port={free_port()}"
    return ["accelerate.commands.launch", "--multi_gpu", "--num_processes=2", *here, port]


def launch(module, *arguments):
    """Run a launcher, on one thread per process, with the loopback only and no GPU."""
    environment = {k: v for k, v in os.environ.items() if k != "ACCELERATE_USE_CPU"}
    environment |= {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, "-m", *module, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.parametrize(
    "launcher",
    [torchrun, pytest.param(accelerate, marks=pytest.mark.slow)],
    ids=lambda f: f.__name__,
)
def test_two_processes_have_the_losses_of_one(reference, small, command_line, tmp_path, launcher):
    out, alone = tmp_path / "run", reference[0]
    done = launch(launcher(), SCRIPT, *command_line(small, out))
    lines = MetricsLog(out / "metrics.jsonl").lines()
    expected = MetricsLog(alone / "metrics.jsonl").lines()
    assert len(lines) == len(expected) == 6, done.stderr[-2000:]
    # A sum of n float32 terms in another order: relative error n·eps per step, over few steps.
    n = small.batch * small.patch**2
    tolerance = n * torch.finfo(torch.float32).eps
    for line, wanted in zip(lines, expected, strict=True):
        assert (line["network"], line["step"]) == (wanted["network"], wanted["step"])
        assert line["loss"] == pytest.approx(wanted["loss"], rel=tolerance)
        assert line["psnr"] == pytest.approx(wanted["psnr"], abs=1e-3)
    weights = [load_tensors(RunFolder(f).weights("model"))[0] for f in (out, alone)]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(tensor, weights[1][name], rtol=1e-3, atol=1e-4)
    assert (out / "report.html").is_file()


@pytest.mark.slow
def test_batch_that_cannot_be_shared_is_refused_once(small, command_line, tmp_path):
    config = replace(small, batch=3)
    done = launch(torchrun(), "-m", "darboux.cli", *command_line(config, tmp_path / "run"))
    assert done.returncode != 0
    assert done.stderr.count("Expected a global batch that 2 processes share equally; got 3") == 1
    assert "darboux" not in "".join(re.findall(r'File "(.*)"', done.stderr))
