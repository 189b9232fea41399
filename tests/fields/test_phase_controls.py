"""Negative controls: every check of fields on phase space refutes a field that breaks its rule."""

import pytest
import torch

import darboux as dx
from darboux.fields import DriftPart, KickPart, SeparablePhaseField, halves, join
from darboux.testing import (
    check_canonical,
    check_divergence_free,
    check_gradient_form,
    check_part_flows,
    check_reversible,
    check_separable,
    check_time,
)
from tests.catalogue.fields.phase import CASES


class Oscillators(SeparablePhaseField):
    """ż = p, ṗ = -z, with H = ½‖x‖²; subclasses spoil one thing."""

    canonical = autonomous = reversible = conservative = passive = True

    def drift(self, t, z, p):
        return p

    def kick(self, t, z, p):
        return -z

    def energy(self, t, x):
        return 0.5 * x.square().sum(dim=1)

    def gradient(self, t, x):
        return x

    def steer(self, t, x, g):
        by_position, by_momentum = halves(g)
        return join(by_momentum, -by_position)

    def supply(self, t, x):
        return None


class WrongSign(Oscillators):
    def kick(self, t, z, p):
        return z


class Looking(Oscillators):
    def drift(self, t, z, p):
        return p + 0.01 * z


class Twisted(Oscillators):
    """drift(p) is no gradient of p: separable, but not Hamiltonian."""

    def drift(self, t, z, p):
        return p + 0.01 * p.flip(1) * torch.tensor([1.0, -1.0], dtype=p.dtype)


class ReverseParts(Oscillators):
    def parts(self):
        return SeparablePhaseField.parts(self)[1:]


class Approximate(Oscillators):
    """A part whose "flow" is an Euler step of a field that is no shear."""

    def parts(self):
        return (self,)

    def flow(self, t, h, x):
        return x + h * self(t, x)


class Lopsided(Oscillators):
    def drift(self, t, z, p):
        return p + 0.01


class Clocked(Oscillators):
    def kick(self, t, z, p):
        return -z * (1 + 0.01 * t)


class ClockedEnergy(Oscillators):
    def energy(self, t, x):
        return 0.5 * x.square().sum(dim=1) + torch.as_tensor(t).flatten()


class Fed(Oscillators):
    def supply(self, t, x):
        return 0.01 * x


class Damped(Oscillators):
    """f = S∇H, but S is not skew."""

    def kick(self, t, z, p):
        return -z - 0.01 * p

    def steer(self, t, x, g):
        by_position, by_momentum = halves(g)
        return join(by_momentum, -by_position - 0.01 * by_momentum)


class Crooked(Oscillators):
    def gradient(self, t, x):
        return 1.01 * x


class BatchTime(Oscillators):
    """Takes the time of the first sample for all."""

    autonomous = False

    def kick(self, t, z, p):
        return -z * (1 + torch.as_tensor(t).flatten()[0])


X = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "check",
    [
        check_canonical,
        check_separable,
        check_part_flows,
        check_divergence_free,
        check_reversible,
        check_time,
        check_gradient_form,
    ],
)
def test_the_sound_field_passes_every_check(check):
    check(Oscillators(), X)


@pytest.mark.parametrize(
    ("check", "broken", "match"),
    [
        (check_canonical, WrongSign, "f against J∇energy"),
        (check_canonical, Twisted, "f against J∇energy"),
        (check_separable, Looking, "drift looks at the position"),
        (check_part_flows, ReverseParts, "speeds of the parts"),
        (check_part_flows, Approximate, "back and forth"),
        (check_divergence_free, Looking, "Looking: divergence"),
        (check_divergence_free, Damped, "Damped: divergence"),
        (check_reversible, Lopsided, "f\\(ρx\\) against -ρf\\(x\\)"),
        (check_reversible, Looking, "f\\(ρx\\) against -ρf\\(x\\)"),
        (check_time, Clocked, "against t = 0"),
        (check_time, ClockedEnergy, "against t = 0"),
        (check_time, BatchTime, "one time for each sample"),
        (check_gradient_form, Fed, "f against S∇H \\+ supply"),
        (check_gradient_form, Damped, "⟨g, S g⟩ = 0 fails"),
        (check_gradient_form, Crooked, "gradient against ∇energy"),
    ],
)
def test_a_broken_field_is_refuted(check, broken, match):
    with pytest.raises(AssertionError, match=match):
        check(broken(), X)


@pytest.mark.parametrize(
    ("check", "attribute"),
    [
        (check_canonical, "canonical"),
        (check_separable, "separable"),
        (check_divergence_free, "divergence_free"),
        (check_reversible, "reversible"),
    ],
)
def test_a_field_that_declares_nothing_is_refuted(check, attribute):
    field = Oscillators()
    setattr(field, attribute, False)
    with pytest.raises(AssertionError, match="does not say that it is"):
        check(field, X)


def test_a_wrong_declaration_of_a_learned_energy_is_refuted():
    driven = CASES["learned-2-driven"]().hamiltonian
    field = dx.fields.LearnedHamiltonianField(driven, autonomous=True).double()
    with pytest.raises(AssertionError, match="against t = 0"):
        check_time(field, X)

    def odd(t, p):
        return (p.square() + p).sum(dim=1)

    def potential(t, z):
        return z.square().sum(dim=1)

    field = dx.fields.SeparableHamiltonianField(odd, potential, even_kinetic=True)
    with pytest.raises(AssertionError, match="against -ρf"):
        check_reversible(field, X)


@pytest.mark.parametrize(("part", "still"), [(DriftPart, slice(2, 4)), (KickPart, slice(0, 2))])
def test_a_part_moves_one_half_only(part, still):
    moved = part(Oscillators()).flow(0.0, 0.5, X)
    assert torch.equal(moved[:, still], X[:, still])
    assert not torch.equal(moved, X)
