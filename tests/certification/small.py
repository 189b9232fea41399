"""Small modules and a quick certificate, for the tests of this room."""

from torch import nn

import darboux as dx
from darboux.certification import certify
from darboux.fields import GradientField
from darboux.linear import Dense


def quick(module, example, **options):
    return certify(module, example, effort="quick", **options)


def net():
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 4))


def flow(count=2):
    fields = [GradientField(Dense(4, 6), dx.activations.ReLU()) for _ in range(count)]
    return dx.Flow(fields, dx.integrators.Euler(), steps=dx.ContractiveSteps(fraction=0.9))


class Returns(nn.Module):
    """A module from a function."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return self.value(x)
