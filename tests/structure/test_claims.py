"""Claims as data, and how they compose."""

import math

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.structure import (
    Claim,
    Claims,
    Gap,
    Kind,
    average,
    claims_of,
    composition,
    maps_of,
    residual,
)


def _claims(structure, kind=Kind.BOUND):
    return Claims((Claim(structure, kind, "test"),))


def test_lipschitz_constants_multiply():
    whole = composition([("a", _claims(dx.Lipschitz(2.0))), ("b", _claims(dx.Lipschitz(0.25)))])
    assert whole.find(dx.Lipschitz).structure == dx.Lipschitz(0.5)


def test_constant_map_stays_constant_after_unbounded():
    whole = composition([("a", _claims(dx.Lipschitz(math.inf))), ("b", _claims(dx.Lipschitz(0.0)))])
    assert whole.find(dx.Lipschitz).structure == dx.Lipschitz(0.0)


def test_kind_of_a_chain_is_the_weakest():
    parts = [
        ("a", _claims(dx.Lipschitz(1.0), Kind.CONSTRUCTION)),
        ("b", _claims(dx.Lipschitz(1.0), Kind.MEASURED)),
    ]
    assert composition(parts).find(dx.Lipschitz).kind is Kind.MEASURED


def test_averaged_maps_compose_by_the_sum_of_odds():
    whole = composition([("a", _claims(dx.Averaged(0.5))), ("b", _claims(dx.Averaged(2 / 3)))])
    # odds 1 and 2 add to 3: α = 3/4
    assert whole.find(dx.Averaged).structure.alpha == pytest.approx(0.75, rel=1e-15)


def test_averaged_composes_with_isometric_to_nonexpansive_only():
    whole = composition([("a", _claims(dx.Averaged(0.5))), ("b", _claims(dx.Isometric()))])
    assert whole.find(dx.Lipschitz).structure == dx.Lipschitz(1.0)
    assert whole.find(dx.Averaged) is None
    assert any(gap.path == "b" and "Averaged" in gap.reason for gap in whole.gaps)


def test_symplectic_implies_volume_preserving_in_a_chain():
    parts = [("a", _claims(dx.Symplectic())), ("b", _claims(dx.VolumePreserving()))]
    whole = composition(parts)
    assert whole.find(dx.VolumePreserving) is not None
    assert whole.find(dx.Symplectic) is None


def test_conformal_factors_multiply():
    parts = [("a", _claims(dx.ConformalSymplectic(0.5))), ("b", _claims(dx.Symplectic()))]
    assert composition(parts).find(dx.ConformalSymplectic).structure == dx.ConformalSymplectic(0.5)


@pytest.mark.parametrize("structure", [dx.Reversible(), dx.Dissipative(), dx.EnergyPreserving()])
def test_what_does_not_compose_is_not_concluded(structure):
    whole = composition([("a", _claims(structure)), ("b", _claims(structure))])
    assert whole.find(type(structure)) is None


def test_unknown_layer_is_named():
    whole = claims_of(nn.Sequential(nn.ReLU(), nn.Bilinear(2, 2, 2), nn.ReLU()))
    assert len(whole) == 0
    assert Gap("1", "no claims are known for Bilinear") in whole.gaps


def test_nested_gap_has_a_dotted_path():
    whole = claims_of(nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh(), nn.Bilinear(2, 2, 2))))
    assert any(gap.path == "1.1" for gap in whole.gaps)


def test_residual_adds_the_scale():
    whole = residual(_claims(dx.Lipschitz(3.0)), scale=-0.5)
    assert whole.find(dx.Lipschitz).structure == dx.Lipschitz(2.5)


def test_average_takes_means():
    parts = [("a", _claims(dx.Averaged(0.2))), ("b", _claims(dx.Averaged(0.6)))]
    whole = average(parts, weights=(0.25, 0.75))
    assert whole.find(dx.Averaged).structure.alpha == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: dx.Lipschitz(-1.0), "constant to be a number of 0 or more, or ∞; got -1.0"),
        (lambda: dx.Lipschitz(math.nan), "got nan"),
        (lambda: dx.Averaged(1.0), r"alpha to be a number in \[0, 1\) .*; got 1.0"),
        (lambda: dx.ConformalSymplectic(0.0), "factor to be a positive finite number; got 0.0"),
        (lambda: dx.LinearGrowth(-1.0), "increment to be a number of 0 or more, or ∞; got -1.0"),
    ],
)
def test_bad_numbers_are_refused(build, match):
    with pytest.raises(ValueError, match=match):
        build()


@pytest.mark.parametrize(
    ("module", "constant"),
    [
        (nn.ReLU(), 1.0),
        (nn.Sigmoid(), 0.25),
        (nn.LeakyReLU(-2.0), 2.0),
        (nn.MaxPool2d(2), 1.0),
        (nn.PixelUnshuffle(2), 1.0),
        (nn.Dropout(0.5).eval(), 1.0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_torch_layers(module, constant):
    assert claims_of(module).find(dx.Lipschitz).structure.constant == constant


@pytest.mark.parametrize(
    ("module", "word"),
    [
        (nn.Dropout(0.5), "random"),
        (nn.BatchNorm2d(3), "batch"),
        (nn.ReLU(inplace=True), "inplace"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_torch_layers_without_a_constant_say_why(module, word):
    claims = claims_of(module)
    assert len(claims) == 0
    assert word in claims.gaps[0].reason


def test_batch_norm_in_eval_uses_its_statistics():
    norm = nn.BatchNorm1d(2).eval()
    norm.running_var = torch.tensor([0.25, 4.0])
    constant = claims_of(norm).find(dx.Lipschitz).structure.constant
    assert constant == pytest.approx((0.25 + norm.eps) ** -0.5, rel=1e-6)


def test_sequential_around_one_map_has_no_energy():
    field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
    flow = dx.Flow(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=1))
    assert claims_of(flow).find(dx.Dissipative) is not None
    assert claims_of(nn.Sequential(flow)).find(dx.Dissipative) is None
    assert claims_of(nn.Sequential(flow)).find(dx.Averaged) is not None


def test_empty_sequential_claims_nothing_wrong():
    assert claims_of(nn.Sequential()).find(dx.Lipschitz) is None


def test_claims_print_as_a_table():
    fields = [dx.fields.GradientField(dx.linear.Dense(3, 4), dx.activations.ReLU()) for _ in "ab"]
    found = claims_of(dx.Flow(fields, dx.integrators.Euler(), steps=dx.ContractiveSteps()))
    lines = str(found).splitlines()
    assert lines[0].split() == ["claim", "kind", "reason"]
    assert sum(claim.kind.name in line for line in lines for claim in found) >= len(found)
    assert all(any(c.structure.describe()[:30] in line for line in lines) for c in found)
    assert max(map(len, lines)) <= 100
    assert repr(found).startswith("Claims(claims=(Claim(structure=")


def test_gaps_follow_the_table():
    gaps = (Gap("", "too random"), Gap("inner.1", "unknown " * 30))
    text = str(Claims((Claim(dx.Lipschitz(2.0), Kind.BOUND, "norm"),), gaps))
    assert "2 ‖x - y‖" in text
    assert "  whole map: too random\n  inner.1: unknown" in text
    assert max(map(len, text.splitlines())) <= 100
    assert str(Claims()) == "nothing is claimed"


def test_a_layer_that_comes_twice_counts_twice():
    layer = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(3 * torch.eye(2))
    constant = claims_of(nn.Sequential(layer, layer)).find(dx.Lipschitz).structure.constant
    assert constant == pytest.approx(9)


@pytest.mark.parametrize("maps", [[nn.ReLU()], 3, lambda x: x, nn.ModuleList()])
def test_something_else_called_maps_is_no_list_of_maps(maps):
    module = nn.ReLU()
    module.maps = maps
    assert maps_of(module) == ()


def test_maps_without_names_are_refused():
    module = nn.ReLU()
    module.maps = lambda: [nn.ReLU()]
    with pytest.raises(TypeError, match=r"expected \(name, module\) pairs"):
        maps_of(module)
