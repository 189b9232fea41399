"""The function as a whole: what it refuses, what it leaves alone, what it writes down."""

import copy
import warnings

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.certify import Finding, NotAttackedError, Trial, attack, attack_premise, certify
from darboux.fields import GradientField
from darboux.linear import Dense
from darboux.structure import Averaged, Claim, Claims, Kind, Lipschitz, Premise, Structure


def quick(module, example, **options):
    return certify(module, example, effort="quick", **options)


def net():
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 4))


def flow(count=2):
    fields = [GradientField(Dense(4, 6), dx.activations.ReLU()) for _ in range(count)]
    return dx.Flow(fields, dx.integrators.Euler(), steps=dx.ContractiveSteps(fraction=0.9))


def test_users_reach_the_function():
    assert dx.certify is certify
    assert dx.Certificate.__name__ == "Certificate"


# --- what it refuses ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("example", "error", "sentence"),
    [
        ([[1.0]], TypeError, "expected the example as a torch.Tensor; got list"),
        (torch.ones(2, 4, dtype=torch.long), TypeError, "floating example; got torch.int64"),
        (torch.ones(4), ValueError, r"shape \(4,\). Use example\[None\]"),
        (torch.ones(0, 4), ValueError, "at least one sample"),
        (torch.tensor([[1.0, float("nan"), 0, 0]]), ValueError, "1 of its 4 entries are NaN"),
        (torch.full((1, 4), float("inf")), ValueError, "4 of its 4 entries"),
    ],
    ids=["list", "integers", "no batch", "empty", "NaN", "infinite"],
)
def test_bad_examples_are_refused(example, error, sentence):
    with pytest.raises(error, match=sentence):
        quick(net(), example)


class Returns(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return self.value(x)


@pytest.mark.parametrize(
    ("module", "error", "sentence"),
    [
        (torch.relu, TypeError, r"expected a torch.nn.Module; got builtin"),
        (Returns(lambda x: (x, x)), TypeError, "one tensor; got tuple"),
        (Returns(lambda x: x.argmax(1)), TypeError, "floating values; the module returned"),
        (Returns(lambda x: x / 0), ValueError, "returned 4 NaN or infinite entries of 4"),
    ],
    ids=["function", "tuple", "integers", "infinite"],
)
def test_bad_modules_are_refused(module, error, sentence):
    with pytest.raises(error, match=sentence):
        quick(module, torch.ones(1, 4))


def test_parameters_that_are_not_finite_are_refused():
    module = net()
    with torch.no_grad():
        module[2].weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"expected finite parameters; '2.weight'"):
        quick(module, torch.ones(1, 4))


class Unheard(Structure):
    def describe(self):
        return "unheard of"

    def after(self, first):
        return None


@pytest.mark.parametrize(
    ("claims", "error", "sentence"),
    [
        (Lipschitz(1.0), TypeError, r"list of structures, such as \[Lipschitz\(1.0\)\]"),
        ([], ValueError, "at least one claim"),
        ([Lipschitz], TypeError, "a structure such as .*; got Lipschitz. Known: Averaged, "),
        (["nonexpansive"], TypeError, "got 'nonexpansive'. Known: Averaged, "),
        ([Unheard()], ValueError, "no attack is known for Unheard. Known: .*Lipschitz"),
    ],
    ids=["no list", "empty", "class", "word", "unknown"],
)
def test_bad_claims_are_refused(claims, error, sentence):
    with pytest.raises(error, match=sentence):
        quick(net(), torch.ones(1, 4), claims=claims)


def test_unknown_effort_is_refused():
    with pytest.raises(ValueError, match="one of 'quick', 'normal', 'thorough'; got 'hard'"):
        certify(net(), torch.ones(1, 4), effort="hard")


def test_a_module_that_cannot_be_copied_is_refused():
    class Unique(nn.Module):
        def __deepcopy__(self, memo):
            msg = "there is only one"
            raise RuntimeError(msg)

    with pytest.raises(TypeError, match=r"can copy.*there is only one"):
        quick(Unique(), torch.ones(1, 4))


# --- what it leaves alone -----------------------------------------------------------------


def test_module_and_random_state_stay_as_they_are():
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), flow())
    module(torch.randn(8, 4)).sum().backward()
    module[1].eval()
    state = copy.deepcopy(module.state_dict())
    grads = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    modes = [part.training for part in module.modules()]
    example = torch.randn(2, 4)
    kept, random_state = example.clone(), torch.get_rng_state()
    quick(module, example)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.equal(example, kept)
    assert modes == [part.training for part in module.modules()]
    assert all(p.requires_grad for p in module.parameters())
    for name, value in module.state_dict().items():
        assert torch.equal(value, state[name]), name
    for name, parameter in module.named_parameters():
        assert (parameter.grad is None) == (name not in grads)
        assert name not in grads or torch.equal(parameter.grad, grads[name]), name
    assert not any(part._forward_pre_hooks for part in module.modules())


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode], ids=["no", "inference"])
def test_surroundings_do_not_matter(context):
    module, example = flow(), torch.randn(2, 4)
    plain = quick(module, example)
    with context():
        assert quick(module, example).rows == plain.rows


def test_autocast_does_not_matter():
    module, example = flow(), torch.randn(2, 4)
    plain = quick(module, example)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert quick(module, example).rows == plain.rows


def test_same_call_same_certificate():
    module, example = flow(), torch.randn(2, 4)
    assert quick(module, example).rows == quick(module, example).rows


def test_generator_decides():
    module, example = flow(), torch.randn(2, 4)

    def rows(seed):
        generator = torch.Generator().manual_seed(seed)
        return quick(module, example, generator=generator).rows

    assert rows(1) == rows(1)
    assert rows(1) != rows(2)


def test_old_hooks_can_be_copied():
    """The old spectral_norm keeps a computed tensor as attribute, which deepcopy refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # newer versions deprecate it
        layer = nn.utils.spectral_norm(nn.Linear(4, 4)).eval()
    layer(torch.ones(1, 4))
    assert quick(layer, torch.randn(2, 4), claims=[Lipschitz(5.0)]).holds


# --- what it writes down ------------------------------------------------------------------


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
    assert certificate.holds, str(certificate)
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
    assert certificate.holds, str(certificate)


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


# --- attacks of one's own -----------------------------------------------------------------


class Small(Structure):
    def describe(self):
        return "|φ| <= 1"

    def after(self, first):
        return self


class Odd(Premise):
    def statement(self):
        return "σ(-x) = -σ(x)"


class Bounded(nn.Module):
    def forward(self, x):
        return torch.sin(x)

    def claims(self):
        return Claims((Claim(Small(), Kind.CONSTRUCTION, "sine", (Odd(self),)),))


def test_without_an_attack_a_row_says_so():
    rows = quick(Bounded(), torch.randn(2, 4)).rows
    assert [row.status for row in rows] == ["not attacked"] * 3
    assert "no attack is registered for Small" in rows[0].note
    assert "no attack is registered for the premise Odd" in rows[2].note


def test_attacks_can_be_registered():
    class Mine(Small):
        pass

    class Theirs(Odd):
        pass

    class Module(Bounded):
        def claims(self):
            return [Claim(Mine(), Kind.CONSTRUCTION, "sine", (Theirs(self),))]

    @attack.register(Mine)
    def _(structure, target):
        size = float(target.module(target.inputs).abs().max())
        return Finding(1.0, (Trial("the inputs", len(target.inputs), size, 0.0),))

    @attack_premise.register(Theirs)
    def _(premise, target):
        msg = "not today"
        raise NotAttackedError(msg)

    rows = quick(Module(), torch.randn(2, 4)).rows
    assert [row.status for row in rows] == ["not refuted", "not refuted", "not attacked"]
    assert rows[0].tried == "the inputs (2)"
    assert rows[2].note == "not today"


def test_an_attack_that_breaks_down_says_so():
    class Touchy(nn.Module):
        def forward(self, x):
            if x.abs().max() > 3:
                msg = "too large for me"
                raise ValueError(msg)
            return x

    row = quick(Touchy(), torch.zeros(1, 4), claims=[Averaged(0.5)]).rows[0]
    assert row.status == "not attacked"
    assert "too large for me" in row.note


def test_normal_effort_is_the_default():
    certificate = dx.certify(flow(), torch.randn(2, 4))
    assert certificate.holds
    assert certificate.environment.effort == "normal"
    assert str(certificate).startswith("Certificate of Flow")
