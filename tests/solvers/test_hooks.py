"""Implicit equations inside checkpoints and offloading, which torch.func refuses."""

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from darboux.solvers import solve


@pytest.mark.parametrize("features", [4, 300], ids=["dense", "krylov"])
@pytest.mark.parametrize("where", ["checkpoint", "save_on_cpu"])
def test_gradients_under_saved_tensor_hooks(features, where):
    weight = torch.randn(features, features, dtype=torch.float64) * (3 / features**0.5)
    weight.requires_grad_()
    z = torch.randn(3, features, dtype=torch.float64)

    def loss(weight):
        # stiff enough for Newton's method
        root = solve(lambda x: z - (x @ weight.T).tanh() @ weight, z)
        return root.square().sum()

    (expected,) = torch.autograd.grad(loss(weight), weight)
    if where == "checkpoint":
        value = checkpoint(loss, weight, use_reentrant=False)
    else:
        with torch.autograd.graph.save_on_cpu():
            value = loss(weight)
    (found,) = torch.autograd.grad(value, weight)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_constant_map_under_hooks():
    with torch.autograd.graph.save_on_cpu():
        found = solve(
            lambda x: torch.ones_like(x) + 0 * x.detach(), torch.zeros(2, 3), method="newton"
        )
    assert torch.equal(found, torch.ones(2, 3))
