"""Constraints on weights, registered the way torch registers them."""

import copy

import pytest
import torch
from torch.nn.utils import parametrize

from darboux.linear import Conv, Dense, Orthogonal, Shrunk, Skew, Spectral
from darboux.structure import Isometric, Kind, Lipschitz
from darboux.testing import check_norm_bound, explicit_matrix


def _registered(linear, constraint):
    parametrize.register_parametrization(linear, "weight", constraint)
    return linear


@pytest.mark.parametrize("build", [lambda: Dense(5, 7), lambda: Conv(3, 4, kernel_size=3, dim=2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_spectral(build, dtype, scale):
    linear = build().to(dtype)
    with torch.no_grad():
        linear.weight *= scale
    before = linear.weight.detach().clone()
    constrained = _registered(linear, Spectral(norm=0.5))
    assert float(constrained.norm_bound().detach()) <= 0.5
    if scale < 1:
        assert torch.equal(constrained.weight, before)
    claim = constrained.claims().find(Lipschitz)
    assert claim.structure == Lipschitz(0.5)
    assert claim.kind is Kind.CONSTRUCTION


@pytest.mark.parametrize("by", ["parametrize", "rows", "spectral"])
@pytest.mark.parametrize("build", [lambda: Dense(8, 8), lambda: Conv(4, 8, kernel_size=3, dim=1)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize(("scale", "norm"), [(0.9, 1.0), (0.3, 0.01), (0.9, 1e-6), (1e-3, 1e-7)])
def test_norm_of_extreme_weights_is_kept_in_low_precision(build, dtype, scale, norm, by):
    linear = build().to(dtype)
    largest = scale * torch.finfo(dtype).max
    with torch.no_grad():
        linear.weight.copy_(largest * (2 * torch.rand(linear.weight.shape).double() - 1))
    if by == "parametrize":
        weight = _registered(linear, Spectral(norm=norm)).weight
    else:
        weight = Shrunk(linear, norm=norm, by=by).stencil().weight
    wide = Dense(8, 8) if weight.ndim == 2 else Conv(4, 8, kernel_size=3, dim=1)
    wide = wide.double()
    with torch.no_grad():
        wide.weight.copy_(weight)
    assert float(torch.linalg.svdvals(explicit_matrix(wide, (9,) * (weight.ndim - 2)))[0]) <= norm


def test_spectral_bounds_every_image():
    conv = _registered(Conv(2, 3, kernel_size=3, dim=2, padding_mode="zeros").double(), Spectral())
    check_norm_bound(conv, (6, 6))
    assert float(torch.linalg.svdvals(explicit_matrix(conv, (6, 6)))[0]) <= 1


def test_spectral_gradient():
    constraint = Spectral(norm=0.3)
    weight = torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(constraint, (weight,), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 4), (3, 3, 3), (2, 2, 3, 5)], ids=str)
def test_skew(shape):
    features, dim = shape[0], len(shape) - 2
    linear = Conv(features, features, kernel_size=shape[2:], dim=dim) if dim else Dense(4, 4)
    matrix = explicit_matrix(_registered(linear, Skew()), (5, 6)[:dim])
    torch.testing.assert_close(matrix, -matrix.T)
    again = Skew().right_inverse(linear.weight)
    torch.testing.assert_close(Skew()(again), linear.weight)


@pytest.mark.parametrize("shape", [(3, 4), (3, 3, 2)], ids=str)
def test_skew_refuses(shape):
    with pytest.raises(ValueError, match="expected a square weight with odd kernels"):
        Skew()(torch.ones(shape))


@pytest.mark.parametrize("map", ["exp", "cayley"])
@pytest.mark.parametrize("sizes", [(3, 6), (6, 3), (4, 4)], ids=str)
@pytest.mark.parametrize("std", [0.0, 1.0, 30.0])
def test_orthogonal(map, sizes, std):
    dense = Dense(*sizes).double()
    start = dense.weight.detach().clone()
    dense = _registered(dense, Orthogonal(map))
    raw = dense.parametrizations.weight.original
    if std == 0:  # the nearest orthogonal matrix to the start
        left, _, right = torch.linalg.svd(start, full_matrices=False)
        torch.testing.assert_close(dense.weight, left @ right)
    else:
        with torch.no_grad():
            raw.normal_(std=std)
    weight = dense.weight if sizes[1] >= sizes[0] else dense.weight.T
    torch.testing.assert_close(weight.T @ weight, torch.eye(weight.shape[1], dtype=torch.float64))
    claim = dense.claims().find(Isometric if sizes[1] >= sizes[0] else Lipschitz)
    assert claim.kind is Kind.CONSTRUCTION
    gradient = torch.autograd.grad((dense.weight * torch.randn_like(dense.weight)).sum(), raw)[0]
    assert bool(gradient.any())


def _departure(linear):
    wide = linear.weight.detach().double()
    eye = torch.eye(wide.shape[1], dtype=torch.float64)
    return float(torch.linalg.matrix_norm(wide.T @ wide - eye, 2))


@pytest.mark.parametrize("map", ["exp", "cayley"])
@pytest.mark.parametrize("std", [1.0, 100.0, 1e4])
def test_orthogonal_at_large_arguments_in_float32(map, std):
    linear = _registered(Dense(32, 32), Orthogonal(map))
    with torch.no_grad():
        linear.parametrizations.weight.original.normal_(std=std)
    assert _departure(linear) < 8 * torch.finfo(torch.float32).eps


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("sizes", [(6, 6), (6, 9), (64, 64)], ids=str)
def test_orthogonal_made_in_lower_precision(dtype, sizes):
    linear = _registered(Dense(*sizes), Orthogonal()).to(dtype).double()
    assert _departure(linear) < 64 * torch.finfo(torch.float64).eps
    rounded = linear.parametrizations.weight[0].base
    assert (linear.weight - rounded[:, : sizes[0]]).abs().max() < 4 * torch.finfo(dtype).eps
    linear.weight.sum().backward()
    assert linear.parametrizations.weight.original.grad.isfinite().all()


def test_orthogonal_assignment_and_state():
    dense = _registered(Dense(3, 5), Orthogonal())
    target = torch.linalg.qr(torch.randn(5, 3))[0]
    dense.weight = target
    torch.testing.assert_close(dense.weight, target)
    other = _registered(Dense(3, 5), Orthogonal())
    other.load_state_dict(dense.state_dict())
    torch.testing.assert_close(other.weight, target)
    torch.testing.assert_close(copy.deepcopy(dense).weight, target)


REFUSALS = {
    "map": (lambda: Orthogonal("qr"), "expected map to be 'exp' or 'cayley'; got 'qr'"),
    "unused": (lambda: Orthogonal()(torch.ones(2, 2)), "expected a registered constraint"),
    "kernel": (
        lambda: _registered(Conv(2, 2, kernel_size=3, dim=1), Orthogonal()),
        "expected a matrix",
    ),
    "norm": (lambda: Spectral(norm=0.0), "expected norm to be a positive finite number; got 0"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refuses(name):
    build, message = REFUSALS[name]
    with pytest.raises(ValueError, match=message):
        build()
