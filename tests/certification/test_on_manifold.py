"""`OnManifold`: composed, attacked at points only, written down and read back."""

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.manifolds import SPD, Euclidean, Sphere
from darboux.structure import Kind
from tests.catalogue.structures import Call
from tests.certification.manifold_faults import FAULTS, HONEST
from tests.certification.small import quick


@pytest.mark.parametrize("name", FAULTS)
def test_false_fields_and_methods_are_refuted_as_premises(name):
    build, words = FAULTS[name]
    certificate = quick(build(), Sphere(3).random_point(3))
    refuted = [row.statement for row in certificate.refuted if row.level == "premise"]
    assert any(words in statement for statement in refuted), str(certificate)


@pytest.mark.parametrize("name", HONEST)
def test_honest_flows_hold(name):
    certificate = quick(HONEST[name](), Sphere(3).random_point(3))
    assert certificate.verdict == "holds", str(certificate)
    assert certificate.rows[0].kind is Kind.CONSTRUCTION


def test_images_of_points_are_points_one_by_one():
    """More axes in front do not matter, and whole batches may mix."""
    images = SPD(2).random_point(2, 4, 4, dtype=torch.float64)
    mean = Call(lambda x: x.mean(dim=(0, 1, 2), keepdim=True).expand_as(x))
    minus = Call(lambda x: x - 0.9 * x.mean(dim=(1, 2), keepdim=True))
    claims = [dx.OnManifold(SPD(2))]
    assert dx.certify(mean, images, claims=claims, effort="quick").verdict == "holds"
    assert dx.certify(minus, images, claims=claims, effort="quick").verdict == "refuted"


def test_an_example_off_the_manifold_leaves_it_undecided():
    flow = HONEST["tangent"]()
    certificate = quick(flow, 1.1 * Sphere(3).random_point(3))
    assert certificate.verdict == "undecided"
    assert any("the example is none: Sphere(n=3)" in text for text in certificate.missing)


def test_an_example_of_another_shape_leaves_it_undecided():
    row = dx.certify(nn.Identity(), torch.randn(2, 4), claims=[dx.OnManifold(SPD(2))]).rows[0]
    assert row.status == "not attacked"
    assert "an example of shape (batch, ..., 2, 2)" in row.note


def test_other_manifolds_do_not_compose():
    flow = HONEST["tangent"]()
    mixed = nn.Sequential(
        flow,
        dx.Flow(
            dx.fields.TangentField(Euclidean(3), lambda t, x: -x),
            dx.integrators.LieEuler(),
            steps=1,
        ),
    )
    claims = dx.structure.claims_of(mixed)
    assert claims.find(dx.OnManifold) is None
    assert any("the manifolds are Sphere(n=3) before" in gap.reason for gap in claims.gaps)
    assert dx.structure.claims_of(nn.Sequential(flow, flow)).find(dx.OnManifold) is not None


def test_flat_methods_claim_nothing_about_points():
    field = dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.Tanh())
    assert dx.Flow(field, dx.integrators.Kutta4(), steps=1).claims().find(dx.OnManifold) is None


@pytest.mark.parametrize("manifold", [Sphere(3), SPD(3, metric="log-euclidean")], ids=repr)
def test_certificates_are_read_back(manifold):
    x = manifold.random_point(2)
    made = dx.certify(nn.Identity(), x, claims=[dx.OnManifold(manifold)], effort="quick")
    again = dx.Certificate.from_json(made.to_json())
    assert again == made
    assert again.require(dx.OnManifold(manifold)).structure == dx.OnManifold(manifold)


def test_certificates_about_groups_are_read_back_without_the_group():
    """They could not be read at all."""
    c4 = dx.symmetry.Cyclic(4)
    turns = dx.symmetry.Feature(c4, ["regular"])
    made = dx.certify(
        nn.Tanh(), torch.randn(2, 4), claims=[dx.Equivariant(c4, turns, turns)], effort="quick"
    )
    again = dx.Certificate.from_json(made.to_json())
    assert again.rows[0].structure is None
    assert again.verdict == made.verdict
    assert again.rows[0].statement == made.rows[0].statement


def test_what_is_no_set_of_points_is_refused():
    with pytest.raises(TypeError, match=r"manifold to be a PointSet; got 'S2'.*Sphere\(3\)"):
        dx.OnManifold("S2")
