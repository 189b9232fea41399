"""Rows, gaps and texts of certificates."""

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.certification import certify
from darboux.fields import GradientField
from darboux.linear import Dense
from darboux.structure import Kind, Lipschitz
from tests.certification.small import Returns, flow, quick


def test_users_reach_the_function():
    assert dx.certify is certify
    assert dx.Certificate.__name__ == "Certificate"


def test_flow_has_rows_of_every_level():
    certificate = quick(flow(), torch.randn(2, 4))
    assert [row.level for row in certificate.rows if row.path == ""] == ["claim", "claim"]
    assert {row.dtype for row in certificate.rows if row.level == "claim"} == {"float64", "float32"}
    paths = {(row.level, row.path) for row in certificate.rows}
    assert {("part", "step0"), ("part", "step1"), ("premise", "step1")} <= paths
    assert {("premise", "step0.field.map"), ("premise", "step1.field.activation")} <= paths
    assert all(row.tried and row.samples for row in certificate.rows)
    assert certificate.lipschitz == 1.0


def test_premises_appear_once():
    field = GradientField(Dense(4, 6), dx.activations.ReLU())
    shared = dx.Flow(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=4))
    rows = quick(shared, torch.randn(2, 4)).rows
    premises = [row.statement for row in rows if row.level == "premise"]
    assert len([text for text in premises if "adjoint" in text]) == 1
    assert len([row for row in rows if row.level == "part" and "averaged" in row.statement]) == 4


def test_measured_is_never_called_a_proof():
    class Opaque(nn.Module):
        def forward(self, x):
            return 0.5 * torch.sin(x)

    certificate = quick(Opaque(), torch.randn(2, 4), claims=[Lipschitz(1.0)])
    assert certificate.holds
    assert certificate.rows[0].kind is Kind.MEASURED
    assert certificate.lipschitz is None
    assert "not a proof" in str(certificate)
    assert "not a proof" in certificate.to_html()


def test_a_stronger_proof_is_shown():
    row = quick(flow(), torch.randn(2, 4), claims=[Lipschitz(2.0)]).rows[0]
    assert row.kind is Kind.CONSTRUCTION
    assert row.structure == Lipschitz(2.0)
    assert "follows from averaged" in row.reason


def test_gaps_name_the_layer():
    class Opaque(nn.Module):
        def forward(self, x):
            return x.sin()

    certificate = quick(nn.Sequential(nn.ReLU(), Opaque()), torch.randn(2, 4))
    assert any(gap.path == "1" and "Opaque" in gap.reason for gap in certificate.gaps)
    assert not any(row.level == "claim" for row in certificate.rows)
    assert "Where claims stopped" in str(certificate)


def test_random_map_is_a_gap():
    module = nn.Sequential(nn.ReLU(), nn.Dropout(0.5))
    certificate = quick(module, torch.randn(2, 64), claims=[Lipschitz(1.0)])
    assert certificate.rows[0].status == "not attacked"
    assert any("call eval()" in gap.reason for gap in certificate.gaps)
    assert quick(module.eval(), torch.randn(2, 64)).lipschitz == 1.0


def test_mixed_batch_is_one_point():
    module = nn.BatchNorm1d(4)
    certificate = quick(module, torch.randn(6, 4), claims=[Lipschitz(100.0)])
    assert "whole batch was one point" in certificate.rows[0].note


def test_single_point_of_kink_is_no_excuse():
    """A slope that only shows far from the example."""

    class Far(nn.Module):
        def forward(self, x):
            return x + 2 * torch.relu(x - 50)

    assert not certify(Far(), torch.randn(2, 3), claims=[Lipschitz(1.0)]).holds


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_dtypes(dtype):
    module = flow().to(dtype)
    certificate = quick(module, torch.randn(2, 4, dtype=dtype))
    # half a unit in the last place of bfloat16 is 0.4 %: after a few operations nothing is decided
    expected = "undecided" if dtype == torch.bfloat16 else "holds"
    assert certificate.verdict == expected, str(certificate)
    assert not certificate.refuted
    assert certificate.rows[0].dtype == "float64"
    own = {row.dtype for row in certificate.rows if row.level == "claim"}
    assert own == {"float64", str(dtype).removeprefix("torch.")}


def test_module_without_float64_is_attacked_in_its_own():
    class Single(nn.Module):
        def forward(self, x):
            return 0.5 * x.float().sin()

    certificate = quick(Single(), torch.randn(2, 4), claims=[Lipschitz(0.4)])
    assert [row.dtype for row in certificate.rows] == ["float32"]
    assert not certificate.holds


def test_float32_rounding_is_no_refutation():
    """An orthogonal matrix in float32 has norm 1 + 1e-7; the claim is about 1."""
    layer = nn.Linear(64, 64, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.linalg.qr(torch.randn(64, 64))[0])
    assert quick(layer, torch.randn(2, 64), claims=[Lipschitz(1.0)]).holds


def test_cancellation_is_no_refutation():
    """Two units with opposite rows and a large common bias: values cancel, rounding stays."""
    field = GradientField(Dense(4, 2), dx.activations.ReLU())
    with torch.no_grad():
        field.map.weight[1] = -field.map.weight[0]
        field.bias.fill_(1e6)
    steps = dx.ContractiveSteps(count=1, fraction=1.0)
    cancels = dx.Flow(field, dx.integrators.Euler(), steps=steps)
    certificate = quick(cancels, torch.randn(2, 4))
    assert not certificate.refuted, str(certificate)
    assert {row.dtype for row in certificate.rows if row.open} == {"float32"}
    assert "rounding in float32" in certificate.missing[0]


def test_a_thousandth_is_a_refutation():
    layer = nn.Linear(64, 64, bias=False)
    with torch.no_grad():
        layer.weight.copy_(1.001 * torch.linalg.qr(torch.randn(64, 64))[0])
    assert not quick(layer, torch.randn(2, 64), claims=[Lipschitz(1.0)]).holds


def test_large_batches_are_cut():
    certificate = quick(flow(), torch.randn(500, 4))
    assert certificate.environment.shape == (500, 4)
    assert certificate.holds


def test_whatever_way_a_backward_pass_is_written():
    """An operation whose backward cannot be differentiated, nor has a forward mode."""

    class Triple(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 3 * x

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, gradient):
            return 3 * gradient

    module = Returns(Triple.apply)
    row = quick(module, torch.randn(2, 4), claims=[Lipschitz(2.0)]).rows[0]
    assert row.refuted
    assert row.measured == pytest.approx(3.0, rel=1e-6)


def test_a_wrong_derivative_refutes_nothing():
    class Exaggerates(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return 7 * gradient

    assert quick(Returns(Exaggerates.apply), torch.randn(2, 4), claims=[Lipschitz(1.0)]).holds
