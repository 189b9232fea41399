"""Fields without divergence: sums of shears, and antisymmetric potentials."""

import re
from itertools import combinations

import pytest
import torch

import darboux as dx
from darboux.activations import GroupSort, Tanh
from darboux.fields import DivergenceFreeField, ShearField
from darboux.integrators import Splitting
from darboux.linear import Conv, Dense, Lift
from darboux.testing import (
    LIFECYCLE,
    check_constants,
    check_determinant,
    check_divergence_free,
    check_part_flows,
    check_part_volumes,
    check_prepare,
    check_shape,
    check_step_back,
)
from tests.catalogue.fields.passive import DIVERGENCE_FREE, features_of
from tests.lifecycles import lifecycle_cases

LIVED = ["shear-dense-thresholds", "shear-conv2d-even", "divergence-free"]
SHEARS = [name for name in DIVERGENCE_FREE if name.startswith("shear")]


def states(field, dtype=torch.float64):
    features, dim = features_of(field)
    return torch.randn(2, features, *(5, 4, 2)[:dim], dtype=dtype)


def randomised(name):
    field = DIVERGENCE_FREE[name]().double()
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return field


@pytest.mark.parametrize("name", DIVERGENCE_FREE)
def test_divergence_is_zero_for_any_parameters(name):
    field = randomised(name)
    check_divergence_free(field, states(field))


@pytest.mark.parametrize("name", DIVERGENCE_FREE)
def test_parts_preserve_volume(name):
    field = DIVERGENCE_FREE[name]().double()
    check_part_volumes(field, states(field))


def test_determinant_check_refutes_a_map_that_contracts():
    with pytest.raises(AssertionError, match=r"log\|det\| = -0.0402; at most"):
        check_determinant(lambda z: 0.99 * z.flip(1), torch.ones(1, 4, dtype=torch.float64) + 1)


@pytest.mark.parametrize("name", SHEARS)
def test_shears_flow_exactly(name):
    field = randomised(name)
    check_part_flows(field, states(field))


@pytest.mark.parametrize("name", DIVERGENCE_FREE)
def test_parts_add_up_to_the_field(name):
    field = DIVERGENCE_FREE[name]().double()
    z = states(field)
    total = torch.stack([part(0.3, z) for part in field.parts()]).sum(dim=0)
    torch.testing.assert_close(total, field(0.3, z))


@pytest.mark.parametrize("name", DIVERGENCE_FREE)
def test_planar_flows_start_along_the_field(name):
    field = DIVERGENCE_FREE[name]().double()
    z = states(field)
    for part in field.parts():
        h = torch.zeros((), dtype=torch.float64)
        _, speed = torch.func.jvp(lambda h, part=part: part.flow(0.3, h, z), (h,), (h + 1,))
        torch.testing.assert_close(speed, part(0.3, z))


@pytest.mark.parametrize("name", DIVERGENCE_FREE)
def test_splitting_preserves_volume_and_steps_back(name):
    field, method = DIVERGENCE_FREE[name]().double(), Splitting()
    z = states(field)
    check_determinant(lambda x: method.step(field, 0.0, 0.2, x), z)
    if name.startswith("shear"):
        check_step_back(method, field, z)
    torch.testing.assert_close(
        method.step_back(field, 0.0, 0.2, method.step(field, 0.0, 0.2, z)), z
    )


def test_flow_claims_volume_and_no_inverse_that_a_solver_would_have_to_find():
    flow = dx.Flow(DIVERGENCE_FREE["divergence-free"](), Splitting(), horizon=0.2, steps=1)
    names = {type(claim.structure).__name__ for claim in flow.maps()[0][1].claims().claims}
    assert names == {"VolumePreserving"}


@pytest.mark.parametrize("name", DIVERGENCE_FREE)
def test_shape_bind_and_constants(name):
    field = DIVERGENCE_FREE[name]()
    check_shape(field, states(field, torch.float32))
    check_prepare(field, states(field, torch.float32))
    check_constants(field.double(), states(field), pairs=50)


@pytest.mark.parametrize("name", SHEARS)
def test_lipschitz_constant_is_known_of_shears(name):
    field = DIVERGENCE_FREE[name]()
    assert field.lipschitz() > 0
    assert field.premises()[-1].statement() == "‖Δf‖ <= L ‖Δz‖ for ShearField"


@pytest.mark.parametrize(
    ("name", "check"), lifecycle_cases({name: DIVERGENCE_FREE[name] for name in LIVED})
)
def test_lifecycle(name, check):
    example = (0.3, states(DIVERGENCE_FREE[name](), torch.float32))
    if check == "gradients" and name.startswith("divergence"):
        # the bias of the last layer shifts the potential, which no derivative sees
        LIFECYCLE[check](DIVERGENCE_FREE[name], example, exempt=["potential.2.bias"])
        return
    LIFECYCLE[check](DIVERGENCE_FREE[name], example)


def test_antisymmetric_potential_is_the_formula():
    field = randomised("divergence-free")
    z = torch.randn(4, dtype=torch.float64)

    def matrix(x):
        psi, entries = torch.zeros(4, 4, dtype=x.dtype), field.psi(x[None])[0]
        for entry, (i, j) in zip(entries, combinations(range(4), 2), strict=True):
            unit = torch.zeros(4, 4, dtype=x.dtype)
            unit[i, j], unit[j, i] = 1.0, -1.0
            psi = psi + entry * unit
        return psi

    derivative = torch.func.jacrev(matrix)(z)  # [i, j, k] = ∂_k Ψ_ij
    expected = torch.einsum("ijj->i", derivative)
    torch.testing.assert_close(field(0.0, z[None])[0], expected)


def test_planar_flow_is_of_second_order():
    field = randomised("divergence-free-plane")
    part, z = field.parts()[0], 0.3 * torch.randn(3, 2, dtype=torch.float64)

    def after(steps):
        x = z
        for _ in range(steps):
            x = part.flow(0.0, 0.2 / steps, x)
        return x

    exact = after(64)
    coarse, fine = ((after(n) - exact).norm() for n in (4, 8))
    assert 3.5 < coarse / fine < 4.5


def test_flows_carry_gradients_to_parameters_state_and_duration():
    field = randomised("divergence-free-plane")
    z = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    h = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    part = field.parts()[0]
    weight = field.potential[0].weight
    assert torch.autograd.gradcheck(
        lambda x, h, w: torch.func.functional_call(
            _Flow(part), {"field.potential.0.weight": w}, (h, x)
        ),
        (z, h, weight),
    )


class _Flow(torch.nn.Module):
    def __init__(self, part):
        super().__init__()
        self.part, self.field = part, part.field

    def forward(self, h, z):
        return self.part.flow(0.0, h, z)


def test_shears_of_images_reach_over_the_border():
    field = ShearField(Conv(2, 3, kernel_size=3, dim=1), Tanh()).double()
    jacobian = torch.func.jacrev(lambda z: field(0.0, z[None])[0])(
        torch.randn(2, 6, dtype=torch.float64)
    )
    assert jacobian[:, 0, :, 4].abs().max() > 1e-4  # two taps of two pixels, going around


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: ShearField(Dense(1, 3), Tanh()), ValueError, "at least 2 features.*; got 1"),
        (
            lambda: ShearField(Conv(2, 3, kernel_size=3, dim=1, padding_mode="zeros"), Tanh()),
            ValueError,
            "expected a circular kernel, or one tap; got kernel_size \\(3,\\)",
        ),
        (lambda: ShearField(Dense(4, 4), GroupSort()), TypeError, "ShearField: .*mixes"),
        (
            lambda: ShearField(Lift(1, 4, dim=2, shuffle=2), Tanh()),
            TypeError,
            "expected a map that is one kernel; got Lift",
        ),
        (
            lambda: DivergenceFreeField(torch.nn.Linear(1, 1), features=1),
            ValueError,
            "expected features to be an integer from 2 to 1000.*; got 1",
        ),
    ],
    ids=["one-feature", "zeros", "group-sort", "lift", "one-coordinate"],
)
def test_refuses(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_refuses_a_potential_of_another_shape():
    field = DivergenceFreeField(torch.nn.Linear(3, 4), features=3)
    expected = re.escape("of shape (batch, M(M-1)/2) = (2, 3); got (2, 4)")
    with pytest.raises(ValueError, match=expected):
        field(0.0, torch.ones(2, 3))


def test_refuses_images():
    field = DivergenceFreeField(torch.nn.Linear(3, 3), features=3)
    with pytest.raises(
        ValueError, match=re.escape("expected z of shape (batch, 3); got (2, 3, 5)")
    ):
        field(0.0, torch.ones(2, 3, 5))
