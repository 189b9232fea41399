"""Frozen nonlinearities of features: equal output, plain layers, export."""

import pytest
import torch

from darboux.activations import Clip, ReLU, Tanh
from darboux.deploy._registry import freeze
from darboux.symmetry._feature import Feature
from darboux.symmetry._groups.cyclic import Cyclic, Dihedral
from darboux.symmetry._groups.planar import O2, SO2
from darboux.symmetry._nonlinear.field_norm import FieldNorm
from darboux.symmetry._nonlinear.fourier import FourierActivation
from darboux.symmetry._nonlinear.gated import GatedActivation
from darboux.symmetry._nonlinear.norm import NormActivation
from darboux.symmetry._nonlinear.pointwise import Pointwise
from darboux.symmetry._nonlinear.pooling import GroupPooling, SpacePooling
from darboux.symmetry._nonlinear.resample import Downsample, Upsample
from darboux.symmetry._nonlinear.sampling import band_limited
from darboux.symmetry._nonlinear.tensor_product import TensorProductActivation
from tests.lifecycles import once_a_class

REGULAR = Feature(Dihedral(4), ["regular", "trivial"])
MIXED = Feature(O2(), ["0+", "1", "0+", "2", "2"])
BANDS = Feature(SO2(), [*2 * band_limited(SO2(), 2), "0", "1"])


def _field_norm():
    norm = FieldNorm(REGULAR, momentum=0.5)
    for parameter in norm.parameters():
        torch.nn.init.normal_(parameter)
    norm(1 + 3 * torch.randn(5, REGULAR.channels, 2, 2))
    return norm.eval()


def _product():
    return TensorProductActivation(MIXED, Feature(O2(), ["1", "0+", "2", "1"]))


CASES = {
    "pointwise": (lambda: Pointwise(REGULAR, ReLU()), REGULAR),
    "pointwise-clip": (lambda: Pointwise(REGULAR, Clip(threshold=0.3)), REGULAR),
    "norm": (lambda: NormActivation(MIXED, bias=-0.7), MIXED),
    "gated": (lambda: GatedActivation(MIXED, activation=Tanh()), GatedActivation(MIXED).source),
    "product": (_product, MIXED),
    "fourier": (lambda: FourierActivation(BANDS, ReLU(), samples=8), BANDS),
    "fourier-clip": (lambda: FourierActivation(BANDS, Clip(threshold=0.3), samples=8), BANDS),
    "pool-max": (lambda: GroupPooling(REGULAR), REGULAR),
    "pool-norm": (lambda: GroupPooling(MIXED, how="norm"), MIXED),
    "pool-mean": (lambda: GroupPooling(REGULAR, how="mean"), REGULAR),
    "pool-space": (lambda: SpacePooling(MIXED), MIXED),
    "field-norm": (_field_norm, REGULAR),
    "down": (lambda: Downsample(MIXED, dim=2), MIXED),
    "down-zeros": (lambda: Downsample(MIXED, dim=2, padding_mode="zeros"), MIXED),
    "up": (lambda: Upsample(MIXED, dim=2), MIXED),
    "up-zeros": (lambda: Upsample(MIXED, dim=2, padding_mode="zeros"), MIXED),
}
RESAMPLED = ["down", "down-zeros", "up", "up-zeros", "pool-space"]


@pytest.mark.parametrize(
    ("dtype", "close"), [(torch.float32, 2e-6), (torch.float64, 1e-13)], ids=str
)
@pytest.mark.parametrize("name", CASES)
def test_equal_output(name, dtype, close):
    build, source = CASES[name]
    module = build().to(dtype)
    frozen = freeze(module)
    sizes = [(6, 5)] if name in RESAMPLED else [(), (6, 5)]
    for size in sizes:
        x = torch.randn(3, source.channels, *size, dtype=dtype)
        expected = module(x).detach()
        scale = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(frozen(x), expected, rtol=0, atol=close * scale)
        zero = torch.zeros_like(x)
        torch.testing.assert_close(frozen(zero), module(zero).detach(), rtol=0, atol=close * scale)


@pytest.mark.parametrize("name", CASES)
def test_is_plain_and_needs_no_gradient(name):
    module = CASES[name][0]()
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    frozen = freeze(module)
    assert not frozen.training
    assert not any(p.requires_grad for p in frozen.parameters())
    assert not any("symmetry" in type(part).__module__.split(".") for part in frozen.modules())
    for tensor in frozen.state_dict().values():  # shares no memory with the original
        tensor.zero_()
    assert all(torch.equal(module.state_dict()[key], value) for key, value in before.items())


@pytest.mark.parametrize("name", once_a_class({name: case[0] for name, case in CASES.items()}))
def test_exports_and_compiles(name):
    build, source = CASES[name]
    frozen = freeze(build())
    x = torch.randn(2, source.channels, 6, 5)
    expected = frozen(x)
    exported = torch.export.export(frozen, (x,)).module()(x)
    torch.testing.assert_close(exported, expected)
    torch.compiler.reset()
    compiled = torch.compile(frozen, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), expected)


def test_inside_a_sequence():
    feature = Feature(Cyclic(4), ["regular", "regular"])
    module = torch.nn.Sequential(
        Pointwise(feature, ReLU()), Downsample(feature, dim=2), GroupPooling(feature)
    )
    x = torch.randn(2, 8, 6, 6)
    torch.testing.assert_close(freeze(module)(x), module(x))
