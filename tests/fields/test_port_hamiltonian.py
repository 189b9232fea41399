"""Port-Hamiltonian fields: energy is stored, dissipated and exchanged, never created."""

import re

import pytest
import torch

import darboux as dx
from darboux.fields import Interconnection, PortHamiltonianField, QuadraticEnergy
from darboux.linear import Conv, Dense
from darboux.testing import (
    LIFECYCLE,
    check_constants,
    check_gradient_form,
    check_interconnection,
    check_power,
    check_prepare,
    check_shape,
    explicit_matrix,
)
from tests.catalogue.fields.passive import PASSIVE, Wave, features_of
from tests.lifecycles import lifecycle_cases

LIVED = [
    "port-network-damped",
    "port-quadratic-driven",
    "port-conv2d-driven",
    "interconnection-nested",
]
INTERCONNECTED = [name for name in PASSIVE if name.startswith("interconnection")]


def states(field, dtype=torch.float64):
    features, dim = features_of(field)
    return torch.randn(2, features, *(5, 4, 3)[:dim], dtype=dtype)


def quadratic(features=4, **options):
    energy = QuadraticEnergy(Dense(features, features), floor=0.5)
    return PortHamiltonianField(energy, Dense(features, features), **options).double()


@pytest.mark.parametrize("name", PASSIVE)
def test_form(name):
    field = PASSIVE[name]().double()
    check_gradient_form(field, states(field))
    check_power(field, states(field))


@pytest.mark.parametrize("name", PASSIVE)
def test_form_holds_for_any_parameters(name):
    field = PASSIVE[name]().double()
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.copy_(3 * torch.randn_like(parameter))
    check_gradient_form(field, states(field))
    check_power(field, states(field))


@pytest.mark.parametrize("name", PASSIVE)
def test_shape_and_bind(name):
    field = PASSIVE[name]()
    check_shape(field, states(field, torch.float32))
    check_prepare(field, states(field, torch.float32))


@pytest.mark.parametrize("name", PASSIVE)
def test_constants(name):
    field = PASSIVE[name]().double()
    check_constants(field, states(field), pairs=50)


@pytest.mark.parametrize("name", ["port-quadratic", "port-conv1d", "port-quadratic-damped"])
def test_lipschitz_constant_is_known_for_quadratic_energies(name):
    field = PASSIVE[name]()
    assert field.lipschitz() > 0
    assert field.premises()[-1].statement() == "‖Δf‖ <= L ‖Δz‖ for PortHamiltonianField"


def test_lipschitz_constant_is_unknown_for_other_energies():
    field = PASSIVE["port-pendulum"]()
    assert field.lipschitz() is None
    assert field.premises() == ()


@pytest.mark.parametrize(
    ("name", "check"), lifecycle_cases({name: PASSIVE[name] for name in LIVED})
)
def test_lifecycle(name, check):
    example = (0.3, states(PASSIVE[name](), torch.float32))
    LIFECYCLE[check](PASSIVE[name], example)


def test_is_the_formula():
    field = quadratic(damping=Dense(4, 3), port=Dense(2, 4), signal=lambda t: torch.ones(1, 2))
    s, d, b = (explicit_matrix(map, ()) for map in (field.skew.map, field.damping, field.port))
    a = explicit_matrix(field.storage.map, ())
    z = torch.randn(3, 4, dtype=torch.float64)
    gradient = z @ (a.T @ a + 0.5 * torch.eye(4, dtype=torch.float64))
    expected = gradient @ (s - s.T - d.T @ d).T + torch.ones(3, 2, dtype=torch.float64) @ b.T
    torch.testing.assert_close(field(0.0, z), expected)
    torch.testing.assert_close(field.output(0.0, z), gradient @ b)
    torch.testing.assert_close(field.energy(0.0, z), 0.5 * (z * gradient).sum(dim=1))


def test_supplied_power_is_output_times_input():
    field = PASSIVE["port-conv2d-driven"]().double()
    z, t = states(field), 0.7
    inner = (field.gradient(t, z) * field.supply(t, z)).flatten(1).sum(dim=1)
    u = field.signal(t).expand(2, 1, 5, 4)
    torch.testing.assert_close(inner, (field.output(t, z) * u).flatten(1).sum(dim=1))


@pytest.mark.parametrize(
    ("name", "conservative", "passive", "autonomous"),
    [
        ("port-pendulum", True, True, True),
        ("port-quadratic-damped", False, True, True),
        ("port-quadratic-driven", False, False, False),
        ("interconnection", True, True, True),
        ("interconnection-damped", False, True, True),
        ("interconnection-driven", False, False, False),
        ("interconnection-nested", False, True, True),
    ],
)
def test_says_what_it_is(name, conservative, passive, autonomous):
    field = PASSIVE[name]()
    found = (field.conservative, field.passive, field.autonomous)
    assert found == (conservative, passive, autonomous)


@pytest.mark.parametrize("name", INTERCONNECTED)
def test_interconnection_couples_inputs_to_outputs(name):
    field = PASSIVE[name]().double()
    check_interconnection(field, states(field))


def test_power_check_refutes_a_field_that_creates_energy():
    field = PASSIVE["port-quadratic"]().double()
    field.skew.damping = -0.1
    with pytest.raises(AssertionError, match="differ by"):
        check_power(field, states(field))


def test_signal_of_full_shape_and_of_scalars_agree():
    port, u = Dense(2, 4), torch.tensor([[0.3, 0.3]], dtype=torch.float64)
    z = torch.randn(3, 4, dtype=torch.float64)
    supplies = [
        quadratic(port=port, signal=signal).supply(0.0, z)
        for signal in (lambda t: u, lambda t: u.expand(3, 2), lambda t: torch.tensor(0.3))
    ]
    torch.testing.assert_close(supplies[0], supplies[1])
    torch.testing.assert_close(supplies[0], supplies[2])


def test_signal_of_time_carries_gradients_of_the_time():
    field = quadratic(port=Dense(2, 4), signal=Wave(2))
    t = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(field(t, torch.ones(1, 4, dtype=torch.float64)).sum(), t)
    assert slope != 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"damping": Dense(3, 4)}, "damping to map from 4 features with 0 .*; got 3 features"),
        ({"port": Dense(4, 3)}, "port to map to 4 features with 0 .*; got 3 features"),
        (
            {"port": Conv(2, 4, kernel_size=3, dim=1)},
            "port to map to 4 features with 0 spatial axes, like skew; got 4 features with 1",
        ),
        ({"signal": Wave(2)}, "expected a port for the signal"),
    ],
)
def test_refuses_maps_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        quadratic(**options)


def test_refuses_a_rectangular_skew_map():
    with pytest.raises(ValueError, match="SkewPart: expected a square map; got 4 -> 3"):
        PortHamiltonianField(QuadraticEnergy(Dense(4, 4)), Dense(4, 3))


def test_refuses_an_energy_that_is_no_function():
    with pytest.raises(TypeError, match=r"energy to be a function of 1 argument; got 3\.0"):
        PortHamiltonianField(3.0, Dense(4, 4))
    with pytest.raises(TypeError, match=r"a function of 1 argument; got a KineticEnergy"):
        PortHamiltonianField(dx.fields.KineticEnergy(4), Dense(4, 4))


@pytest.mark.parametrize("energy", [lambda z: z, lambda z: z.sum()], ids=["vector", "total"])
def test_refuses_an_energy_that_is_not_one_number_for_each_sample(energy):
    field = PortHamiltonianField(energy, Dense(4, 4))
    expected = re.escape("expected energies of shape (batch,) = (2,)")
    with pytest.raises(ValueError, match=expected):
        field(0.0, torch.ones(2, 4))


def test_refuses_a_signal_of_another_shape():
    field = quadratic(port=Dense(2, 4), signal=lambda t: torch.ones(3))
    expected = re.escape("to broadcast to (batch, ports, *space) = (1, 2); got shape (3,)")
    with pytest.raises(ValueError, match=expected):
        field(0.0, torch.ones(1, 4, dtype=torch.float64))


def test_refuses_ports_where_there_are_none():
    with pytest.raises(TypeError, match="expected a field with ports; this one has none"):
        quadratic().output(0.0, torch.ones(1, 4, dtype=torch.float64))


def test_refuses_an_interconnection_of_unequal_ports():
    with pytest.raises(ValueError, match=r"equally many ports.*got 2 and 3 ports"):
        Interconnection(quadratic(port=Dense(2, 4)), quadratic(port=Dense(3, 4)))
    with pytest.raises(ValueError, match=r"at least one.*got 0 and 0 ports"):
        Interconnection(quadratic(), quadratic())


def test_refuses_an_interconnection_of_other_fields():
    other = dx.fields.ResidualField(Dense(4, 4), dx.activations.Tanh())
    with pytest.raises(TypeError, match=r"second to be a PortHamiltonianField or .*; got a Res"):
        Interconnection(quadratic(port=Dense(2, 4)), other)


def test_refuses_states_of_another_size():
    field = PASSIVE["interconnection"]()
    with pytest.raises(ValueError, match=r"expected 4 \+ 4 channels on axis 1; got shape \(1, 7\)"):
        field(0.0, torch.ones(1, 7))


@pytest.mark.parametrize("floor", [0.0, -1.0, float("inf"), float("nan")])
def test_refuses_an_energy_that_may_be_flat(floor):
    with pytest.raises(ValueError, match="QuadraticEnergy: expected floor to be a positive finite"):
        QuadraticEnergy(Dense(4, 4), floor=floor)


def test_quadratic_energy_is_positive_definite_and_as_smooth_as_it_says():
    energy = QuadraticEnergy(Dense(6, 2), floor=0.25).double()
    hessian = torch.func.hessian(lambda z: energy(z[None])[0])(torch.ones(6, dtype=torch.float64))
    values = torch.linalg.eigvalsh(hessian)
    assert values.min() >= 0.25 * (1 - 1e-12)
    assert values.max() <= energy.smoothness() * (1 + 1e-12)
    assert values.max() >= 0.98 * energy.smoothness()
