"""Products with Jacobians of convolutions: what they are, and what they cost."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from darboux.certification._jacobian import Jacobian

CONVOLUTIONS = {
    "1-D, no bias": (nn.Conv1d(2, 3, 3, bias=False), (2, 7)),
    "strided": (nn.Conv2d(2, 3, 3, stride=2, padding=1), (2, 7, 6)),
    "dilated, in groups": (nn.Conv2d(4, 6, (3, 2), dilation=(2, 1), groups=2), (4, 8, 7)),
    "circular": (nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"), (2, 5, 5)),
    "padded by name": (nn.Conv2d(2, 3, 3, padding="same"), (2, 5, 5)),
    "3-D": (nn.Conv3d(1, 2, 2, padding=(1, 0, 1)), (1, 3, 4, 3)),
    "transposed": (nn.ConvTranspose2d(2, 3, 3, stride=2), (2, 4, 4)),
}


class Pooled(nn.Module):
    """A kernel that depends on the input."""

    def forward(self, x):
        kernel = torch.stack([x[0, :, :2, :2], x[0, :, 1:3, 1:3].sin()])
        return functional.conv2d(x, kernel, kernel.sum(dim=(1, 2, 3)))


class Gradient(nn.Module):
    """The gradient of an energy, a map that differentiates itself."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, padding=1)

    def forward(self, x):
        return torch.func.grad(lambda z: self.conv(z).tanh().square().sum())(x)


MAPS = CONVOLUTIONS | {"its own kernel": (Pooled(), (2, 4, 4)), "gradient": (Gradient(), (2, 5, 5))}


@pytest.mark.parametrize("name", MAPS)
def test_products_are_those_of_forward_and_reverse_mode(name):
    module, shape = MAPS[name]
    module = module.double().requires_grad_(requires_grad=False)

    def call(x):
        return module(module(x).tanh()) if module is MAPS["gradient"][0] else module(x.tanh()).sin()

    x, v = torch.randn(2, 2, *shape, dtype=torch.float64).unbind()
    value, tangent = torch.func.jvp(call, (x,), (v,))
    u = torch.randn_like(value)
    jacobian = Jacobian(call, x)
    torch.testing.assert_close(jacobian.value.detach(), value)
    torch.testing.assert_close(jacobian.push(v), tangent)
    torch.testing.assert_close(jacobian.pull(u), torch.func.vjp(call, x)[1](u)[0])


class Convolutions(TorchDispatchMode):
    """Counts convolutions, forward and backward."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += "convolution" in str(func)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "name", ["1-D, no bias", "strided", "dilated, in groups", "circular", "3-D"]
)
def test_a_product_costs_one_convolution(name):
    module, shape = CONVOLUTIONS[name]
    module.requires_grad_(requires_grad=False)
    x, v = torch.randn(2, 2, *shape, dtype=next(module.parameters()).dtype).unbind()
    jacobian = Jacobian(lambda x: module(x).tanh(), x)
    jacobian.push(v)
    with Convolutions() as counted:
        image = jacobian.push(v)
    assert counted.count == 1
    with Convolutions() as counted:
        jacobian.pull(image)
    assert counted.count == 1


def _by_forward_mode(x):
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, torch.ones_like(x))
        return forward_ad.unpack_dual(functional.conv2d(dual, KERNEL)).tangent


KERNEL = torch.linspace(-1, 1, 54, dtype=torch.float64).reshape(3, 2, 3, 3)

CALLS = {
    "numbers of NumPy": lambda x: functional.conv2d(x, KERNEL, None, np.int64(2), np.int64(1)),
    "numbers in tensors": lambda x: functional.conv2d(x, KERNEL, stride=torch.tensor(2)),
    "one number for all axes": lambda x: functional.conv2d(x, KERNEL, stride=(2,), padding=[1]),
    "forward mode": _by_forward_mode,
    "compiled": torch.compile(lambda x: functional.conv2d(x, KERNEL), backend="eager"),
}


@pytest.mark.parametrize("name", CALLS)
def test_whatever_torch_convolves_is_differentiated(name):
    x = torch.randn(2, 2, 5, 5, dtype=torch.float64)
    jacobian = Jacobian(CALLS[name], x)
    start = x.clone().requires_grad_()
    value = CALLS[name](start)
    (expected,) = torch.autograd.grad(value.square().sum() / 2, start)
    torch.testing.assert_close(jacobian.value.detach(), value.detach())
    torch.testing.assert_close(jacobian.pull(value.detach()), expected)
