"""Logarithms of 3 x 3 matrices, forward and backward, against spd_learn."""

from __future__ import annotations

import pytest
import torch
from interleaved import medians

import darboux as dx

matrix_log = pytest.importorskip("spd_learn.functional", exc_type=ImportError).matrix_log

COUNT, ROUNDS, FASTER = 100_000, 9, 2.5


def matrices(dtype):
    """Return positive definite matrices, and cotangents."""
    generator = torch.Generator().manual_seed(0)
    a, k = torch.randn(2, COUNT, 3, 3, dtype=dtype, generator=generator)
    return a @ a.mT + 0.1 * torch.eye(3, dtype=dtype), k + k.mT


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_logarithm(benchmark, goals, dtype):
    benchmark.pedantic(lambda: None, rounds=1)
    x, k = matrices(dtype)
    x.requires_grad_()

    def run(logarithm):
        y = logarithm(x)
        return y.detach(), torch.autograd.grad(y, x, k)[0]

    steps = {
        "darboux": lambda: run(dx.manifolds.sym_logm),
        "spd_learn": lambda: run(matrix_log.apply),
    }
    for ours, theirs in zip(steps["darboux"](), steps["spd_learn"](), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=2e-3)
    times = medians(steps, rounds=ROUNDS)
    what = f"spd_learn / logarithm of 3 x 3 and its gradient, {str(dtype)[6:]}"
    ratio = times["spd_learn"] / times["darboux"]
    goals((what, ratio, ">=", FASTER, times["darboux"], times["spd_learn"]))
