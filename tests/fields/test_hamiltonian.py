"""The theorems of section 2.1.2 in numbers: formulas, constants, symplecticity, extension."""

from functools import partial

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.fields import halves, join
from darboux.flow import as_float
from tests.catalogue.fields.phase import CASES, DrivenEnergy, features_of


def states(field, dtype=torch.float64):
    channels, dim = features_of(field)
    return torch.randn(2, channels, *(5, 4, 3)[:dim], dtype=dtype)


def wide(name):
    return CASES[name]().double()


class Parts(nn.Module):
    """One step by the flows of the parts, drift first."""

    def __init__(self, field, h):
        super().__init__()
        self.field, self.h = field, h

    def forward(self, x):
        for part in self.field.parts():
            x = part.flow(0.0, self.h, x)
        return x


def _defect(step, x):
    """Return max |DᵀJD - J| and log|det D| at one state."""
    derivative = torch.func.jacrev(lambda y: step(y.unsqueeze(0)).squeeze(0))(x).detach()
    n = len(x) // 2
    zero, eye = torch.zeros(n, n, dtype=x.dtype), torch.eye(n, dtype=x.dtype)
    form = torch.cat([torch.cat([zero, eye], 1), torch.cat([-eye, zero], 1)])
    defect = derivative.T @ form @ derivative - form
    return defect.abs().max().item(), torch.linalg.slogdet(derivative)[1].item()


@pytest.mark.parametrize("name", ["hamiltonian-4-relu", "second-order-3-relu", "separable-3"])
def test_shears_of_a_hamiltonian_field_are_symplectic(name):
    field = wide(name)
    defect, volume = _defect(Parts(field, 0.5), states(field)[0])
    assert defect < 1e-13
    assert abs(volume) < 1e-13


def test_shears_of_the_coupled_field_keep_volume_and_not_the_symplectic_form():
    field = dx.fields.CoupledField(dx.linear.Dense(3, 3), dx.activations.Tanh()).double()
    with torch.no_grad():
        field.map.weight.copy_(torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0], [2.0, 0.0, 1.0]]))
    x = torch.tensor([0.3, -0.2, 0.1, 0.5, 0.4, -0.6], dtype=torch.float64)
    defect, volume = _defect(Parts(field, 1.0), x)
    assert defect > 0.5
    assert abs(volume) < 1e-13


def test_the_two_layer_model_is_the_formula_of_the_paper():
    one, two = dx.linear.Dense(2, 5), dx.linear.Dense(2, 3)
    field = dx.fields.HamiltonianField(
        one, two, dx.activations.Tanh(), activation_z=dx.activations.ReLU()
    )
    with torch.no_grad():
        field.bias_p.normal_()
        field.bias_z.normal_()
    x = torch.randn(4, 4)
    z, p = halves(x)
    drift = torch.tanh(p @ one.weight.T + field.bias_p) @ one.weight
    kick = -torch.relu(z @ two.weight.T + field.bias_z) @ two.weight
    torch.testing.assert_close(field(0.0, x), torch.cat([drift, kick], dim=1))


def test_the_second_order_model_is_a_case_of_the_two_layer_model():
    linear, tanh = dx.linear.Dense(3, 5), dx.activations.Tanh()
    eye = dx.linear.Dense(3, 3)
    with torch.no_grad():
        eye.weight.copy_(torch.eye(3))
    second = dx.fields.SecondOrderField(linear, tanh)
    general = dx.fields.HamiltonianField(
        eye, linear, dx.activations.Identity(), activation_z=tanh, momentum_bias=False
    )
    x = torch.randn(4, 6)
    torch.testing.assert_close(second(0.0, x), general(0.0, x))
    torch.testing.assert_close(second.energy(0.0, x), general.energy(0.0, x))
    for constant in ("lipschitz", "one_sided_lipschitz"):
        ours, theirs = (as_float(getattr(f, constant)()) for f in (second, general))
        assert ours == pytest.approx(theirs, rel=1e-2)
    assert second.reversible
    assert general.reversible


def test_the_coupled_model_is_the_formula_of_haber_and_ruthotto():
    linear = dx.linear.Dense(3, 3)
    field = dx.fields.CoupledField(linear, dx.activations.Tanh())
    with torch.no_grad():
        field.bias_p.normal_()
        field.bias_z.normal_()
    x = torch.randn(4, 6)
    z, p = halves(x)
    drift = torch.tanh(p @ linear.weight.T + field.bias_p)
    kick = -torch.tanh(z @ linear.weight + field.bias_z)
    torch.testing.assert_close(field(0.0, x), torch.cat([drift, kick], dim=1))


def _jacobian_constants(field, x):
    """Return ‖Df‖₂ and the largest eigenvalue of its symmetric part at one state."""
    derivative = torch.func.jacrev(lambda y: field(0.0, y.unsqueeze(0)).squeeze(0))(x).detach()
    symmetric = (derivative + derivative.T) / 2
    return (
        torch.linalg.matrix_norm(derivative, ord=2).item(),
        torch.linalg.eigvalsh(symmetric)[-1].item(),
    )


@pytest.mark.parametrize("name", ["hamiltonian-3-identity", "second-order-1-tanh"])
def test_constants_are_attained(name):
    # at 0 the slope of tanh is 1, the largest
    field = wide(name)
    norm, one_sided = _jacobian_constants(field, torch.zeros(features_of(field)[0]).double())
    assert norm <= as_float(field.lipschitz()) <= 1.02 * norm
    if name == "second-order-1-tanh":
        assert one_sided <= as_float(field.one_sided_lipschitz())


def test_coupled_constants_are_attained_up_to_the_slopes():
    field = wide("coupled-3-reversible")
    norm, _ = _jacobian_constants(field, torch.zeros(6).double())
    assert norm <= as_float(field.lipschitz()) <= 1.02 * norm
    # D₁ = 1 at p = 0 and D₂ = 0 far away: ν = ½ ‖K‖
    far = torch.cat([torch.full((3,), 50.0), torch.zeros(3)]).double()
    _, one_sided = _jacobian_constants(field, far)
    bound = as_float(field.one_sided_lipschitz())
    assert one_sided <= bound
    assert one_sided > 0.2 * bound


@pytest.mark.parametrize("sigma", [dx.activations.Tanh, dx.activations.ReLU])
@pytest.mark.parametrize("momentum_bias", [True, False])
def test_reversibility_needs_an_odd_activation_and_no_bias_in_the_drift(sigma, momentum_bias):
    provable = sigma is dx.activations.Tanh and not momentum_bias
    linear = dx.linear.Dense(2, 2)
    two = dx.fields.HamiltonianField(linear, linear, sigma(), momentum_bias=momentum_bias)
    coupled = dx.fields.CoupledField(linear, sigma(), momentum_bias=momentum_bias)
    assert two.reversible is coupled.reversible is provable


# --- the extended phase space -------------------------------------------------------------


def test_extended_field_is_the_plain_one_at_each_samples_own_time():
    inner = dx.fields.LearnedHamiltonianField(DrivenEnergy(2)).double()
    field = dx.fields.ExtendedPhaseSpace(inner)
    x = torch.randn(3, 4, dtype=torch.float64)
    times = torch.tensor([[0.1], [-2.0], [5.0]], dtype=torch.float64)
    extended = field.extend(x, t=times)
    torch.testing.assert_close(field.project(extended), x, rtol=0, atol=0)
    value = field(99.0, extended)
    for k in range(3):
        expected = inner(float(times[k]), x[k : k + 1])
        torch.testing.assert_close(field.project(value)[k : k + 1], expected)
    torch.testing.assert_close(value[:, 2], torch.ones(3, dtype=torch.float64))


@pytest.mark.long
def test_the_momentum_of_time_keeps_track_of_the_energy():
    inner = dx.fields.LearnedHamiltonianField(DrivenEnergy(2)).double()
    field = dx.fields.ExtendedPhaseSpace(inner)
    x = torch.randn(3, 4, dtype=torch.float64)
    start = field.extend(x, t=0.2)
    torch.testing.assert_close(field.energy(0.0, start), torch.zeros(3).double())
    with torch.no_grad():
        end = dx.Flow(field, dx.integrators.Kutta4(), horizon=2.0, steps=200)(start)
        plain = x
        for k in range(200):
            plain = dx.integrators.Kutta4().step(inner, 0.2 + k * 0.01, 0.01, plain)
    torch.testing.assert_close(field.project(end), plain, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(end[:, 2], torch.full((3,), 2.2).double())
    changed = inner.energy(2.2, plain) - inner.energy(0.2, x)
    assert changed.abs().max() > 0.1
    assert field.energy(0.0, end).abs().max() < 1e-8  # the error of the method
    torch.testing.assert_close(end[:, -1] - start[:, -1], -changed, rtol=0, atol=1e-8)


def _fixed(g, start):
    """Return x = g(x) by plain iteration, which autograd can follow."""
    for _ in range(40):
        start = g(start)
    return start


def _symplectic_euler(field, t, h, x):
    z, p = halves(x)
    z = _fixed(lambda y: z + h * field.drift(t + h, y, p), z)
    return join(z, p + h * field.kick(t + h, z, p))


def _stormer_verlet(field, t, h, x):
    z, p = halves(x)
    p = _fixed(lambda y: p + h / 2 * field.kick(t, z, y), p)
    first = field.drift(t, z, p)
    z = _fixed(lambda y: z + h / 2 * (first + field.drift(t + h, y, p)), z)
    return join(z, p + h / 2 * field.kick(t + h, z, p))


@pytest.mark.parametrize("method", [_symplectic_euler, _stormer_verlet])
@pytest.mark.parametrize("name", ["learned-2-driven", "separable-1-driven"])
def test_extended_steps_are_the_plain_ones_and_keep_the_extended_form(name, method):
    inner = wide(name)
    field = dx.fields.ExtendedPhaseSpace(inner)
    h, x = 0.1, states(inner)
    extended, plain = field.extend(x, t=0.4), x
    with torch.no_grad():
        for k in range(3):
            plain = method(inner, 0.4 + k * h, h, plain)
            extended = method(field, 0.0, h, extended)
    torch.testing.assert_close(field.project(extended), plain, rtol=1e-12, atol=1e-12)
    defect, volume = _defect(partial(method, field, 0.0, h), extended[0])
    assert defect < 1e-13
    assert abs(volume) < 1e-13
