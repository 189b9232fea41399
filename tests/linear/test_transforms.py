"""Bounds as functions of the parameters: compile, grad, jvp, vmap, dual numbers, autocast."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad

from darboux.linear import Composed, Conv, Dense, Lift, SkewPart, Spectral, Stacked, Stencil
from darboux.linear._frequencies import half_lattice, kernel_offsets, phases, samples_for
from darboux.linear._rows import row_bound
from darboux.linear._spectral import kernel_bound

MAPS = {
    "dense": lambda: Dense(4, 3),
    "conv1d": lambda: Conv(2, 3, kernel_size=4, dim=1),
    "conv2d-wide": lambda: Conv(4, 3, kernel_size=3, dim=2),
    "conv2d-tall": lambda: Conv(3, 4, kernel_size=3, dim=2, padding_mode="zeros"),
    "conv3d": lambda: Conv(2, 2, kernel_size=2, dim=3),
    "skew": lambda: SkewPart(Conv(3, 3, kernel_size=2, dim=2), damping=0.1),
    "composed": lambda: Composed(
        Conv(3, 4, kernel_size=3, dim=1), Conv(4, 3, kernel_size=3, dim=1)
    ),
    "composed-zeros": lambda: Composed(
        Conv(3, 2, kernel_size=3, dim=1, padding_mode="zeros"),
        Conv(2, 3, kernel_size=2, dim=1, padding_mode="zeros"),
    ),
    "stacked": lambda: Stacked(Dense(3, 2), Dense(3, 3)),
}
BOUNDS = ["norm_bound", "row_bound", "entry_bound", "lower_bound"]


class Number(nn.Module):
    """A bound of a map as a module without input."""

    def __init__(self, linear, name):
        super().__init__()
        self.linear, self.name = linear, name

    def forward(self):
        return getattr(self.linear, self.name)().sin().sum()


SLOWLY_COMPILED = [name for name in MAPS if name not in ("conv2d-wide", "skew")]


@pytest.fixture(params=MAPS)
def linear(request):
    return MAPS[request.param]().double()


def _functional(module):
    fixed = {name: p.detach() for name, p in module.named_parameters()}
    return fixed, lambda parameters: torch.func.functional_call(module, parameters, ())


def _gradients(module):
    parameters = dict(module.named_parameters())
    found = torch.autograd.grad(module(), list(parameters.values()), materialize_grads=True)
    return dict(zip(parameters, found, strict=True))


@pytest.mark.parametrize("name", BOUNDS[:3])
def test_grad(linear, name):
    module = Number(linear, name)
    fixed, function = _functional(module)
    torch.testing.assert_close(torch.func.grad(function)(fixed), _gradients(module))


@pytest.mark.parametrize("name", BOUNDS[:3])
def test_forward_mode(linear, name):
    module = Number(linear, name)
    fixed, function = _functional(module)
    tangents = {key: torch.randn_like(value) for key, value in fixed.items()}
    gradients = _gradients(module)
    expected = sum((gradients[key] * tangents[key]).sum() for key in fixed)
    torch.testing.assert_close(torch.func.jvp(function, (fixed,), (tangents,))[1], expected)
    with forward_ad.dual_level(), torch.no_grad():
        dual = {key: forward_ad.make_dual(fixed[key], tangents[key]) for key in fixed}
        torch.testing.assert_close(forward_ad.unpack_dual(function(dual)).tangent, expected)


@pytest.mark.parametrize("name", BOUNDS[:3])
def test_vmap(linear, name):
    fixed, function = _functional(Number(linear, name))
    scales = torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64)
    batch = {k: torch.stack([c * v for c in scales], dim=-1) for k, v in fixed.items()}
    mapped = torch.func.vmap(function, in_dims=-1)(batch)
    loop = torch.stack([function({k: c * v for k, v in fixed.items()}) for c in scales])
    torch.testing.assert_close(mapped, loop)
    slopes = torch.func.vmap(torch.func.grad(function), in_dims=-1)(batch)
    for index, c in enumerate(scales):
        one = torch.func.grad(function)({k: c * v for k, v in fixed.items()})
        torch.testing.assert_close({k: v[index] for k, v in slopes.items()}, one)


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize(
    "which",
    [pytest.param(k, marks=pytest.mark.slow if k in SLOWLY_COMPILED else ()) for k in MAPS],
)
def test_compile(which, name):
    module = Number(MAPS[which]().double(), name)
    expected, gradients = module(), _gradients(module) if name != "lower_bound" else {}
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(), expected)
    if gradients:
        found = torch.autograd.grad(compiled(), list(module.parameters()), materialize_grads=True)
        torch.testing.assert_close(dict(zip(gradients, found, strict=True)), gradients)


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_autocast_changes_nothing(name, dtype):
    for build in MAPS.values():
        linear = build().to(dtype)
        expected = getattr(linear, name)()
        assert expected.dtype == torch.float64
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(getattr(linear, name)(), expected)


def test_gradient_of_a_gradient_through_a_step_size():
    # The step 1/‖A‖² enters a gradient penalty: first derivatives of it are all that is needed.
    conv = Conv(2, 2, kernel_size=3, dim=1).double()
    x = torch.randn(1, 2, 5, dtype=torch.float64, requires_grad=True)

    def penalty(weight):
        step = kernel_bound(weight) ** -2
        image = step * torch.func.functional_call(conv, {"weight": weight}, (x,)).tanh()
        return torch.autograd.grad(image.sum(), x, create_graph=True)[0].square().sum()

    weight = conv.weight.detach().requires_grad_()
    assert torch.autograd.gradcheck(penalty, (weight,), rtol=1e-4, atol=1e-6)


def test_inference_mode_and_no_grad():
    conv = Conv(2, 3, kernel_size=3, dim=2)
    expected = conv.norm_bound().detach()
    with torch.inference_mode():
        assert torch.equal(conv.norm_bound(), expected)
    with torch.no_grad():
        assert not conv.norm_bound().requires_grad


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_have_equal_bounds(clone):
    for build in MAPS.values():
        linear = build()
        assert torch.equal(clone(linear).norm_bound(), linear.norm_bound())


def test_data_edits_are_seen():
    conv = Conv(2, 3, kernel_size=3, dim=2).eval()
    with torch.no_grad():
        before = conv.norm_bound()
        conv.weight.data *= 2
        torch.testing.assert_close(conv.norm_bound(), 2 * before)


def test_state_has_parameters_only():
    assert list(Conv(2, 3, kernel_size=3, dim=2).state_dict()) == ["weight"]
    assert list(Lift(1, 4, dim=2, shuffle=2).state_dict()) == []


def test_spectral_constraint_learns():
    conv = Conv(2, 2, kernel_size=3, dim=1)
    nn.utils.parametrize.register_parametrization(conv, "weight", Spectral(norm=0.2))
    loss = conv(torch.ones(1, 2, 6)).square().sum()
    assert bool(torch.autograd.grad(loss, list(conv.parameters()))[0].any())


SECOND_ORDER = {
    "dense-wide": (3, 5),
    "dense-tall": (5, 3),
    "one-output": (1, 4),
    "conv1d": (3, 2, 4),
    "conv2d-wide": (2, 3, 3, 2),
    "conv2d-tall": (3, 2, 3, 3),
    "conv3d": (2, 2, 2, 1, 2),
}


def _scaled_top_value(weight):
    """Return σ_max at the sample and with the factor of `kernel_bound`, by a dense SVD."""
    fixed, sizes = weight.detach(), samples_for(weight.shape[2:])
    points = half_lattice(sizes)
    cosine, sine = phases(points, kernel_offsets(weight.shape[2:]), sizes)

    def values(kernel):
        waves = torch.complex(cosine, sine)
        return torch.linalg.svdvals(torch.einsum("oik,fk->foi", kernel.flatten(2) + 0j, waves))

    if weight.ndim == 2:
        scale = kernel_bound(fixed) / torch.linalg.svdvals(fixed)[0]
        return lambda w: scale * torch.linalg.svdvals(w)[0]
    sample = int(values(fixed)[:, 0].argmax())
    factor = kernel_bound(fixed) / values(fixed)[sample, 0]
    return lambda w: factor * values(w)[sample, 0]


def _second_differences(function, weight, step=1e-4):
    """Return the Hessian of a function by central differences of values."""
    units = step * torch.eye(weight.numel(), dtype=weight.dtype).reshape(-1, *weight.shape)
    values = torch.func.vmap(torch.func.vmap(function), chunk_size=8)
    plus, minus = units[:, None] + units, units[:, None] - units
    total = values(weight + plus) - values(weight + minus)
    total = total - values(weight - minus) + values(weight - plus)
    return total / (4 * step * step)


@pytest.mark.parametrize("shape", SECOND_ORDER.values(), ids=SECOND_ORDER)
def test_second_derivative_against_differences_of_dense_svds(shape):
    weight = torch.randn(shape, dtype=torch.float64)
    expected = _second_differences(_scaled_top_value(weight), weight)
    size = weight.numel()
    for hessian in (torch.func.hessian, lambda f: torch.func.jacrev(torch.func.jacrev(f))):
        found = hessian(kernel_bound)(weight).reshape(size, size)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert float(expected.abs().max()) > 1e-2


@pytest.mark.parametrize("shape", SECOND_ORDER.values(), ids=SECOND_ORDER)
def test_gradgradcheck_of_the_norm_bound(shape):
    weight = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(kernel_bound, (weight,), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", SECOND_ORDER.values(), ids=SECOND_ORDER)
def test_second_derivative_in_a_batch_and_forward_over_forward(shape):
    weights = torch.randn(3, *shape, dtype=torch.float64)
    mapped = torch.func.vmap(torch.func.hessian(kernel_bound))(weights)
    loop = torch.stack([torch.func.hessian(kernel_bound)(w) for w in weights])
    torch.testing.assert_close(mapped, loop, rtol=1e-9, atol=1e-11)
    forward = torch.func.jacfwd(torch.func.jacfwd(kernel_bound))(weights[0])
    torch.testing.assert_close(forward, loop[0], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_second_derivative_in_low_precision(dtype):
    weight = torch.randn(3, 2, 3).to(dtype)
    found = torch.func.hessian(kernel_bound)(weight).double()
    expected = torch.func.hessian(kernel_bound)(weight.double())
    scale = float(expected.abs().max())
    tolerance = 32 * torch.finfo(dtype).eps * scale
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("shape", [(257, 258), (258, 257, 2)], ids=str)
def test_large_kernels_refuse_second_derivatives(shape):
    weight = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(kernel_bound(weight), weight, create_graph=True)
    torch.testing.assert_close((slope * weight).sum(), kernel_bound(weight), rtol=1e-12, atol=0)
    with pytest.raises(NotImplementedError, match="first derivatives of norm_bound"):
        slope.sum().backward()
    direction = torch.randn(shape, dtype=torch.float64)
    fixed = weight.detach()

    def along(w):
        return torch.func.jvp(kernel_bound, (w,), (direction,))[1]

    torch.testing.assert_close(along(fixed), (slope * direction).sum().detach())
    for derivative in (
        lambda: torch.func.jvp(along, (fixed,), (direction,)),
        lambda: torch.func.grad(along)(fixed),
        lambda: torch.func.jvp(torch.func.grad(kernel_bound), (fixed,), (direction,)),
    ):
        with pytest.raises(NotImplementedError, match="first derivatives of norm_bound"):
            derivative()


def test_large_kernels_in_transforms():
    weights = torch.randn(2, 260, 257, dtype=torch.float64)
    slopes = torch.func.vmap(torch.func.grad(kernel_bound))(weights)
    loop = torch.stack([torch.func.grad(kernel_bound)(w) for w in weights])
    torch.testing.assert_close(slopes, loop)
    torch.compiler.reset()
    compiled = torch.compile(kernel_bound, fullgraph=True, backend="aot_eager")
    weight = weights[0].clone().requires_grad_()
    bound = compiled(weight)
    assert torch.equal(bound, kernel_bound(weight))
    torch.testing.assert_close(torch.autograd.grad(bound, weight)[0], loop[0])


@pytest.mark.parametrize("shape", [(3, 3), (2, 2, 3)], ids=str)
def test_double_singular_values_have_no_second_derivative(shape):
    weight = torch.zeros(shape, dtype=torch.float64)
    weight.reshape(*shape[:2], -1)[..., 0] = torch.eye(shape[0])
    gradient = torch.func.grad(kernel_bound)(weight)
    assert bool(gradient.isfinite().all())
    curvature = torch.func.hessian(kernel_bound)(weight)
    assert not bool((curvature.abs() < 1e200).all())  # NaN compares as false, too
    recorded = weight.requires_grad_()
    again = torch.autograd.grad(kernel_bound(recorded), recorded, create_graph=True)[0]
    torch.testing.assert_close(again.detach(), gradient)


@pytest.mark.parametrize("shape", [(3, 4), (3, 2, 3), (2, 3, 3, 2), (2, 2, 2, 1, 3)], ids=str)
def test_second_derivative_of_the_row_bound(shape):
    origin = (0,) * (len(shape) - 2)

    def rows(weight):
        return row_bound(Stencil(weight, origin, "circular"))

    weight = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(rows, (weight,))
    fixed, size = weight.detach(), weight.numel()
    expected = _second_differences(lambda w: rows(w).square().sum().sqrt(), fixed)
    for hessian in (
        torch.func.hessian,
        lambda f: torch.func.jacfwd(torch.func.jacfwd(f)),
        lambda f: torch.func.jacrev(torch.func.jacrev(f)),
    ):
        found = hessian(lambda w: rows(w).square().sum().sqrt())(fixed)
        torch.testing.assert_close(found.reshape(size, size), expected, rtol=1e-4, atol=1e-4)
