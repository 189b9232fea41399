"""What people write first works, or is answered by what to write instead."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import darboux as dx
from darboux.fields import GradientField
from darboux.linear import Dense

SAME = {
    "ReLU": nn.ReLU(inplace=True),
    "LeakyReLU": nn.LeakyReLU(0.1),
    "Tanh": nn.Tanh(),
    "Sigmoid": nn.Sigmoid(),
    "Softplus": nn.Softplus(beta=2.0),
    "ELU": nn.ELU(),
    "Identity": nn.Identity(),
}


@pytest.mark.parametrize("name", SAME)
def test_activations_of_torch_become_ours(name):
    field = GradientField(Dense(3, 3), SAME[name])
    assert type(field.activation) is getattr(dx.activations, name)
    x = torch.linspace(-30, 30, 101, dtype=torch.float64)
    exact = SAME[name](x.clone())
    torch.testing.assert_close(field.activation(x), exact, rtol=1e-12, atol=1e-8)


def hooked():
    relu = nn.ReLU()
    relu.register_forward_hook(lambda module, args, y: 2 * y)
    return relu


class Twice(nn.ReLU):
    """Not what its base computes."""

    def forward(self, x):
        return 2 * super().forward(x)


def with_activation(value):
    return lambda: GradientField(Dense(4, 4), value)


def with_map(value):
    return lambda: GradientField(value, dx.activations.ReLU())


ANSWERS = {
    "text": (with_activation("relu"), "Write darboux.activations.ReLU()."),
    "text in another case": (with_activation("leaky_relu"), "darboux.activations.LeakyReLU()."),
    "unknown text": (with_activation("gelu"), "Use one of darboux.activations: Clip, ELU,"),
    "function": (with_activation(torch.relu), "darboux.activations.ReLU()."),
    "function of torch.nn": (with_activation(functional.softplus), "activations.Softplus()."),
    "method": (with_activation(torch.tanh), "darboux.activations.Tanh()."),
    "class of torch": (with_activation(nn.ReLU), "got the class ReLU. Write darboux.activations"),
    "class": (with_activation(dx.activations.ReLU), "Make one: ReLU(...)."),
    "other module": (with_activation(nn.GELU()), "got a GELU. Use one of darboux.activations"),
    "other parameters": (with_activation(nn.ELU(2.0)), "It is ELU(alpha=2.0)"),
    "subclass": (with_activation(Twice()), "Twice has a forward() of its own"),
    "hooks": (with_activation(hooked()), "Forward hooks (<lambda>) may change"),
    "nn.Linear": (with_map(nn.Linear(3, 5)), "Write darboux.linear.Dense(3, 5)."),
    "nn.Conv2d": (
        with_map(nn.Conv2d(1, 4, (3, 5), padding="same")),
        "Write darboux.linear.Conv(1, 4, kernel_size=(3, 5), dim=2, padding_mode='zeros')",
    ),
    "circular": (
        with_map(nn.Conv1d(2, 2, 3, padding=1, padding_mode="circular")),
        "Conv(2, 2, kernel_size=3, dim=1, padding_mode='circular')",
    ),
    "other map": (with_map(nn.ReLU()), "Use one of darboux.linear, for instance Dense or Conv."),
    "Lifted": (lambda: dx.Lifted(nn.Linear(2, 2), nn.ReLU()), "darboux.linear.Dense(2, 2)."),
    "Residual": (lambda: dx.Residual(3), "expected inner to be a Module; got 3."),
    "Residual of a function": (
        lambda: dx.Residual(torch.relu),
        "expected inner to be a Module; got the function relu.",
    ),
    "Average": (
        lambda: dx.Average(nn.ReLU()),
        "expected parts to be a sequence",
    ),
    "Lipschitz": (lambda: dx.Lipschitz("1"), "expected constant to be a number of 0 or more"),
    "Equivariant": (lambda: dx.Equivariant("C4"), "Write Cyclic(4)"),
    "claims_of": (
        lambda: dx.structure.claims_of(torch.relu),
        "expected a torch.nn.Module; got the function relu",
    ),
    "array": (
        lambda: Dense(2, 2)(np.ones((1, 2), dtype=np.float32)),
        "got an array of shape (1, 2) and float32. Make one by torch.as_tensor.",
    ),
    "list": (lambda: dx.activations.ReLU()([1.0]), "got [1.0]. Make one by torch.as_tensor."),
    "integers": (lambda: dx.activations.ReLU()(torch.ones(2, 2).long()), "Use x.float()."),
    "mixed norm of a list": (
        lambda: dx.linear.mixed_norm_bound([[1.0]], 1, 1),
        "expected weight to be a Tensor; got [[1.0]]. Make it one by torch.as_tensor.",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name):
    call, answer = ANSWERS[name]
    with pytest.raises(TypeError, match=re.escape(answer)):
        call()
