"""Lifted, Residual, Average, Translated: values and claims."""

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.structure import Kind, claims_of


def _flow(features=8):
    field = dx.fields.GradientField(
        dx.linear.Conv(features, 12, kernel_size=3, dim=2, padding_mode="zeros"),
        dx.activations.ReLU(),
    )
    return dx.Flow([field], dx.integrators.Euler(), steps=dx.ContractiveSteps(fraction=0.5))


@pytest.mark.parametrize("size", [(6, 8), (5, 7), (1, 1)])
def test_lifted_identity_is_the_identity(size):
    lifted = dx.Lifted(dx.linear.Lift(1, 8, dim=2, shuffle=2), nn.Identity())
    x = torch.randn(2, 1, *size)
    torch.testing.assert_close(lifted(x), x)


def test_lifted_carries_averagedness():
    lifted = dx.Lifted(dx.linear.Lift(1, 8, dim=2, shuffle=2), _flow())
    claim = claims_of(lifted).find(dx.Averaged)
    assert claim.structure.alpha == pytest.approx(0.5)
    assert claim.kind is Kind.CONSTRUCTION


def test_lifted_by_a_general_map_takes_its_norm_squared():
    dense = dx.linear.Dense(4, 4)
    with torch.no_grad():
        dense.weight.copy_(3 * torch.eye(4))
    claim = claims_of(dx.Lifted(dense, nn.Tanh())).find(dx.Lipschitz)
    assert claim.structure.constant == pytest.approx(9.0, rel=1e-2)
    assert claim.structure.constant >= 9.0
    assert claim.kind is Kind.BOUND


def test_lifted_passes_gaps_on():
    lifted = dx.Lifted(dx.linear.Lift(1, 8, dim=2), nn.Hardshrink())
    assert claims_of(lifted).gaps[0].path == "inner"


def test_residual_value_and_claim():
    block = dx.Residual(nn.Tanh(), scale=-0.5)
    x = torch.randn(3, 4)
    torch.testing.assert_close(block(x), x - 0.5 * torch.tanh(x))
    assert claims_of(block).find(dx.Lipschitz).structure.constant == 1.5


def test_average_of_averaged_maps():
    parts = [_flow(), nn.Identity()]
    claim = claims_of(dx.Average(parts)).find(dx.Averaged)
    assert claim.structure.alpha == pytest.approx(0.25)


def test_average_value():
    average = dx.Average([nn.ReLU(), nn.Tanh()], weights=(0.25, 0.75))
    x = torch.randn(3, 4)
    torch.testing.assert_close(average(x), 0.25 * torch.relu(x) + 0.75 * torch.tanh(x))


@pytest.mark.parametrize(
    ("parts", "weights", "match"),
    [
        ([], None, "at least one map"),
        ([nn.ReLU()], (0.5,), "sum to 1"),
        ([nn.ReLU(), nn.ReLU()], (1.5, -0.5), "a finite number of 0 or more"),
        ([nn.ReLU()], (0.5, 0.5), "expected 1 weights"),
    ],
)
def test_average_refuses(parts, weights, match):
    with pytest.raises(ValueError, match=match):
        dx.Average(parts, weights=weights)


def test_translated_keeps_metric_claims():
    moved = dx.compose.Translated(_flow(), offset=0.5)
    assert claims_of(moved).find(dx.Averaged).structure.alpha == pytest.approx(0.5)
    x = torch.randn(1, 8, 5, 5)
    torch.testing.assert_close(moved(x), moved.inner(x - 0.5) + 0.5)


@pytest.mark.parametrize(
    "module",
    [
        dx.Residual(nn.Linear(4, 1)),
        dx.Residual(nn.Flatten(0, 1)),
        dx.Average([nn.Identity(), nn.Linear(4, 1)]),
        dx.Average([nn.Linear(4, 1), nn.Identity()]),
    ],
    ids=["residual of one channel", "residual without batch", "average, last", "average, first"],
)
def test_summands_of_other_shapes_are_refused(module):
    """x + w·x would be broadcast: its constant is 1 + |s| c √n."""
    with pytest.raises(ValueError, match=r"shape \(.*; got \("):
        module(torch.randn(2, 4))


def test_average_rests_on_the_symmetry_of_every_part():
    feature = dx.symmetry.Feature(dx.symmetry.Cyclic(4), ["regular"])
    symmetry = dx.Equivariant(feature.group, feature, feature)

    class Says(nn.Module):
        def __init__(self, kind):
            super().__init__()
            self.kind = kind

        def forward(self, x):
            return x

        def claims(self):
            premise = dx.structure.nonnegative_entries(self)
            return dx.structure.Claims(
                (dx.structure.Claim(symmetry, self.kind, "says so", (premise,)),)
            )

    parts = [Says(Kind.CONSTRUCTION), Says(Kind.MEASURED)]
    claim = claims_of(dx.Average(parts)).find(dx.Equivariant)
    assert claim.kind is Kind.MEASURED
    assert [premise.subject for premise in claim.premises] == parts
