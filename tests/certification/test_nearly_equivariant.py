"""The attack on near equivariance reaches the true error, and refutes smaller ones."""

import dataclasses
import math

import pytest
import torch
from torch import nn

from darboux.certification._attacks import nearly_equivariant as nearly_equivariant
from darboux.certification._finding import NotAttackedError, attack
from darboux.certification._target import Effort, Target
from darboux.linear import Conv
from darboux.structure._near_equivariance import NearlyEquivariant
from darboux.symmetry._feature import Feature
from darboux.symmetry._groups.cyclic import Cyclic
from darboux.symmetry._groups.planar import O2, SO2
from darboux.symmetry._layers.equivariant_conv import EquivariantConv
from darboux.symmetry._worst_error import near_claim, worst_equivariance_error

assert nearly_equivariant  # registers the attack


def target(module, channels, *, size=9, dim=2, dtype=torch.float64, effort="normal"):
    module = module.to(dtype)
    example = torch.randn(1, channels, *(size,) * dim, dtype=dtype)
    seed = torch.Generator().manual_seed(0)
    return Target(module, example, Effort.named(effort), seed, stored=dtype)


def build(group, source, image, *, kernel=5, equivariant=True):
    source, image = Feature(group, source), Feature(group, image)
    if equivariant:
        return EquivariantConv(source, image, kernel_size=kernel, dim=2), source, image
    return Conv(source.channels, image.channels, kernel_size=kernel, dim=2), source, image


CASES = {
    "C8": (Cyclic(8), ["trivial"], ["regular"]),
    "SO2": (SO2(), ["1"], ["2", "trivial"]),
    "O2": (O2(), ["1"], ["0-", "trivial"]),
}


@pytest.mark.parametrize("equivariant", [True, False], ids=["steerable", "plain"])
@pytest.mark.parametrize("case", CASES)
def test_reaches_the_error(case, equivariant):
    conv, source, image = build(*CASES[case], equivariant=equivariant)
    conv = conv.double()
    structure = near_claim(conv, source, image, band=1.2).structure
    true = worst_equivariance_error(conv, source, image, band=1.2)
    finding = attack(structure, target(conv, source.channels))
    assert not finding.refuted
    assert 0.9 * true.lower <= finding.worst.measured <= true.upper


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("effort", ["quick", "normal"])
def test_refutes_a_smaller_error(effort, dtype):
    conv, source, image = build(*CASES["C8"])
    structure = near_claim(conv.double(), source, image, band=1.2).structure
    planted = dataclasses.replace(structure, error=0.8 * structure.error)
    aim = target(conv, source.channels, effort=effort, dtype=dtype)
    assert not attack(structure, aim).refuted
    assert attack(planted, aim).refuted


def test_refutes_a_larger_band():
    conv, source, image = build(*CASES["SO2"])
    structure = near_claim(conv.double(), source, image, band=0.5).structure
    planted = dataclasses.replace(structure, band=2.5)
    assert attack(planted, target(conv, source.channels)).refuted


def test_chain_of_two():
    group = Cyclic(8)
    first, source, _ = build(group, ["trivial"], ["regular"], kernel=3)
    second, _, image = build(group, ["regular"], ["trivial"], kernel=3)
    near = [near_claim(conv.double(), band=1.0).structure for conv in (first, second)]
    whole = near[1].after(near[0])
    assert (whole.source, whole.target) == (source, image)
    assert not attack(whole, target(nn.Sequential(first, second), 1)).refuted


def test_volume():
    conv, scalar = Conv(1, 1, kernel_size=3, dim=3), Feature(Cyclic(1), ["trivial"])
    structure = NearlyEquivariant(Cyclic(1), scalar, scalar, error=1.0)
    with pytest.raises(NotAttackedError, match="C1 does not act on a space of 3 dimensions"):
        attack(structure, target(conv, 1, dim=3, size=6))


def test_reaching_the_border():
    conv, source, image = build(*CASES["C8"], kernel=7)
    structure = NearlyEquivariant(Cyclic(8), source, image, error=1.0)
    with pytest.raises(NotAttackedError, match="depends on its border; certify with a larger"):
        attack(structure, target(conv, 1, size=7))


@pytest.mark.parametrize(
    ("module", "channels", "words"),
    [
        (nn.ReLU(), 1, "the map is not linear"),
        (nn.AvgPool2d(2), 1, "does not keep the size of images"),
        (nn.Identity(), 2, "no representation on 2 channels"),
    ],
    ids=["nonlinear", "size", "channels"],
)
def test_does_not_apply(module, channels, words):
    scalar = Feature(Cyclic(8), ["trivial"])
    structure = NearlyEquivariant(Cyclic(8), scalar, scalar, band=math.pi / 2, error=1.0)
    with pytest.raises(NotAttackedError, match=words):
        attack(structure, target(module, channels))


def test_dense():
    scalar = Feature(Cyclic(8), ["trivial"])
    structure = NearlyEquivariant(Cyclic(8), scalar, scalar, error=1.0)
    with pytest.raises(NotAttackedError, match="plane waves need spatial axes"):
        attack(structure, target(nn.Linear(1, 1), 1, dim=0))
