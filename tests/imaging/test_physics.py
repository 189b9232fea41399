"""Operators of others are taken with a tested adjoint and a measured norm, or refused."""

import copy

import pytest
import torch

import darboux as dx
from darboux.imaging import Blur, ParallelBeam, as_physics
from darboux.structure import Kind, claims_of
from darboux.testing import check_adjoint


class Foreign:
    """A known operator, seen by two methods only, with an adjoint that is off by a factor."""

    def __init__(self, operator, factor=1.0):
        self.operator, self.factor = operator, factor

    def A(self, x):  # noqa: N802
        return self.operator(x)

    def A_adjoint(self, y):  # noqa: N802
        return self.factor * self.operator.adjoint(y)


class NoAdjoint:
    def A(self, x):  # noqa: N802
        return x


class NotLinear(Foreign):
    def A(self, x):  # noqa: N802
        return self.operator(x) + 1


class Unflipped(Foreign):
    def A_adjoint(self, y):  # noqa: N802
        return self.operator(y)


def _blur():
    return Blur(torch.tensor([[0.1, 0.2, 0.0], [0.0, 0.3, 0.1], [0.0, 0.0, 0.3]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "build", [lambda: ParallelBeam((20, 24), 9), lambda: Blur.gaussian(1.0), _blur]
)
def test_a_foreign_operator_is_the_same_map_with_a_measured_norm(build, dtype):
    operator = build().to(dtype)
    x = torch.rand(3, 1, 20, 24, dtype=dtype)
    y = operator(x)
    map = as_physics(Foreign(operator), y)
    assert torch.equal(map(x), y)
    assert torch.equal(map.adjoint(y), operator.adjoint(y))
    check_adjoint(map, x)
    largest = torch.linalg.svdvals(dx.testing.explicit_matrix(operator.double(), (20, 24)))[0]
    assert largest <= map.norm_bound() <= 1.051 * largest
    assert map.norm_kind is Kind.MEASURED
    assert claims_of(map).find(dx.Lipschitz).kind is Kind.MEASURED


def test_linear_maps_are_taken_as_they_are():
    blur, y = _blur(), torch.rand(2, 1, 8, 8)
    assert as_physics(blur, y) is blur
    assert blur.norm_kind is Kind.BOUND


def test_a_foreign_operator_has_a_certificate_that_proves_nothing_of_its_norm():
    x = torch.rand(2, 1, 16, 16)
    certificate = dx.certify(as_physics(Foreign(_blur()), x), x, effort="quick")
    assert certificate.holds
    assert certificate.require(dx.Lipschitz(1.06)).kind is Kind.MEASURED


@pytest.mark.parametrize("factor", [1.01, -1.0, 0.0, 1.0001])
def test_a_wrong_factor_of_the_adjoint_is_refused_with_the_defect(factor):
    with pytest.raises(ValueError, match=r"which differ by [0-9.e-]+ of ‖A x‖ ‖y‖"):
        as_physics(Foreign(_blur(), factor), torch.rand(1, 1, 64, 64))


def test_a_wrong_direction_of_the_adjoint_is_refused():
    with pytest.raises(ValueError, match="Mend the adjoint"):
        as_physics(Unflipped(_blur()), torch.rand(1, 1, 256, 256))


def test_a_linear_map_with_a_wrong_adjoint_is_refused():
    scan = ParallelBeam(16, 8)
    wrong = copy.deepcopy(scan)
    offsets, index, areas = wrong._beams.strips
    object.__setattr__(wrong._beams, "strips", (offsets, index, 1.001 * areas))
    y = scan(torch.rand(1, 1, 16, 16))
    as_physics(scan, y)
    with pytest.raises(ValueError, match="ParallelBeam: expected an adjoint"):
        as_physics(wrong, y)


@pytest.mark.parametrize(
    ("physics", "error", "words"),
    [
        (NoAdjoint(), TypeError, "which has none"),
        (Foreign, TypeError, "got the class Foreign"),
        (torch.nn.Identity(), TypeError, "Identity, which has none"),
        (NotLinear(_blur()), ValueError, "expected a linear operator"),
        (Foreign(ParallelBeam(8, 4)), ValueError, "expected data of shape"),
    ],
)
def test_refusals(physics, error, words):
    with pytest.raises(error, match=words):
        as_physics(physics, torch.rand(1, 1, 8, 8))


def test_data_of_another_shape_are_refused():
    class Cropping(Foreign):
        def A_adjoint(self, y):  # noqa: N802
            return self.operator.adjoint(y)[..., 1:, :]

    with pytest.raises(ValueError, match=r"expected data of shape \(1, 7, 8\)"):
        as_physics(Cropping(_blur()), torch.rand(1, 1, 8, 8))


def test_an_operator_with_a_conjugated_buffer_has_a_certificate():
    class Conjugated(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("phase", torch.ones(1, dtype=torch.cfloat).conj())

        def A(self, x):  # noqa: N802
            return x * self.phase.real

        def A_adjoint(self, y):  # noqa: N802
            return y * self.phase.real

    x = torch.rand(2, 1, 8, 8)
    assert dx.certify(as_physics(Conjugated(), x), x, effort="quick").holds
