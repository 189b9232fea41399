"""Optimisers reach answers that are known otherwise."""

import pytest
import torch

import darboux as dx

M = dx.manifolds
DOUBLE = torch.float64


def minimised(optimizer, loss, steps, *, decay=1.0):
    """Return the number of evaluations of a loss until an optimiser has made its steps."""
    calls = 0

    def closure():
        nonlocal calls
        calls += 1
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    for _ in range(steps):
        optimizer.step(closure)
        for group in optimizer.param_groups:
            group["lr"] *= decay
    return calls


def with_eigenvalues(n, dtype=DOUBLE):
    """Return a Hermitian matrix with the eigenvalues 1 to n, and its eigenvectors."""
    q = torch.linalg.qr(torch.randn(n, n, dtype=dtype))[0]
    return q * torch.arange(1, n + 1) @ q.mH, q


OPTIMISERS = {
    "SGD": (lambda groups: dx.optim.RiemannianSGD(groups, lr=0.02, momentum=0.9), 300, 1.0),
    "Nesterov": (
        lambda groups: dx.optim.RiemannianSGD(groups, lr=0.02, momentum=0.9, nesterov=True),
        *(300, 1.0),
    ),
    "Adam": (
        lambda groups: dx.optim.RiemannianAdam(groups, lr=0.1, betas=(0.9, 0.9)),
        *(300, 0.98),
    ),
    "CG": (lambda groups: dx.optim.RiemannianCG(groups, max_iter=100), 1, 1.0),
    "Muon": (lambda groups: dx.optim.RiemannianMuon(groups, lr=0.1, momentum=0.5), 300, 0.97),
}


@pytest.mark.parametrize("field", ["real", "complex"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("space", [M.Stiefel, M.Grassmann])
def test_top_eigenspace(space, optimiser, field):
    manifold, build = space(8, 3, field=field), OPTIMISERS[optimiser]
    a, vectors = with_eigenvalues(8, DOUBLE if field == "real" else torch.complex128)
    w = torch.nn.Parameter(manifold.random_point(dtype=DOUBLE))
    optimizer = build[0]([{"params": [w], "manifold": manifold}])
    minimised(optimizer, lambda: -(w.mH @ a @ w).diagonal().sum().real, build[1], decay=build[2])
    top = vectors[:, -3:]
    angle = torch.linalg.matrix_norm(w.detach() - top @ (top.mH @ w.detach()), 2)
    assert angle < (2e-3 if optimiser in ("Adam", "Muon") else 1e-6)
    assert manifold.check(w.detach())[0]


def test_canonical_metric():
    manifold, (a, _) = M.Stiefel(7, 2, metric="canonical"), with_eigenvalues(7)
    w = torch.nn.Parameter(manifold.random_point(dtype=DOUBLE))
    groups = [{"params": [w], "manifold": manifold}]
    optimizer = dx.optim.RiemannianSGD(groups, lr=0.02, momentum=0.9)
    minimised(optimizer, lambda: -(w.mT @ a @ w).trace(), 600)
    assert abs(float((w.detach().mT @ a @ w.detach()).trace()) - 13) < 1e-6


@pytest.mark.parametrize("optimiser", ["SGD", "Adam", "CG"])
def test_procrustes(optimiser):
    """The rotation nearest to Y Xᵀ."""
    manifold, build = M.SO(4), OPTIMISERS[optimiser]
    points, angle = torch.randn(4, 30, dtype=DOUBLE), manifold.random_point(dtype=DOUBLE)
    images = angle @ points + 0.1 * torch.randn(4, 30, dtype=DOUBLE)
    w = torch.nn.Parameter(torch.eye(4, dtype=DOUBLE))
    optimizer = build[0]([{"params": [w], "manifold": manifold}])
    minimised(
        optimizer, lambda: (w @ points - images).square().sum() / 30, build[1], decay=build[2]
    )
    expected = manifold.nearest(images @ points.mT)
    torch.testing.assert_close(
        w.detach(), expected, rtol=0, atol=1e-3 if "A" in optimiser else 1e-6
    )


@pytest.mark.parametrize("optimiser", ["SGD", "CG"])
def test_karcher_mean(optimiser):
    manifold = M.SPD(3)
    points = manifold.random_point(6, dtype=DOUBLE)
    w = torch.nn.Parameter(torch.eye(3, dtype=DOUBLE))
    groups = [{"params": [w], "manifold": manifold}]
    if optimiser == "CG":
        optimizer, steps = dx.optim.RiemannianCG(groups), 1
    else:
        optimizer, steps = dx.optim.RiemannianSGD(groups, lr=0.4), 20
    minimised(optimizer, lambda: manifold.dist(w, points).square().mean(), steps)
    torch.testing.assert_close(w.detach(), M.frechet_mean(manifold, points), rtol=1e-6, atol=0)


def test_average_on_the_circle():
    """Of angles within a half circle: the arithmetic mean, modulo a turn."""
    circle = M.Circle()
    angles = 3.0 + torch.rand(9, dtype=DOUBLE)  # across the cut
    w = torch.nn.Parameter(torch.tensor([2.0], dtype=DOUBLE))
    optimizer = dx.optim.RiemannianSGD([{"params": [w], "manifold": circle}], lr=0.1)
    points = circle.nearest(angles)
    minimised(optimizer, lambda: circle.dist(w, points).square().mean(), 200)
    assert float(circle.dist(w.detach()[0], circle.nearest(angles.mean()))) < 1e-6


def test_conjugate_gradients_need_fewer_evaluations():
    """The smallest of eigenvalues that lie close together beside the largest: 1, 3, 5, ..., 79."""
    manifold, a = M.Stiefel(40, 1), torch.arange(1.0, 80, 2, dtype=DOUBLE).diag()
    start, counts = manifold.random_point(dtype=DOUBLE), {}
    for name, build in {
        "CG": lambda groups: dx.optim.RiemannianCG(groups, max_iter=30),
        "SGD": lambda groups: dx.optim.RiemannianSGD(groups, lr=1 / 160),
    }.items():
        w, counts[name] = torch.nn.Parameter(start.clone()), 0
        optimizer = build([{"params": [w], "manifold": manifold}])
        while (w.detach().mT @ a @ w.detach()).item() > 1 + 1e-6 and counts[name] < 2000:
            counts[name] += minimised(optimizer, lambda w=w: (w.mT @ a @ w).trace(), 1)
    assert counts["CG"] < counts["SGD"] / 3, counts


def test_conjugate_gradients_with_free_parameters():
    """A frame and a vector on no manifold at once: the best fit of rank 2 with an offset."""
    manifold = M.Stiefel(6, 2)
    data = torch.randn(50, 6, dtype=DOUBLE) * torch.tensor([5, 4, 1, 0.5, 0.3, 0.1]) + 3
    w = torch.nn.Parameter(manifold.random_point(dtype=DOUBLE))
    offset = torch.nn.Parameter(torch.zeros(6, dtype=DOUBLE))
    optimizer = dx.optim.RiemannianCG(
        [{"params": [w], "manifold": manifold}, {"params": [offset]}], max_iter=200
    )

    def loss():
        centred = data - offset
        return (centred - centred @ w @ w.mT).square().mean()

    minimised(optimizer, loss, 1)
    centred = data - data.mean(0)
    rest = torch.linalg.svdvals(centred)[2:].square().sum() / data.numel()
    torch.testing.assert_close(loss().detach(), rest)
