"""The denoisers of Figure 3: sizes, what commutes, what is refused."""

import pytest
import torch

import darboux as dx
from darboux.models._equivariant_denoiser import (
    MoreFields,
    equivariant_denoiser,
    ordinary_denoiser,
)
from darboux.structure import Kind, claims_of
from darboux.symmetry._feature import Feature
from darboux.symmetry._groups.cyclic import Cyclic
from darboux.symmetry._groups.planar import SO2
from darboux.testing import LIFECYCLE, assert_close
from tests.models.checks import CHECKS

KINDS = ["irreducible", "regular"]


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def quarter(x):
    return x.rot90(1, dims=(2, 3))


def wild(network):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.double()


def test_the_ordinary_denoiser_is_as_large_as_the_papers():
    assert parameters(ordinary_denoiser()) == 741_891


@pytest.mark.parametrize(("fields", "expected"), [("irreducible", 61_235), ("regular", 61_875)])
def test_the_equivariant_denoiser_is_no_larger_than_the_papers(fields, expected):
    network = equivariant_denoiser(fields=fields)
    assert parameters(network) == expected <= 62_994
    widths = {m.out_features for m in network.modules() if isinstance(m, dx.linear.LinearMap)}
    assert 128 in widths


@pytest.mark.parametrize("fields", KINDS)
@pytest.mark.parametrize("padding", ["circular", "zeros"])
@pytest.mark.parametrize("side", [9, 10])
def test_quarter_turns_commute(fields, padding, side):
    network = wild(equivariant_denoiser(width=16, depth=2, fields=fields, padding_mode=padding))
    x = torch.rand(2, 3, side, side, dtype=torch.float64)
    assert_close(network(quarter(x)), quarter(network(x)), size=1000, what="Ψ(π x)")
    assert float((network(x) - quarter(network(x))).detach().abs().max()) > 1e-3


def test_quarter_turns_do_not_commute_with_the_ordinary_one():
    network, x = wild(ordinary_denoiser(width=8, depth=2)), torch.rand(1, 3, 9, 9).double()
    off = network(quarter(x)) - quarter(network(x))
    assert float(off.detach().abs().max()) > 1e-3


@pytest.mark.parametrize("fields", KINDS)
def test_periodic_shifts_commute(fields):
    network = wild(equivariant_denoiser(width=16, depth=2, fields=fields))
    x = torch.rand(1, 3, 8, 9, dtype=torch.float64)
    moved = network(x).roll((3, 1), (2, 3))
    assert_close(network(x.roll((3, 1), (2, 3))), moved, size=1000, what="Ψ(shifted)")


@pytest.mark.parametrize("fields", KINDS)
def test_equivariance_is_claimed_by_construction(fields):
    claim = claims_of(equivariant_denoiser(width=16, depth=2, fields=fields)).find(dx.Equivariant)
    assert claim.kind is Kind.CONSTRUCTION
    assert claim.structure.target.describe() == "3 × trivial"
    assert claims_of(ordinary_denoiser(width=8, depth=2)).find(dx.Equivariant) is None


@pytest.mark.parametrize("fields", KINDS)
def test_the_step_scales_what_is_added(fields):
    x = torch.rand(1, 3, 6, 6)
    torch.manual_seed(0)
    still = equivariant_denoiser(width=16, depth=3, step=0.0, fields=fields)
    lift, projection = still.inner[0], still.inner[-1]
    torch.testing.assert_close(still(x), projection(lift(x - 0.5)) + 0.5)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("build", [ordinary_denoiser, equivariant_denoiser])
def test_lifecycle(build, check):
    LIFECYCLE[check](lambda: build(width=16, depth=2), torch.rand(2, 3, 7, 6))


@pytest.mark.parametrize(
    ("fields", "width"), [("irreducible", 24), ("regular", 12), ("regular", 0)]
)
def test_other_widths_are_refused(fields, width):
    with pytest.raises(
        ValueError,
        match=rf"(multiple of (16|8), with fields='{fields}'|from 1 to 32768); got {width}",
    ):
        equivariant_denoiser(width=width, fields=fields)


def test_unknown_fields_are_refused():
    with pytest.raises(ValueError, match="'irreducible' or 'regular'; got 'tensor'"):
        equivariant_denoiser(fields="tensor")


def test_more_fields_commute_and_keep_distances():
    few, more = (Feature(SO2(), names) for names in ([0, 1], [0, 1, 3]))
    x = torch.rand(2, 3, 4, 4, dtype=torch.float64)
    wider = MoreFields(few, more)
    for g in SO2().grid_elements():
        assert_close(wider(few.act(g, x)), more.act(g, wider(x)), size=10, what="L π(g) x")
    assert torch.equal(wider(x)[:, :3], x)
    assert not wider(x)[:, 3:].any()


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (Feature(SO2(), [0, 1]), Feature(SO2(), [1, 0])),
        (Feature(Cyclic(4), [0]), Feature(Cyclic(8), [0, 1])),
    ],
)
def test_fields_that_do_not_come_first_are_refused(source, target):
    with pytest.raises(ValueError, match="expected a target that begins with"):
        MoreFields(source, target)
