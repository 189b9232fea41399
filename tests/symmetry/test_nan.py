"""NaN stays NaN: no equivariant layer makes a number of it, in value, derivative or compiled."""

import math

import pytest
import torch
from torch import nn

from darboux.linear import Conv
from darboux.symmetry import (
    SO2,
    Cyclic,
    Dihedral,
    ExponentialSum,
    Feature,
    FiniteGroup,
    GatedActivation,
    GroupPooling,
    NormActivation,
    TensorProductActivation,
    decompose,
    equivariance_error,
    from_matrices,
    intertwiners,
    move,
    null_space,
)
from tests.catalogue.symmetry import CASES

VECTORS = Feature(SO2(), ["1", "0", "2"])

MORE = {
    "pool-norm": lambda: GroupPooling(VECTORS, how="norm"),
    "pool-mean": lambda: GroupPooling(Feature(Dihedral(4), ["regular"] * 2), how="mean"),
    "gated-vectors": lambda: GatedActivation(VECTORS),
    "quadratic-vectors": lambda: TensorProductActivation(VECTORS, VECTORS),
}


def size_of(module: nn.Module) -> tuple[int, ...]:
    """Return channels and pixels of an input."""
    grid = getattr(module, "grid", None)
    if grid is not None:
        return (getattr(module, "in_channels", 2), *grid.shape)
    names = ("source", "feature")
    feature = next((getattr(module, n) for n in names if hasattr(module, n)), None)
    channels = getattr(module, "in_features", None) or (feature.channels if feature else 4)
    dim = getattr(module, "dim", None)
    return (channels, *(8,) * (2 if dim is None else dim))


@pytest.mark.parametrize("name", [*CASES, *MORE])
def test_nan_stays_nan(name):
    module = {**CASES, **MORE}[name]().eval()
    channels, *space = size_of(module)
    for channel in range(channels):
        x = torch.randn(2, channels, *space)
        x[0, channel].view(-1)[0] = math.nan
        y = module(x)
        assert bool(y[0].isnan().any()), f"channel {channel} is swallowed"
        assert bool(y[1].isfinite().all())


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_nan_in_a_field_reaches_all_of_it(compiled, monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: compiled)
    x = torch.randn(2, 5)
    x[1, 0] = math.nan
    y = NormActivation(VECTORS, bias=-0.5)(x)
    assert bool(y[1, :2].isnan().all())
    assert int(y.isnan().sum()) == 2


def test_nan_reaches_derivatives():
    for module in (NormActivation(VECTORS), GroupPooling(VECTORS, how="norm")):
        x = torch.randn(2, 5)
        x[0, 0] = math.nan
        x.requires_grad_()
        module(x)[:, :1].sum().backward()
        assert bool(x.grad[0, :2].isnan().all())
        assert bool(x.grad[1].isfinite().all())


def conv_of_nan():
    conv = Conv(1, 1, kernel_size=3, dim=2)
    torch.nn.init.constant_(conv.weight, math.nan)
    return conv


NAN = torch.full((2, 2), math.nan, dtype=torch.float64)

SCALAR = Feature(Cyclic(4), ["trivial"])


class Rounded(FiniteGroup):
    """A group of one's own with matrices that are none."""

    dim = 2
    order = 2

    def generators(self):
        return (1,)

    def faithful(self):
        return torch.stack([torch.eye(2, dtype=torch.float64), NAN])


REFUSED = {
    "the weights of a convolution": (
        lambda: equivariance_error(conv_of_nan(), SCALAR, SCALAR, 1, band=1.0),
        "expected finite numbers; got NaN",
    ),
    "an exponential sum": (
        lambda: ExponentialSum(NAN, NAN[..., None]).supremum(band=1.0),
        "expected finite numbers; got NaN",
    ),
    "a constraint": (lambda: null_space(NAN), "real, finite numbers"),
    "an intertwiner": (lambda: intertwiners([NAN], [NAN]), "real, finite numbers"),
    "a decomposition": (lambda: decompose(Cyclic(4), [NAN]), "real, finite numbers"),
    "a representation": (
        lambda: from_matrices(Cyclic(2), [torch.eye(2), NAN.float()], name="wrong"),
        "expected orthogonal matrices; got that of element 1",
    ),
    "a move of pixels": (lambda: move(NAN, torch.zeros(1, 1, 2, 2)), "maps the grid of pixels"),
    "a move onto one axis": (
        lambda: move(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.zeros(1, 1, 2, 2)),
        "maps the grid of pixels",
    ),
    "an angle": (lambda: VECTORS.act(math.nan, torch.zeros(1, 5)), r"element of SO\(2\)"),
    "a group": (lambda: Rounded().products(), "expected matrices that are closed"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_nan_is_refused(what):
    make, message = REFUSED[what]
    with pytest.raises(ValueError, match=f"(?i){message}"):
        make()
