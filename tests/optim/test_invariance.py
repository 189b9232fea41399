"""Steps know the geometry of a manifold and nothing of its coordinates."""

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.optim._motions import Framed, motion_of

M = dx.manifolds
DOUBLE = torch.float64
FRAMED = {
    "Stiefel": M.Stiefel(6, 2),
    "canonical": M.Stiefel(6, 2, metric="canonical"),
    "complex": M.Stiefel(6, 2, field="complex"),
    "Grassmann": M.Grassmann(6, 2),
    "SO": M.SO(4),
    "U": M.U(3),
}


@pytest.mark.parametrize("name", FRAMED)
def test_momentum_is_projected_and_gradients_are_those_of_the_metric(name):
    manifold = FRAMED[name]
    motion = motion_of(manifold)
    assert isinstance(motion, Framed)
    x = manifold.random_point(3, dtype=DOUBLE)
    kept, g = torch.randn_like(x), torch.randn_like(x)
    expected = 0.7 * manifold.project(x, kept) + manifold.gradient(x, g)
    torch.testing.assert_close(motion.accumulated(x, kept, g, 0.7), expected)
    torch.testing.assert_close(motion.gradient(x, g), manifold.gradient(x, g))
    torch.testing.assert_close(motion.brought(x, kept), manifold.project(x, kept))


@pytest.mark.parametrize(
    "manifold",
    [M.Sphere(5), M.SPD(3), M.SO(3), M.Grassmann(5, 2), M.Circle(), M.SPD(2, metric="bures")],
    ids=str,
)
def test_the_first_step_of_adam_has_the_length_lr(manifold):
    w = nn.Parameter(manifold.random_point(4, dtype=DOUBLE))
    before = w.detach().clone()
    optimizer = dx.optim.RiemannianAdam([{"params": [w], "manifold": manifold}], lr=1e-3)
    w.grad = torch.randn_like(w)
    if isinstance(manifold, M.SPD):
        w.grad = w.grad + w.grad.mT
    optimizer.step()
    lengths = manifold.dist(before, w.detach())
    torch.testing.assert_close(lengths, torch.full_like(lengths, 1e-3), rtol=1e-3, atol=0)


BUILDS = {
    "SGD": lambda groups: dx.optim.RiemannianSGD(groups, lr=0.02, momentum=0.9, nesterov=True),
    "Adam": lambda groups: dx.optim.RiemannianAdam(groups, lr=0.05),
    "Muon": lambda groups: dx.optim.RiemannianMuon(groups, lr=0.05),
}


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("manifold", [M.Stiefel(6, 2), M.Grassmann(6, 2)], ids=["St", "Gr"])
def test_a_rotated_problem_has_the_rotated_path(manifold, build):
    a = torch.randn(6, 6, dtype=DOUBLE)
    q, start = M.SO(6).random_point(dtype=DOUBLE), manifold.random_point(dtype=DOUBLE)
    ends = []
    for turn in (torch.eye(6, dtype=DOUBLE), q):
        w = nn.Parameter(turn @ start)
        optimizer = BUILDS[build]([{"params": [w], "manifold": manifold}])
        for _ in range(20):
            optimizer.zero_grad()
            (w.mT @ turn @ a @ turn.mT @ w).square().sum().backward()
            optimizer.step()
        ends.append(turn.mT @ w.detach())
    torch.testing.assert_close(ends[0], ends[1])
