"""The parts of the half-moons: the exact density, its region, integrals; and that it can fail."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from darboux.density import ContinuousFlow
from darboux.models import coupling_flow
from reproductions.half_moons.law import Law
from reproductions.half_moons.measures import Plane, gaussian, measured
from reproductions.half_moons.networks import CONTINUOUS, COUPLING, RESIDUAL, kinds, trained
from reproductions.half_moons.statements import Size, statements

LAW, PLANE = Law(), Plane(cell=0.125)
SIZE = Size(test=2000, samples=2000, cell=0.125, gap=0.1, margin=0.5, mass=0.05)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_exact_density_is_the_mixture_of_many_normal_ones():
    x = LAW.sample(50, generator=seeded()).double()
    centres = LAW.arcs((torch.arange(4000) + 0.5) / 4000 * math.pi).reshape(-1, 2)
    logs = MultivariateNormal(centres, 0.04 * torch.eye(2).double()).log_prob(x[:, None])
    sums = logs.logsumexp(dim=1) - math.log(len(centres))
    torch.testing.assert_close(LAW.log_prob(x), sums, rtol=1e-5, atol=0)


def test_sampled_entropy_is_the_integrated_one():
    logs = LAW.log_prob(PLANE.points())
    entropy = -float((logs.exp() * logs.clamp(min=-700)).sum()) * PLANE.cell**2
    own = -LAW.log_prob(LAW.sample(20_000, generator=seeded()))
    assert float(own.mean()) == pytest.approx(entropy, abs=4 * float(own.std()) / math.sqrt(20_000))


def test_distance_is_that_to_the_nearest_of_many_points():
    x = PLANE.points()[::7]
    arcs = LAW.arcs(torch.linspace(0, math.pi, 4001)).reshape(-1, 2)
    near = torch.cdist(x.double(), arcs).amin(dim=1)
    torch.testing.assert_close(LAW.distance(x), near, rtol=0, atol=2e-3)


def test_region_between_has_the_centre_and_no_arc():
    arcs = LAW.arcs(torch.linspace(0, math.pi, 100)).reshape(-1, 2)
    assert LAW.between(torch.tensor([[0.0, 0.3]])).item()
    assert not LAW.between(arcs).any()
    assert not LAW.between(torch.tensor([[0.0, 2.0], [9.0, 0.0]])).any()


def test_segment_leads_from_arc_to_arc_across_the_region():
    points = LAW.segment(101)
    assert LAW.distance(points[[0, -1]]).max() < 1e-6
    assert 20 < LAW.between(points).sum() < 80


def test_integral_of_a_normal_density_is_its_mass():
    law = MultivariateNormal(torch.zeros(2), 0.5 * torch.eye(2))
    points = PLANE.points()
    assert PLANE.integral(law.log_prob(points)) == pytest.approx(1, abs=1e-5)
    assert PLANE.integral(law.log_prob(points), points[:, 0] < 0) == pytest.approx(0.5, abs=1e-5)


def test_gaussian_is_the_best_normal_law_of_its_points():
    x = LAW.sample(3000, generator=seeded())
    d = x.double()
    expected = MultivariateNormal(d.mean(dim=0), d.T.cov()).log_prob(d)
    torch.testing.assert_close(gaussian(x)(x), expected)


def test_continuous_flow_is_judged_with_finer_steps_and_the_same_weights():
    kind = kinds(quick=True)[2]
    kind = type(kind)(kind.name, kind.words, kind.make, steps=10, rate=kind.rate)
    found = trained(kind, LAW)
    fine, coarse = found.flow.bijection, found.coarse.bijection
    assert isinstance(fine, ContinuousFlow)
    assert fine.steps == 4 * coarse.steps
    assert fine.field is coarse.field
    assert not found.flow.training


def said_of(log_prob, samples):
    """The statements that fail for a density and samples."""
    test = LAW.sample(SIZE.test, generator=seeded(1))
    exact = measured(LAW.log_prob, LAW, test, PLANE)
    normal = measured(gaussian(test), LAW, test, PLANE)
    found = {"it": measured(log_prob, LAW, test, PLANE)}
    said = statements(
        found, {"it": samples}, exact=exact, normal=normal, size=SIZE, law=LAW
    )  # fmt: skip
    return [s.text for s in said if not s.holds]


def test_the_exact_density_passes():
    assert said_of(LAW.log_prob, LAW.sample(2000, generator=seeded(2))) == []


def test_a_density_above_the_exact_one_is_refuted():
    samples = LAW.sample(2000, generator=seeded(2))
    failed = said_of(lambda x: LAW.log_prob(x) + 0.05, samples)
    assert failed == [
        "it: within 0.1 nats of the exact density, and not below it",
        "it: the density integrates to 1 up to 1 %",
    ]


def test_an_untrained_flow_is_refuted():
    torch.manual_seed(0)
    flow = coupling_flow(2, layers=1).eval()
    failed = said_of(flow.log_prob, LAW.sample(2000, generator=seeded(2)))
    assert failed == [
        "it: at least 0.5 nats better than a normal law",
        "it: within 0.1 nats of the exact density, and not below it",
        "it: mass between the moons under 5%",
        "it: samples lie between the moons as often as the density says",
    ]


def test_a_density_with_a_hole_is_refuted():
    def log_prob(x):
        return torch.where(LAW.between(x), -torch.inf, LAW.log_prob(x))

    failed = said_of(log_prob, LAW.sample(2000, generator=seeded(2)))
    assert "it: density on the segment between the moons is positive" in failed


def test_quick_run_learns_all_three(reproduced):
    result, folder = reproduced("half-moons")
    numbers = result.numbers
    for name in (COUPLING, RESIDUAL, CONTINUOUS):
        own = numbers[f"{name}: test nll in nats"]
        assert own < numbers["normal law: test nll in nats"] - 0.5
        gap = own - numbers["exact density: test nll in nats"]
        assert numbers[f"{name}: gap to the exact density in nats"] == pytest.approx(gap)
        assert numbers[f"{name}: integral over the plane"] == pytest.approx(1, abs=0.01)
        assert result.costs[f"{name}: processor seconds of training"] > 0
        assert numbers[f"{name}: parameters"] > 1000
    assert {path.name for path in result.files} == {"densities.png", "between.png"}
    assert (folder / "report.html").is_file()
    assert "8 blocks of 2-32-32-2" in result.lead
