"""Symplectic methods keep the modified Hamiltonian one and two orders better than H."""

import pytest
import torch

import darboux as dx
from darboux.diagnostics import modified_hamiltonian
from darboux.integrators import Composition, Euler, StormerVerlet, SymplecticEuler

METHODS = {
    "euler-drift": SymplecticEuler(),
    "euler-kick": SymplecticEuler(first="kick"),
    "verlet-kick": StormerVerlet(),
    "verlet-drift": StormerVerlet(first="drift"),
}


def pendulum():
    """H = p²/2 + p⁴/8 - cos z: neither T nor V is quadratic."""
    return dx.fields.SeparableHamiltonianField(
        lambda t, p: (p.square() / 2 + p.pow(4) / 8).sum(dim=1),
        lambda t, z: -torch.cos(z).sum(dim=1),
        autonomous=True,
    )


def learned():
    maps = dx.linear.Dense(2, 6), dx.linear.Dense(2, 5)
    return dx.fields.HamiltonianField(*maps, dx.activations.Tanh()).double()


FIELDS = {"pendulum": (pendulum, 2), "learned": (learned, 4)}


def error(field, method, energy, x, steps):
    """The largest |E(x_k) - E(x_0)| along the trajectory up to t = 4."""
    states, h = [x], 4.0 / steps
    with torch.no_grad():
        for _ in range(steps):
            states.append(method.step(field, 0.0, h, states[-1]))
    values = energy(h)(0.0, torch.cat(states)).reshape(steps + 1, len(x))
    return float((values - values[0]).detach().abs().max())


@pytest.mark.parametrize(
    ("method", "terms", "order"),
    [
        ("euler-drift", 0, 1),
        ("euler-drift", 1, 2),
        ("euler-drift", 2, 3),
        ("euler-kick", 0, 1),
        ("euler-kick", 1, 2),
        ("euler-kick", 2, 3),
        ("verlet-kick", 0, 2),
        ("verlet-kick", 1, 2),
        ("verlet-kick", 2, 4),
        ("verlet-drift", 0, 2),
        ("verlet-drift", 2, 4),
    ],
)
@pytest.mark.parametrize("name", FIELDS)
def test_drift_falls_with_every_term(name, method, terms, order):
    build, channels = FIELDS[name]
    torch.manual_seed(3)
    field, integrator = build(), METHODS[method]
    x = torch.randn(2, channels, dtype=torch.float64)

    def energy(h):
        return modified_hamiltonian(field, integrator, h, terms=terms) if terms else field.energy

    counts = torch.tensor([40, 80], dtype=torch.float64)
    errors = [error(field, integrator, energy, x, int(n)) for n in counts]
    slope = float(torch.tensor(errors[0] / errors[1]).log2())
    assert abs(slope - order) < 0.15, errors


@pytest.mark.parametrize("first", ["drift", "kick"])
def test_the_other_variant_is_told_apart(first):
    """The sign of the first term: with the wrong one nothing is won."""
    field, x = pendulum(), torch.tensor([[1.0, 0.5]], dtype=torch.float64)
    other = SymplecticEuler(first="kick" if first == "drift" else "drift")
    method = SymplecticEuler(first=first)
    right = error(field, method, lambda h: modified_hamiltonian(field, method, h), x, 80)
    wrong = error(field, method, lambda h: modified_hamiltonian(field, other, h), x, 80)
    assert right < 1e-2 * wrong


def test_the_oscillator_has_a_closed_form():
    """H̃ = (z² + p²)/2 + h/2 zp is kept exactly by drift-first Euler; the series goes on in h²."""
    field = dx.fields.SeparableHamiltonianField(
        lambda t, p: p.square().sum(dim=1) / 2,
        lambda t, z: z.square().sum(dim=1) / 2,
        autonomous=True,
    )
    x = torch.randn(5, 2, dtype=torch.float64)
    z, p = x.unbind(dim=1)
    first = modified_hamiltonian(field, SymplecticEuler(), 0.3, terms=1)
    torch.testing.assert_close(first(0.0, x), (z**2 + p**2) / 2 + 0.15 * z * p)
    after = SymplecticEuler().step(field, 0.0, 0.3, x)
    torch.testing.assert_close(first(0.0, after), first(0.0, x))
    second = modified_hamiltonian(field, SymplecticEuler(), 0.3)
    torch.testing.assert_close(second(0.0, x) - first(0.0, x), 0.09 / 12 * (z**2 + p**2))


def test_pictures_and_derivatives():
    conv = dx.linear.Conv(1, 2, kernel_size=3, dim=2)
    field = dx.fields.SecondOrderField(conv, dx.activations.Tanh()).double()
    h = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    energy = modified_hamiltonian(field, StormerVerlet(), h)(0.0, x)
    assert energy.shape == (2,)
    assert torch.autograd.gradcheck(
        lambda h, x: modified_hamiltonian(field, StormerVerlet(), h)(0.0, x), (h, x[:, :, :2, :2])
    )
    energy.sum().backward()
    assert field.map.weight.grad.any()


@pytest.mark.parametrize(
    ("field", "lack"),
    [
        (dx.fields.CoupledField(dx.linear.Dense(2, 2), dx.activations.Tanh()), "canonical"),
        (
            dx.fields.LearnedHamiltonianField(lambda t, z, p: (z * p).sum(dim=1), autonomous=True),
            "separable",
        ),
        (
            dx.fields.SeparableHamiltonianField(
                lambda t, p: p.sum(dim=1), lambda t, z: (t * z).sum(dim=1)
            ),
            "autonomous",
        ),
    ],
)
def test_other_fields_are_refused(field, lack):
    with pytest.raises(TypeError, match=f"which is not {lack}. Use"):
        modified_hamiltonian(field, StormerVerlet(), 0.1)


def test_bad_arguments():
    for method in (Euler(), Composition(4)):
        with pytest.raises(TypeError, match=r"expected SymplecticEuler\(\) or StormerVerlet\(\)"):
            modified_hamiltonian(pendulum(), method, 0.1)
    with pytest.raises(TypeError, match="field to be a VectorField; got the function len"):
        modified_hamiltonian(len, StormerVerlet(), 0.1)
    with pytest.raises(ValueError, match="expected terms to be 1 or 2; got 3"):
        modified_hamiltonian(pendulum(), StormerVerlet(), 0.1, terms=3)
    energy = modified_hamiltonian(pendulum(), StormerVerlet(), 0.1)
    with pytest.raises(ValueError, match="even number of channels"):
        energy(0.0, torch.ones(1, 3))
