"""What a part returns as NaN is never within what is claimed of it."""

import math

import pytest
import torch
from torch import nn

from darboux.linear import Stencil, StencilMap
from darboux.structure import (
    Claim,
    Kind,
    Lipschitz,
    adjoint_of,
    entries_at_most,
    isometry_of,
    norm_at_most,
    rows_at_most,
)
from tests.certification.small import quick


class Kept(StencilMap):
    """The identity of three features."""

    in_features = out_features = 3
    dim = 0

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(3))

    def stencil(self):
        return Stencil(self.weight, (), "zeros")


def broken(method):
    """Return the identity, one method of which returns NaN."""

    def lost(self, *args, **options):
        return getattr(Kept, method)(self, *args, **options) * math.nan

    return type("Broken", (Kept,), {method: lost})()


class Relying(nn.Module):
    """The identity, because a part of it has a property."""

    def __init__(self, part, condition):
        super().__init__()
        self.part, self.condition = part, condition

    def forward(self, x):
        return x.clone()

    def claims(self):
        premise = self.condition(self.part)
        return [Claim(Lipschitz(1.0), Kind.CONSTRUCTION, "the part has it", (premise,))]


@pytest.mark.parametrize(
    ("method", "condition"),
    [
        ("norm_bound", norm_at_most),
        ("row_bound", rows_at_most),
        ("entry_bound", entries_at_most),
        ("adjoint", adjoint_of),
        ("scaled_adjoint", adjoint_of),
        ("affine", adjoint_of),
        ("restore", isometry_of),
    ],
)
def test_nan_meets_no_condition(method, condition):
    certificate = quick(Relying(broken(method), condition), torch.randn(2, 3))
    assert certificate.verdict == "refuted", str(certificate)
