"""ONNX with any size of images from any example."""

import io

import numpy as np
import pytest
import torch

import darboux as dx
from darboux.symmetry import Cyclic, Downsample, EquivariantConv, Feature, Upsample

# torch's exporters use functions of their own that they deprecate, and the older one warns of
# sizes that it has to read.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore:Constant folding:UserWarning"),
]

SIZES = [(1, 12, 10), (2, 11, 9), (3, 8, 13), (1, 7, 16)]


def feature(*fields):
    return Feature(Cyclic(4), list(fields))


def strided(padding_mode, kernel_size):
    return EquivariantConv(
        feature("trivial"),
        feature("regular"),
        kernel_size=kernel_size,
        dim=2,
        stride=2,
        padding_mode=padding_mode,
    )


CASES = {
    "denoiser": lambda: dx.models.denoiser(features=8, units=12, depth=2),
    "circular": lambda: dx.linear.Conv(1, 2, kernel_size=4, dim=2, padding_mode="circular"),
    "stride": lambda: strided("circular", 3),
    "stride, even kernel": lambda: strided("zeros", 4),
    "halved": lambda: Downsample(feature("trivial"), dim=2),
    "doubled": lambda: Upsample(feature("trivial"), dim=2),
}


def session(frozen, x, *, dynamo):
    """A network in ONNX, with free sizes, exported by either exporter."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    axes, buffer = {0: "batch", 2: "height", 3: "width"}, io.BytesIO()
    if dynamo:
        free = dict.fromkeys(axes, torch.export.Dim.DYNAMIC)
        torch.onnx.export(frozen, (x,), dynamo=True, dynamic_shapes=(free,), verbose=False).save(
            buffer
        )
    else:
        torch.onnx.export(
            frozen, (x,), buffer, dynamo=False, input_names=["x"], dynamic_axes={"x": axes}
        )
    return onnxruntime.InferenceSession(buffer.getvalue())


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "tracing"])
@pytest.mark.parametrize("case", CASES)
def test_any_size_from_any_example(case, dynamo):
    module = CASES[case]()
    frozen = dx.freeze(module)
    # an axis of each parity; the denoiser looks at both together
    example = torch.rand(2, 1, 12, 10 if case == "denoiser" else 9)
    found = session(frozen, example, dynamo=dynamo)
    for batch, *size in SIZES:
        x = torch.rand(batch, 1, *size)
        (result,) = found.run(None, {found.get_inputs()[0].name: x.numpy()})
        np.testing.assert_allclose(result, frozen(x).numpy(), atol=1e-5)
        np.testing.assert_allclose(result, module(x).detach().numpy(), atol=1e-5)
