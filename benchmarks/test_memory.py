"""Chains that keep no activations: memory, time, and gradients against memcnn."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from couplings import Loop, Memcnn, chain, dense, networks, step
from interleaved import medians
from torch import nn

import darboux as dx
from darboux.gradients import DriftWarning

pytest.importorskip("memcnn")

GROWTH, SLOWER, FASTER = 1.05, 1.45, 1.25
UNET = 1.45  # constant memory in 3-D over a plain U-Net of as many parameters
ROUNDS, LAYERS = 15, 16
SIZES = {"32 channels, 96 x 96": (32, 32, 4, 96), "64 channels, 64 x 64": (64, 32, 4, 64)}
HERE = Path(__file__).parent


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("size", SIZES)
def test_time(benchmark, goals, size):
    channels, hidden, batch, side = SIZES[size]
    torch.manual_seed(0)
    parts = networks(LAYERS, channels=channels, hidden=hidden)
    x, head = torch.randn(batch, channels, side, side), nn.Conv2d(channels, channels, 1)
    modules = {m: chain(parts, m) for m in ("autograd", "checkpoint", "constant")}
    modules |= {"memcnn": Memcnn(parts), "loop": Loop(parts)}
    steps = {name: step(module, head, x) for name, module in modules.items()}
    agree(steps, parts)
    for _ in range(8):
        steps["constant"]()  # the calibrations at 1, 2, 4, 8 passes
    times = medians(steps, rounds=ROUNDS)
    ratios = {
        "autograd / plain torch": times["autograd"] / times["loop"],
        "constant / plain torch": times["constant"] / times["loop"],
        "constant / autograd": times["constant"] / times["autograd"],
        "checkpoint / autograd": times["checkpoint"] / times["autograd"],
        "memcnn / constant": times["memcnn"] / times["constant"],
    }
    benchmark.extra_info.update(times, **ratios)
    benchmark.pedantic(steps["constant"], rounds=3)
    assert modules["constant"].drift_report().checkpoints == (0,)
    limits = {
        "autograd / plain torch": ("<=", 1.05),
        "constant / plain torch": ("<=", 1.40),
        "constant / autograd": ("<=", SLOWER),
        "memcnn / constant": (">=", FASTER),
    }
    sides = {
        "autograd / plain torch": ("autograd", "loop"),
        "constant / plain torch": ("constant", "loop"),
        "constant / autograd": ("constant", "autograd"),
        "memcnn / constant": ("constant", "memcnn"),
    }
    goals(
        *(
            (f"chain, {n}, {size}", ratios[n], *limits[n], *(times[side] for side in sides[n]))
            for n in limits
        )
    )


def agree(steps, parts):
    """Check that all compute the same gradients."""
    expected = None
    for name, run in steps.items():
        run()
        found = torch.cat([p.grad.flatten() for part in parts for p in part.parameters()])
        expected = found if expected is None else expected
        error = float((found - expected).norm() / expected.norm())
        assert error <= 1e-5, f"{name}: gradients differ by {error:.2g}"


@pytest.mark.parametrize(("channels", "side"), [(16, 32), (32, 24)])
def test_volumes(benchmark, goals, channels, side):
    torch.manual_seed(0)
    build = {"spatial_dims": 3, "channels": channels}
    iunet = dx.models.iunet(1, 2, depth=(2, 2, 2), memory="constant", **build)
    plain = dx.models.plain_unet(1, 2, depth=(1, 1, 1), **build)
    last = copy.deepcopy(plain).to(memory_format=torch.channels_last_3d)
    x = torch.randn(2, 1, *(side,) * 3)
    modules = {"iunet": iunet, "plain": plain, "plain, channels last": last}
    steps = {n: step(m, nn.Identity(), x) for n, m in modules.items()}
    for _ in range(8):
        steps["iunet"]()  # the calibrations at 1, 2, 4, 8 passes
    times = medians(steps, rounds=ROUNDS)
    benchmark.extra_info.update(times)
    benchmark.pedantic(steps["iunet"], rounds=1)
    peer = min(times["plain"], times["plain, channels last"])
    ratio = times["iunet"] / peer
    what = f"3-D iUNet / plain U-Net, {channels} channels, {side}³"
    goals((what, ratio, "<=", UNET, times["iunet"], peer))


def peak(mode, depth):
    """The peak memory of training steps in a process of its own, beyond parameters."""
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / "peak_memory.py"), mode, str(depth)]
    run = subprocess.run(
        command, cwd=HERE, env=environment, capture_output=True, text=True, check=True
    )
    number, *checkpoints = run.stdout.split(maxsplit=1)
    return int(number), checkpoints[0].strip()


def test_peak_memory(benchmark, goals):
    found = {}
    for depth in (16, 64, 256):
        found[depth], kept = peak("constant", depth)
        assert kept == "(0,)"
    plain = {depth: peak("autograd", depth)[0] for depth in (16, 64)}
    peer = peak("memcnn", 16)[0]
    growth = found[256] / found[16]
    benchmark.extra_info.update(
        {f"constant, {d} layers": n for d, n in found.items()},
        **{f"autograd, {d} layers": n for d, n in plain.items()},
        growth=growth,
        **{"memcnn, 16 layers": peer},
    )
    benchmark.pedantic(lambda: None, rounds=1)
    goals(
        ("peak memory of chains, 256 / 16 layers", growth, "<=", GROWTH),
        ("peak memory of chains, constant / memcnn", found[16] / peer, "<=", 1.0),
    )
    assert plain[64] / plain[16] > 3, plain  # the measurement sees what autograd keeps


@pytest.mark.filterwarnings("ignore:.*torch.cuda.amp:FutureWarning")
def test_gradients_where_memcnn_drifts(benchmark):
    """Relative errors against plain backpropagation, on the first backward pass."""
    table = {}
    for depth in (10, 50, 200):
        for scale in (1.0, 2.0, 3.0):
            table[f"{depth} pairs, weights x {scale:g}"] = errors(depth, scale)
    benchmark.extra_info.update({name: str(row) for name, row in table.items()})
    benchmark.pedantic(lambda: None, rounds=1)
    assert max(row["darboux"] for row in table.values()) <= 1e-4, table


def errors(depth, scale):
    """The errors of our chain and of memcnn's."""
    parts = dense(depth, scale=scale)
    torch.manual_seed(1)
    x = torch.randn(8, 32)
    found = {}
    for name, module in (
        ("plain", chain(parts, "autograd")),
        ("darboux", chain(parts, "constant")),
        ("memcnn", Memcnn(parts)),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DriftWarning)
            step(module, nn.Identity(), x.clone().requires_grad_())()
        found[name] = torch.cat([p.grad.flatten() for part in parts for p in part.parameters()])
    size = found["plain"].norm()
    return {n: float((found[n] - found["plain"]).norm() / size) for n in ("darboux", "memcnn")}
