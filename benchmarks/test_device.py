"""On a device that --device names: number formats, and a flow against the bandwidth of memory."""

from __future__ import annotations

import pytest
import torch
from interleaved import medians
from test_orthogonal import defect, ours
from torch import Tensor

import darboux as dx

WIDTH, STEPS, BATCH = 64, 16, 1 << 18
GAP = 1.5


@pytest.fixture(autouse=True)
def _accelerator(on_device):
    if on_device == "cpu":
        pytest.skip("needs --device")


@pytest.fixture(params=["highest", "high"], ids=["float32", "TF32"])
def precision(request):
    """Products of float32 matrices and convolutions as they are, and in TF32."""
    matrices = torch.get_float32_matmul_precision()
    convolutions = torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision(request.param)
    torch.backends.cudnn.allow_tf32 = request.param == "high"
    yield request.param
    torch.set_float32_matmul_precision(matrices)
    torch.backends.cudnn.allow_tf32 = convolutions


@pytest.mark.parametrize("map", ["exp", "cayley"])
def test_orthogonal_weights(benchmark, goals, precision, map):
    benchmark.pedantic(lambda: None, rounds=1)
    goals((f"{map}, products {precision}: defect", defect(ours(512, 512, map)), "<=", 1e-6))


def test_bounds(benchmark, goals, precision):
    """At least the norm on a fine grid of frequencies, in float64."""
    benchmark.pedantic(lambda: None, rounds=1)
    conv = dx.linear.Conv(64, 64, kernel_size=3, dim=2)
    with torch.no_grad():
        bound = float(conv.norm_bound())
        norm = float(torch.linalg.matrix_norm(conv.double().symbol(32), 2).max())
    what = f"bound / norm on a grid, products {precision}"
    goals((what, bound / norm, ">=", 1.0), (what, bound / norm, "<=", 1.05))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "autocast"])
def test_round_trip(benchmark, goals, on_device, precision, dtype):
    """Back and forth through couplings, in units of the rounding of the format."""
    benchmark.pedantic(lambda: None, rounds=1)
    unet, x = dx.models.iunet(2, 2, spatial_dims=2, channels=16).eval(), torch.randn(2, 16, 64, 64)
    body = next(m for m in unet.modules() if isinstance(m, dx.bijections.Bijection))
    kind = torch.device(on_device).type
    with torch.no_grad(), torch.autocast(kind, torch.bfloat16, enabled=dtype != torch.float32):
        error = float((body.inverse(body(x)) - x).abs().max())
    eps = torch.finfo(torch.bfloat16 if dtype != torch.float32 else dtype).eps
    goals((f"round trip, products {precision}, {dtype}, in eps", error / eps, "<=", 100.0))


def test_flow_against_bandwidth(benchmark, goals, precision):
    """A gradient flow of K steps, compiled, against K copies of its state."""
    field = dx.fields.GradientField(dx.linear.Dense(WIDTH, WIDTH), dx.activations.ReLU())
    flow = dx.freeze(dx.Flow(field, dx.integrators.Euler(), steps=STEPS))
    z, kept = torch.randn(2, BATCH, WIDTH)
    compiled = torch.compile(flow, fullgraph=True)

    def copies() -> Tensor:
        for _ in range(STEPS):
            kept.copy_(z)
        return kept

    with torch.no_grad():
        torch.testing.assert_close(compiled(z), flow(z), rtol=1e-2, atol=1e-2)
        runs = {"compiled": lambda: compiled(z), "eager": lambda: flow(z), "copies": copies}
        times = medians(runs, rounds=15)
    benchmark.extra_info.update(times)
    benchmark.pedantic(runs["compiled"], rounds=3)
    took, limit = times["compiled"], times["copies"]
    what = f"flow of {STEPS} steps, compiled, products {precision} / copies"
    goals((what, took / limit, "<=", GAP, took, times["eager"], limit))
