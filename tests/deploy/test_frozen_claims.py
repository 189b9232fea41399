"""Frozen networks keep the claims of what they were made of, for the weights that they have."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.structure import Claim, Claims, Kind, claims_of
from tests.catalogue.flow import COMPOSED, EXPLICIT, example_shape

KEPT = ["euler-conv-clip", "lifted", "average", "post-activation", "verlet-reversible"]


def _frozen(name="euler-rows"):
    return dx.freeze({**COMPOSED, **EXPLICIT}[name]())


def _certificate(module, name="euler-rows"):
    return dx.certify(module, torch.randn(2, *example_shape(name)), effort="quick")


def _found(module):
    return [(claim.structure, claim.kind) for claim in claims_of(module)]


@pytest.mark.parametrize("name", KEPT)
def test_claims_are_kept_as_bounds_and_attacked(name):
    module = {**COMPOSED, **EXPLICIT}[name]()
    frozen = dx.freeze(module)
    # no energy() and no inverse() are frozen
    lost = (dx.Dissipative, dx.EnergyPreserving, dx.Invertible)
    promised = [c.structure for c in claims_of(module) if not isinstance(c.structure, lost)]
    assert promised
    assert _found(frozen) == [(structure, Kind.BOUND) for structure in promised]
    certificate = _certificate(frozen, name)
    assert certificate.verdict == "holds"
    assert certificate.require(promised[0]).kind is Kind.BOUND


def test_a_frozen_denoiser_has_its_constant():
    network = dx.models.denoiser(features=4, units=6, depth=2)
    certificate = dx.certify(dx.freeze(network), torch.rand(1, 1, 8, 8), effort="quick")
    assert (certificate.verdict, certificate.lipschitz) == ("holds", 1.0)


def test_what_is_lost_is_said():
    gaps = [gap.reason for gap in claims_of(_frozen("verlet")).gaps]
    assert any("Invertible stops here" in reason for reason in gaps)


def _saved(frozen):
    file = io.BytesIO()
    torch.save(frozen, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def _reloaded(frozen):
    state = copy.deepcopy(frozen.state_dict())
    with torch.no_grad():
        for value in frozen.parameters():
            value.zero_()
    frozen.load_state_dict(state)
    return frozen


@pytest.mark.parametrize(
    "way",
    [
        copy.deepcopy,
        lambda frozen: pickle.loads(pickle.dumps(frozen)),
        _saved,
        _reloaded,
        lambda frozen: frozen.double(),  # has the same numbers
        lambda frozen: frozen.double().float(),
        lambda frozen: frozen.train().eval(),
        lambda frozen: frozen.requires_grad_(requires_grad=True),
        torch.compile,
    ],
    ids=["deepcopy", "pickle", "save", "state_dict", "double", "float", "eval", "grad", "compile"],
)
def test_claims_last_as_long_as_the_weights(way):
    frozen = _frozen()
    before = _found(frozen)
    assert before
    assert _found(way(frozen)) == before


def _scaled(frozen, factor):
    with torch.no_grad():
        next(frozen.parameters()).mul_(factor)


def _other_increment(frozen):
    frozen[0].increment[1] = nn.Tanh().eval()


def _other_coefficients(frozen):
    frozen[0].b = (1.01,)


def _hooked(frozen):
    frozen[0].increment[0].register_forward_hook(lambda part, inputs, value: 1.01 * value)


def _replaced(frozen):
    frozen[0].increment[1].forward = torch.tanh


CHANGES = {
    "weights": lambda frozen: _scaled(frozen, 1.01),
    "one bit": lambda frozen: _scaled(frozen, 1 + 2e-7),
    "layer": _other_increment,
    "coefficients": _other_coefficients,
    "hook": _hooked,
    "forward": _replaced,
    "mode": lambda frozen: frozen.train(),
    "mode of a part": lambda frozen: frozen[0].increment[1].train(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_claims_of_what_changed_are_undecided(change):
    frozen = _frozen()
    kept = [claim.structure for claim in claims_of(frozen)]
    CHANGES[change](frozen)
    assert _found(frozen) == [(structure, Kind.MEASURED) for structure in kept]
    certificate = _certificate(frozen)
    assert certificate.verdict == "undecided"
    assert certificate.lipschitz is None
    assert any("is what freeze() made" in sentence for sentence in certificate.missing)
    with pytest.raises(dx.certification.NotCertifiedError, match="is what freeze"):
        certificate.require(kept[0])


@pytest.mark.parametrize(
    "change", [lambda frozen: _scaled(frozen, -3.0), lambda frozen: frozen.bfloat16().float()]
)
def test_claims_of_what_changed_are_refuted_where_attacks_show_it(change):
    frozen = _frozen()
    change(frozen)
    assert _certificate(frozen).verdict == "refuted"


def test_weights_of_another_network_do_not_inherit_claims():
    frozen, other = _frozen(), _frozen()
    frozen.load_state_dict(other.state_dict())
    assert _certificate(frozen).verdict == "undecided"


def test_freezing_again_does_not_launder_claims():
    frozen = dx.freeze(nn.Sequential(dx.linear.Dense(3, 3), nn.ReLU()))
    assert {kind for _, kind in _found(dx.freeze(frozen))} == {kind for _, kind in _found(frozen)}
    _scaled(frozen, 1.5)
    assert Kind.MEASURED in {kind for _, kind in _found(frozen)}
    again = claims_of(dx.freeze(frozen))
    assert all(claim.kind > Kind.MEASURED for claim in again)
    bound = again.find(dx.Lipschitz).structure.constant
    assert bound >= float(torch.linalg.matrix_norm(frozen[0].weight.double(), 2)) * (1 - 1e-12)


def test_parts_keep_theirs():
    net = nn.Sequential(_frozen(), nn.ReLU())
    assert [kind for _, kind in _found(net)] == [Kind.BOUND]
    _scaled(net[0], 1.01)
    assert [kind for _, kind in _found(net)] == [Kind.MEASURED]
    assert _certificate(net).verdict == "undecided"


class Liar(nn.Module):
    def forward(self, x):
        return 2 * x

    def claims(self):
        return Claims((Claim(dx.Lipschitz(1.0), Kind.CONSTRUCTION, "says so"),))


def test_false_claims_are_attacked_when_frozen():
    frozen = dx.freeze(nn.Sequential(Liar(), nn.ReLU()))
    certificate = _certificate(frozen)
    assert {row.level for row in certificate.refuted} >= {"claim", "part"}


def test_meta_tensors_keep_nothing():
    with torch.device("meta"):
        dense = dx.linear.Dense(2, 2)
    assert dx.freeze(dense).weight.is_meta
    assert all(kind is Kind.MEASURED for _, kind in _found(_frozen().to("meta")))


def test_what_torch_layers_claim_needs_no_freezing():
    claims = claims_of(dx.freeze(nn.Sequential(nn.ReLU(), nn.Identity())))
    assert [claim.kind for claim in claims] == [Kind.CONSTRUCTION]


@pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")
def test_state_and_deployment_are_as_before():
    module = COMPOSED["euler-rows"]()
    frozen, x = dx.freeze(module), torch.randn(2, 4)
    assert set(frozen.state_dict()) == {k for k, _ in frozen.named_parameters()}
    torch.testing.assert_close(torch.jit.trace(frozen, x)(x), frozen(x))
    torch.testing.assert_close(torch.jit.script(frozen[0].increment)(x), frozen[0].increment(x))
