"""What certificates cost: nothing is found out twice, and rounding only where it counts."""

import math

import torch

import darboux as dx
from darboux.certification._problem import widened
from tests.certification.small import Returns, quick


def sizes_of_calls(map, claims):
    """Return the batch sizes of all calls of a map during a certificate for five samples."""
    calls = []

    def counting(x):
        calls.append(len(x))
        return map(x)

    certificate = quick(Returns(counting), torch.randn(5, 4), claims=claims)
    assert certificate.holds, str(certificate)
    return calls


def test_what_attacks_ask_of_a_map_is_found_out_once():
    claims = [dx.Lipschitz(1.0), dx.Isometric(), dx.VolumePreserving()]
    calls = sizes_of_calls(lambda x: x.flip(1), claims)
    assert calls.count(1) == 2  # what an evaluation costs and holds, once in each precision


def test_the_example_passes_few_times():
    calls = sizes_of_calls(torch.sin, [dx.Lipschitz(1.0)])
    # twice to compare, once elsewhere and once again; twice in float64
    assert calls.count(5) == 6


def test_rounding_is_found_out_where_errors_lie_beyond():
    asked = []

    def more(points):
        asked.append(points.tolist())
        return torch.full((len(points),), 5.0)

    slack = torch.ones(4)
    assert widened(slack, torch.tensor([0.5, 2.0, math.nan, 7.0]), more).tolist() == [1, 6, 1, 6]
    assert widened(slack, torch.tensor([0.5, 1.0, math.nan, 0.0]), more).tolist() == [1, 1, 1, 1]
    assert asked == [[1, 3]]
