"""Attacks on equivariance find what breaks it, and leave alone what does not."""

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.activations import ReLU
from darboux.structure import Claim, Claims, Equivariant, Kind
from darboux.symmetry import SO3, Cyclic, Dihedral, EquivariantConv, Feature, scalars

C4 = Cyclic(4)
REGULAR = Feature(C4, ["regular"])
TURNS = Equivariant(C4)


class Claiming(nn.Module):
    """A map that says it is equivariant."""

    def __init__(self, inner, structure):
        super().__init__()
        self.inner = inner
        self.structure = structure

    def forward(self, x):
        return self.inner(x)

    def claims(self):
        return Claims((Claim(self.structure, Kind.CONSTRUCTION, "said so"),))


class Shifted(nn.Module):
    """An equivariant map with a bias of its own on every channel."""

    def __init__(self):
        super().__init__()
        self.conv = EquivariantConv(REGULAR, REGULAR, kernel_size=3, dim=2)
        self.bias = nn.Parameter(torch.randn(4, 1, 1))

    def forward(self, x):
        return self.conv(x) + self.bias


def isotropic(kernel, **options):
    """A plain convolution whose kernel every rotation and reflection keeps."""
    conv = nn.Conv2d(1, 1, kernel, bias=False, **options)
    nn.init.constant_(conv.weight, 0.3)
    return conv


def own(source, **options):
    return Equivariant(C4, source, source, **options)


BROKEN = {
    "stride on an even size": (isotropic(3, stride=2, padding=1), TURNS, (1, 8, 8)),
    "even kernel, padded to one side": (
        nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), isotropic(2)),
        TURNS,
        (1, 6, 6),
    ),
    "pooling that drops a row": (nn.MaxPool2d(2), TURNS, (1, 7, 7)),
    "a kernel of its own": (nn.Conv2d(1, 1, 3, padding=1), TURNS, (1, 6, 6)),
    "a bias that varies within a field": (Shifted(), own(REGULAR), (4, 6, 6)),
    "ReLU on a frequency": (nn.ReLU(), own(Feature(C4, [1])), (2, 6, 6)),
    "channels in another order": (
        nn.Sequential(
            EquivariantConv(REGULAR, REGULAR, kernel_size=3, dim=2), nn.ChannelShuffle(2)
        ),
        own(REGULAR),
        (4, 6, 6),
    ),
    "shifts with zero padding": (
        EquivariantConv(REGULAR, REGULAR, kernel_size=3, dim=2, padding_mode="zeros"),
        own(REGULAR, translations=(1, 1)),
        (4, 6, 6),
    ),
    "more symmetry than there is": (
        EquivariantConv(Feature(C4, ["trivial"]), Feature(C4, ["trivial"]), kernel_size=5, dim=2),
        Equivariant(Dihedral(4)),
        (1, 6, 6),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_equivariance_is_refuted(name):
    module, structure, shape = BROKEN[name]
    found = dx.certify(Claiming(module, structure), torch.randn(2, *shape), effort="quick")
    assert not found.holds
    refuted = [row for row in found.rows if row.status == "refuted"]
    assert refuted
    assert refuted[0].measured > 1e-3
    assert "difference" in refuted[0].evidence


HONEST = {
    "stride on an odd size": (isotropic(3, stride=2, padding=1), TURNS, (1, 7, 7)),
    "even kernel, padded to all sides": (isotropic(2, padding=1), TURNS, (1, 6, 6)),
    "pooling that drops nothing": (nn.MaxPool2d(2), TURNS, (1, 8, 8)),
    "mean over the image": (nn.AdaptiveAvgPool2d(1), TURNS, (1, 7, 6)),
    "ReLU on a regular field": (nn.ReLU(), own(REGULAR), (4, 5, 6)),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_equivariance_stands(name):
    module, structure, shape = HONEST[name]
    found = dx.certify(Claiming(module, structure), torch.randn(2, *shape), effort="quick")
    assert found.holds
    assert all(row.status == "not refuted" for row in found.rows)


class LyingField(dx.fields.VectorField):
    """A field that says it commutes, and reads one direction only."""

    autonomous = True

    def forward(self, t, z):
        return -(z - z.roll(1, dims=2))

    def equivariant(self):
        return Equivariant(C4, scalars(C4, 1), scalars(C4, 1))


def test_a_field_that_does_not_commute_is_refuted_where_it_is():
    flow = dx.Flow(LyingField(), dx.integrators.Euler(), steps=2)
    found = dx.certify(flow, torch.randn(1, 1, 6, 6), effort="quick")
    refuted = {row.level for row in found.rows if row.status == "refuted"}
    assert {"premise", "part", "claim"} <= refuted


def test_claims_of_ones_own_are_attacked():
    found = dx.certify(nn.Conv2d(1, 1, 3), torch.randn(1, 1, 6, 6), claims=[TURNS], effort="quick")
    assert not found.holds


def test_a_group_of_space_cannot_be_tried_on_pictures():
    structure = Equivariant(SO3())
    found = dx.certify(nn.ReLU(), torch.randn(1, 1, 6, 6), claims=[structure], effort="quick")
    row = next(row for row in found.rows if row.structure == structure)
    assert row.status == "not attacked"
    assert "3 spatial axes" in row.note


def test_the_certificate_says_which_elements_were_tried():
    feature = Feature(Cyclic(8), ["regular"])
    field = dx.fields.GradientField(EquivariantConv(feature, feature, kernel_size=3, dim=2), ReLU())
    flow = dx.Flow(field, dx.integrators.Euler(), steps=1)
    found = dx.certify(flow, torch.randn(1, 8, 6, 6), effort="quick")
    rows = [row for row in found.rows if isinstance(row.structure, Equivariant)]
    assert rows
    assert all("the 4 elements that map the grid to itself" in row.note for row in rows)
    assert all("C8 that map the grid to itself" in row.statement for row in rows)


def test_random_maps_are_not_attacked():
    noisy = Claiming(nn.Dropout(0.5), TURNS).train()
    found = dx.certify(noisy, torch.randn(1, 1, 6, 6), effort="quick")
    assert all(row.status == "not attacked" for row in found.rows)
