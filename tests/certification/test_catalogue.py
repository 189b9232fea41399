"""The catalogue under attack: no member of any room is refuted."""

import pytest
import torch
from torch import nn

from darboux.certification import certify
from darboux.fields._layers import slope_premises
from darboux.structure import (
    Claim,
    Claims,
    Kind,
    Lipschitz,
    adjoint_of,
    norm_at_most,
    rows_at_most,
)
from tests.catalogue import activations, flow, linear
from tests.catalogue.fields import general as fields


def quick(module, example):
    return certify(module, example, effort="quick")


def refuted(certificate):
    assert certificate.rows
    return [row.place + ": " + row.statement for row in certificate.rows if row.refuted]


class Under(nn.Module):
    """A module that stands on premises about a part."""

    def __init__(self, part, *premises):
        super().__init__()
        self.part, self.kinds = part, premises

    def forward(self, x):
        return self.part(x)

    def claims(self):
        premises = tuple(make(self.part) for make in self.kinds)
        return Claims((Claim(Lipschitz(float("inf")), Kind.BOUND, "any", premises),))


@pytest.mark.parametrize("name", linear.CASES)
def test_linear_map(name):
    part = linear.CASES[name]()
    example = torch.randn(linear.example_shape(part))
    certificate = quick(Under(part, adjoint_of, norm_at_most, rows_at_most), example)
    assert refuted(certificate) == [], str(certificate)
    assert sum(row.status == "not refuted" for row in certificate.rows) >= 5


SEPARABLE = [name for name, build in activations.CASES.items() if build().separable]


@pytest.mark.parametrize("name", SEPARABLE)
def test_activation(name):
    part = activations.CASES[name]()
    certificate = quick(Under(part, lambda part: slope_premises(part)[0]), example_of(part))
    assert refuted(certificate) == [], str(certificate)
    assert certificate.rows[-1].status == "not refuted"


def example_of(part):
    """Return an input that an activation accepts."""
    channels = getattr(part, "channels", None) or 4
    return torch.randn(2, channels, *(3,) * getattr(part, "dim", 0))


@pytest.mark.parametrize("name", fields.CASES)
def test_field(name):
    class Whole(nn.Module):
        def __init__(self, field):
            super().__init__()
            self.field = field

        def forward(self, z):
            return self.field(0.0, z)

        def claims(self):
            bound = self.field.lipschitz()
            constant = float("inf") if bound is None else float(bound)
            premises = self.field.premises()
            return Claims((Claim(Lipschitz(constant), Kind.BOUND, "field", premises),))

    field = fields.CASES[name]()
    features, dim = fields.features_of(field)
    certificate = quick(Whole(field), torch.randn(2, features, *(5, 4, 3)[:dim]))
    assert refuted(certificate) == [], str(certificate)


@pytest.mark.parametrize("name", flow.COMPOSED)
def test_flow(name):
    module = flow.COMPOSED[name]()
    certificate = quick(module, torch.randn(2, *flow.example_shape(name)))
    assert refuted(certificate) == [], str(certificate)
