"""Flows compiled by the default backend, which rewrites sums with matrix products."""

import pytest
import torch

import darboux as dx


def hamiltonian():
    dense = dx.linear.Dense
    field = dx.fields.HamiltonianField(dense(2, 3), dense(2, 3), dx.activations.Tanh())
    return dx.Flow(field, dx.integrators.StormerVerlet(), horizon=2.0, steps=2)


def gradient():
    field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
    return dx.Flow(field, dx.integrators.Kutta4(), steps=dx.ContractiveSteps(count=2))


@pytest.mark.parametrize(
    "build",
    [hamiltonian, lambda: dx.freeze(hamiltonian()), lambda: dx.freeze(gradient())],
    ids=["hamiltonian", "frozen-hamiltonian", "frozen-gradient"],
)
def test_compiled_flow_is_the_flow(build):
    flow, x = build(), torch.randn(5, 4)
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(flow)(x), flow(x))
