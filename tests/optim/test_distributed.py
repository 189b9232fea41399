"""Two gloo processes on the loopback end with the weights of one."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.optim.distributed import BUILDS, METRICS, trained


@pytest.mark.slow
def test_two_processes_are_as_one(tmp_path):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    run = ["torch.distributed.run", "--nproc_per_node=2", f"--master_port={port}"]
    script = Path(__file__).with_name("distributed.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, "-m", *run, str(script), str(tmp_path)]
    # processes can abort while gloo is torn down: what is judged is what they wrote
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    both = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    torch.testing.assert_close(both[0], both[1], rtol=0, atol=0, msg=done.stderr[-2000:])
    one = {build: trained(0, 1, build) for build in (*BUILDS, *METRICS)}
    torch.testing.assert_close(both[0], one, rtol=1e-4, atol=1e-5)
