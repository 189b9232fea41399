"""Maps that write into their inputs, return one buffer, raise, remember or return NaN."""

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.certification import Finding, Trial
from darboux.structure import Claim, Claims, Kind, lipschitz_field
from tests.certification.small import Returns, quick

EXAMPLE = torch.linspace(-1, 1, 12).reshape(3, 4)
ENERGY = "energy"


class Buffered:
    """A function that returns one tensor every time, overwritten."""

    def __init__(self, function):
        self.function, self.kept = function, {}

    def __call__(self, x):
        value = self.function(x)
        key = (value.dtype, value.shape)
        kept = self.kept.setdefault(key, torch.empty_like(value.detach()))
        return kept.copy_(value)


class With(Returns):
    """A module from a function, with methods."""

    def __init__(self, value, **methods):
        super().__init__(value)
        for name, method in methods.items():
            setattr(self, name, method)


def through_data(x):
    x.data.mul_(2)
    return x


def only_far(x):
    return x.mul_(2) if x.abs().max() > 2 else 2 * x


def squares(z):
    return z.square().sum(dim=1)


def verdict(module, structure):
    return quick(module, EXAMPLE, claims=[structure]).verdict


@pytest.mark.parametrize("map", [lambda x: x.mul_(2), through_data, only_far])
@pytest.mark.parametrize(("constant", "expected"), [(2.0, "holds"), (1.9, "refuted")])
def test_inputs_are_copied_before_a_map_can_write_into_them(map, constant, expected):
    for module in (Returns(map), nn.Sequential(Returns(map), nn.ReLU(inplace=True))):
        assert verdict(module, dx.Lipschitz(constant)) == expected


@pytest.mark.parametrize(("constant", "expected"), [(2.0, "holds"), (1.9, "refuted")])
def test_one_buffer_for_all_values_hides_nothing(constant, expected):
    module = Returns(Buffered(lambda x: 2 * torch.sin(x)))
    assert verdict(module, dx.Lipschitz(constant)) == expected


def test_one_buffer_does_not_hide_a_broken_symmetry():
    feature = dx.symmetry.Feature(dx.symmetry.Cyclic(4), ["regular"])
    turns = dx.Equivariant(dx.symmetry.Cyclic(4), feature, feature)
    assert verdict(Returns(Buffered(lambda x: x * torch.arange(4).to(x))), turns) == "refuted"


@pytest.mark.parametrize("wrap", [Buffered, lambda function: function], ids=["buffer", "in place"])
def test_methods_are_shielded_too(wrap):
    def undo(factor):
        return wrap(lambda y: y.mul_(factor))

    assert verdict(With(lambda x: 2 * x, inverse=undo(0.5)), dx.Invertible()) == "holds"
    assert verdict(With(lambda x: 2 * x, inverse=undo(0.51)), dx.Invertible()) == "refuted"
    energy = wrap(squares)
    assert verdict(With(lambda x: 1.1 * x, energy=energy), dx.Dissipative()) == "refuted"
    assert verdict(With(lambda x: 0.9 * x, energy=energy), dx.Dissipative()) == "holds"


class Doubles(dx.fields.VectorField):
    """f = 2z, written into z."""

    def __init__(self, bound):
        super().__init__()
        self.bound = bound

    def forward(self, t, z):
        return z.mul_(2)

    def lipschitz(self):
        return self.bound


class Uses(nn.Module):
    """A map whose claim rests on its field's constant."""

    def __init__(self, field):
        super().__init__()
        self.field = field

    def forward(self, z):
        return self.field(0.0, z.clone())

    def claims(self):
        premises = (lipschitz_field(self.field),)
        return Claims((Claim(dx.Lipschitz(2.0), Kind.BOUND, "its field", premises),))


@pytest.mark.parametrize(("bound", "expected"), [(2.0, "holds"), (1.9, "refuted")])
def test_parts_that_premises_speak_of_are_shielded(bound, expected):
    certificate = quick(Uses(Doubles(bound)), EXAMPLE)
    assert certificate.verdict == expected, str(certificate)


def test_parts_get_what_they_got_when_the_network_ran():
    double = Returns(lambda x: x.mul_(2))
    network = nn.Sequential(double, double, dx.activations.Tanh())
    certificate = quick(network, EXAMPLE, claims=[dx.Lipschitz(4.0)])
    assert certificate.holds
    assert certificate.rows[-1].path == "2"


def refuses_far(map, error):
    def inner(x):
        if x.abs().max() > 2:
            msg = "too large for me"
            raise error(msg)
        return map(x)

    return inner


@pytest.mark.parametrize("error", [ValueError, AssertionError, IndexError, KeyError])
@pytest.mark.parametrize(("constant", "expected"), [(2.0, "holds"), (1.5, "refuted")])
def test_maps_that_refuse_other_inputs_are_attacked_near_the_example(error, constant, expected):
    module = Returns(refuses_far(lambda x: 2 * torch.sin(x), error))
    certificate = quick(module, EXAMPLE, claims=[dx.Lipschitz(constant)])
    assert certificate.verdict == expected, str(certificate)
    for row in certificate.rows:
        assert "within a hundredth of the inputs only" in row.note
        assert f"{error.__name__}: " in row.note


@pytest.mark.parametrize(
    ("map", "structure", "methods"),
    [
        (lambda x: 0.5 * x, dx.Averaged(0.25), {}),
        (lambda x: x.flip(1), dx.Isometric(), {}),
        (lambda x: x.flip(1), dx.VolumePreserving(), {}),
        (lambda x: x + 0, dx.Symplectic(), {}),
        (lambda x: x + torch.sin(x) / 2, dx.BiLipschitz(0.5, 1.5), {}),
        (lambda x: 0.5 * x, dx.Dissipative(), {ENERGY: squares}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, dx.structure.Structure) else "",
)
def test_every_attack_can_stay_near(map, structure, methods):
    certificate = quick(With(refuses_far(map, ValueError), **methods), EXAMPLE, claims=[structure])
    assert certificate.holds, str(certificate)
    assert "within a hundredth" in certificate.rows[0].note


def test_a_map_that_refuses_everything_else_is_undecided():
    def only(x):
        torch.testing.assert_close(x[:1].float(), EXAMPLE[:1])
        return x

    certificate = quick(Returns(only), EXAMPLE, claims=[dx.Lipschitz(1.0)])
    assert certificate.verdict == "undecided"
    assert "was not attacked: the attack broke down: AssertionError" in certificate.missing[0]


def test_values_that_are_not_finite_leave_a_claim_undecided():
    holes = Returns(lambda x: torch.where(x > 1.5, torch.nan, torch.sin(x)))
    certificate = quick(holes, EXAMPLE, claims=[dx.Lipschitz(1.0)])
    assert {row.status for row in certificate.rows} == {"undecided"}
    assert "points about as large as the inputs" in certificate.missing[0]


def test_overflow_far_away_is_no_doubt():
    grows = Returns(lambda x: torch.where(x.abs() > 1e3, torch.inf, torch.sin(x)))
    assert verdict(grows, dx.Lipschitz(1.0)) == "holds"


class Lags(nn.Module):
    """Returns what it got before."""

    def forward(self, x):
        before, self.before = getattr(self, "before", x), x.clone()
        return before.to(x) if before.shape == x.shape else x


@pytest.mark.parametrize(
    "module",
    [Lags(), Returns(Buffered(lambda x: x + 0.1 * torch.randn_like(x)))],
    ids=["remembers", "random in one buffer"],
)
def test_maps_that_are_no_functions_are_undecided(module):
    certificate = quick(module, EXAMPLE, claims=[dx.Lipschitz(5.0)])
    assert certificate.verdict == "undecided"
    assert "the map is random or keeps state" in certificate.missing[0]


def hole(x, value):
    """Return a number per sample that is NaN for about half of them."""
    return torch.where(x[:, 0] > 0, torch.nan, value)


@pytest.mark.parametrize(
    ("module", "structure"),
    [
        (With(lambda x: x / 2, energy=lambda z: hole(z, squares(z))), dx.Dissipative()),
        (With(lambda x: x + 0, energy=lambda z: hole(z, squares(z))), dx.EnergyPreserving()),
        (
            With(torch.neg, forward_and_log_det=lambda x: (-x, hole(x, 0 * x[:, 0]))),
            dx.structure.LogDeterminant(),
        ),
        (With(torch.neg, inverse=lambda y: torch.where(y > 0.5, torch.nan, -y)), dx.Invertible()),
        (Returns(torch.relu), dx.VolumePreserving()),
    ],
    ids=["dissipative", "energy", "log-determinant", "inverse", "singular"],
)
def test_numbers_that_are_not_finite_leave_every_claim_undecided(module, structure):
    assert verdict(module, structure) == "undecided"


def test_overflow_far_away_does_not_hide_a_broken_symmetry():
    feature = dx.symmetry.Feature(dx.symmetry.Cyclic(4), ["regular"])
    turns = dx.Equivariant(dx.symmetry.Cyclic(4), feature, feature)
    example = 100 * torch.ones(1, 4)
    module = Returns(lambda x: x.exp() * torch.arange(4).to(x))
    assert quick(module.double(), example.double(), claims=[turns]).verdict == "refuted"


@pytest.mark.parametrize(
    "map",
    [lambda x: x + 0.1 * torch.sin(x).detach(), torch.no_grad()(lambda x: x * 1)],
    ids=["detached", "no derivatives"],
)
@pytest.mark.parametrize("structure", [dx.VolumePreserving(), dx.Symplectic()], ids=["vol", "sym"])
def test_claims_about_derivatives_need_those_of_the_values(map, structure):
    assert verdict(Returns(map), structure) == "undecided"


def test_a_tolerance_that_is_no_number_hides_nothing():
    found = Finding(0.0, (Trial("a", 1, 0.0, float("nan")), Trial("b", 1, 2.0, 0.0)))
    assert found.refuted
