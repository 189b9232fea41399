"""Conformal Hamiltonian steps: what they multiply dθ ∧ dp by, measured; and what they reach."""

import math

import pytest
import torch

import darboux as dx
from darboux.manifolds import CotangentBundle
from darboux.optim import (
    ConformalHamiltonian,
    HamiltonianDescent,
    HeavyBall,
    Nesterov,
    PowerKinetic,
    QuadraticKinetic,
    RelativisticGradientDescent,
    RelativisticKinetic,
)
from tests.optim.functions import camelback, two

DOUBLE = torch.float64


FRICTION, STEP = 1.5, 0.1
DRAG = math.exp(-FRICTION * STEP)
# name -> (optimiser, factor, None if there is none)
CASES = {
    "heavy ball": (lambda p: HeavyBall(p, 0.01, 0.9), 0.9),
    "heavy ball without friction": (lambda p: HeavyBall(p, 0.01, 1.0), 1.0),
    "heavy ball with decay, upwards": (
        *(lambda p: HeavyBall(p, 0.01, 0.8, 0.3, maximize=True), 0.8),
    ),
    "Nesterov": (lambda p: Nesterov(p, 0.01, 0.9), None),
    "relativistic, order 1": (
        *(lambda p: RelativisticGradientDescent(p, 0.1, 0.9, 2.0, order=1), 0.9),
    ),
    "relativistic": (lambda p: RelativisticGradientDescent(p, 0.1, 0.9, 2.0), 0.9),
    "relativistic, α = 0.9": (
        *(lambda p: RelativisticGradientDescent(p, 0.1, 0.9, 2.0, 0.9), None),
    ),
    "explicit 1": (lambda p: HamiltonianDescent(p, STEP, FRICTION), 1 / 1.15),
    "explicit 2": (
        lambda p: HamiltonianDescent(p, STEP, FRICTION, method="explicit-2"),
        0.85,
    ),
    "power": (
        lambda p: HamiltonianDescent(p, STEP, FRICTION, PowerKinetic(1.5, 1.2)),
        1 / 1.15,
    ),
    "implicit": (lambda p: HamiltonianDescent(p, STEP, FRICTION, method="implicit"), None),
    "order 1": (lambda p: ConformalHamiltonian(p, STEP, FRICTION, order=1), DRAG),
    "order 2": (
        lambda p: ConformalHamiltonian(p, STEP, FRICTION, QuadraticKinetic(3.0)),
        DRAG,
    ),
    "order 2, relativistic": (
        *(
            lambda p: ConformalHamiltonian(p, STEP, FRICTION, RelativisticKinetic(2, 0.5)),
            DRAG,
        ),
    ),
}
every_case = pytest.mark.parametrize("case", CASES)


def parameters():
    w = torch.nn.Parameter(torch.tensor([-0.5, 0.8], dtype=DOUBLE))
    return [w, torch.nn.Parameter(torch.tensor([[0.3], [-0.2], [0.1]], dtype=DOUBLE))]


def form(n):
    j = torch.zeros(2 * n, 2 * n, dtype=DOUBLE)
    j[:n, n:], j[n:, :n] = torch.eye(n), -torch.eye(n)
    return j


@every_case
def test_the_form_is_multiplied_by_a_factor(case):
    """And by none, where none is claimed."""
    build, factor = CASES[case]
    step = build(parameters()).step_map(two)
    (claim,) = step.claims().claims or (None,)
    if factor is not None:
        assert claim.structure.at_least(dx.ConformalSymplectic(factor))
    for x in torch.randn(5, 10, dtype=DOUBLE):
        jacobian = torch.autograd.functional.jacobian(lambda y: step(y[None])[0], x)
        square = jacobian.T @ form(5) @ jacobian
        c = float((square * form(5)).sum() / 10) if factor is None else factor
        defect = float((square - c * form(5)).abs().max())
        assert defect > 1e-4 if factor is None else defect < 1e-10


@every_case
def test_certify_says_so(case):
    build, factor = CASES[case]
    step = build(parameters()).step_map(two)
    x = torch.randn(4, 10, dtype=DOUBLE)
    if factor is None:
        assert step.claims().gaps
        wrong = dx.certify(step, x, claims=[dx.ConformalSymplectic(0.9)], effort="quick")
        assert wrong.verdict == "refuted"
        return
    assert dx.certify(step, x, effort="quick").verdict == "holds"
    wrong = dx.certify(step, x, claims=[dx.ConformalSymplectic(factor * 1.001)], effort="quick")
    assert wrong.verdict == "refuted"


@every_case
@pytest.mark.parametrize("foreach", [True, False])
def test_the_map_is_the_step(case, foreach):
    """Position and momentum; the buffer of torch's optimisers is -p."""
    both = parameters()
    optimizer = CASES[case][0](both)
    for group in optimizer.param_groups:
        group["foreach"] = foreach
    step = optimizer.step_map(two)

    def closure():
        optimizer.zero_grad()
        loss = two(*both)
        loss.backward()
        return loss

    start = [p.detach().flatten() for p in both]
    x = torch.cat([*start, torch.zeros(5, dtype=DOUBLE)])[None]
    for _ in range(6):
        optimizer.step(closure)
        x = step(x).detach()
    momenta = [-optimizer.state[p]["momentum_buffer"].flatten() for p in both]
    found = torch.cat([*(p.detach().flatten() for p in both), *momenta])
    torch.testing.assert_close(found, x[0], rtol=1e-10, atol=1e-10)


def test_groups_have_norms_of_their_own():
    def build(groups):
        return RelativisticGradientDescent(groups, 0.1, 0.9, 2.0)

    w, v = parameters()
    apart = build([{"params": [w]}, {"params": [v], "momentum": 0.5}])
    step = apart.step_map(two)
    assert "no factor in common" in step.claims().gaps[0].reason
    x = torch.randn(3, 10, dtype=DOUBLE)
    alone = build([w]).step_map(camelback)(x[:, [0, 1, 5, 6]])
    moved = apart.step_map(lambda w, v: camelback(w) + 0 * v.sum())(x)
    torch.testing.assert_close(moved[:, [0, 1, 5, 6]], alone)


def told(name, f, x, v, eps, mu, delta, alpha):
    """One step as the source tells it."""
    if name == "Nesterov":
        v = mu * v - eps * f(x + mu * v)
        return x + v, v
    half = x + mu**0.5 * v / (mu * delta * (v @ v) + 1) ** 0.5
    middle = mu**0.5 * v - eps * f(half)
    end = alpha * half + (1 - alpha) * x + middle / (delta * (middle @ middle) + 1) ** 0.5
    return end, mu**0.5 * middle


@pytest.mark.parametrize("name", ["Nesterov", "relativistic"])
def test_steps_as_the_source_tells_them(name):
    """Of the points that it takes gradients at, which are the parameters here."""
    eps, mu, delta, alpha = 0.02, 0.8, 3.0, 0.7
    w = torch.nn.Parameter(torch.tensor([-0.5, 0.8], dtype=DOUBLE))
    if name == "Nesterov":
        optimizer = Nesterov([w], eps, mu)
    else:
        optimizer = RelativisticGradientDescent([w], eps, mu, delta, alpha)
    slope, seen = torch.func.grad(camelback), []

    def noted(x):
        seen.append(x)
        return slope(x)

    x, v = w.detach().clone(), torch.zeros(2, dtype=DOUBLE)
    for k in range(8):
        x, v = told(name, noted, x, v, eps, mu, delta, alpha)
        torch.testing.assert_close(w.detach(), seen[k])
        optimizer.zero_grad()
        camelback(w).backward()
        optimizer.step()


def test_special_cases():
    start, steps = torch.tensor([-0.5, 0.8], dtype=DOUBLE), {}
    for name, build in {
        "ball": lambda p: HeavyBall(p, 0.01),
        "order 1": lambda p: RelativisticGradientDescent(p, 0.01, 0.9, 0.0, order=1),
        "slow": lambda p: RelativisticGradientDescent(p, 0.01, 0.9, 1e-14, order=1),
        "system": lambda p: ConformalHamiltonian(p, 0.1, -math.log(0.9) / 0.1, order=1),
        "Nesterov": lambda p: Nesterov(p, 0.01),
        "order 2": lambda p: RelativisticGradientDescent(p, 0.01, 0.9, 0.0, 0.0),
        "torch": lambda p: torch.optim.SGD(p, 0.01, 0.9),
        "torch, Nesterov": lambda p: torch.optim.SGD(p, 0.01, 0.9, nesterov=True),
    }.items():
        w = torch.nn.Parameter(start.clone())
        optimizer = build([w])
        for _ in range(20):
            optimizer.zero_grad()
            camelback(w).backward()
            optimizer.step()
        steps[name] = w.detach()
    for name in ("order 1", "slow", "system", "torch"):
        torch.testing.assert_close(steps["ball"], steps[name], rtol=1e-10, atol=1e-12)
    for name in ("order 2", "torch, Nesterov"):
        torch.testing.assert_close(steps["Nesterov"], steps[name], rtol=1e-10, atol=1e-12)


MANIFOLDS = {
    "sphere": (dx.manifolds.Sphere(3), lambda q: q[0] ** 3 + q[1] * q[2]),
    "rotations": (dx.manifolds.SO(3), lambda q: q[0, 0] ** 3 + q[1, 2] * q[2, 2] + q[0, 1]),
    "frames": (dx.manifolds.Stiefel(4, 2), lambda q: q[0, 0] ** 3 + q[1, 1] * q[2, 0]),
}
ON_MANIFOLDS = {
    "heavy ball": (lambda g: HeavyBall(g, 0.05, 0.8), 0.8),
    "order 2": (
        lambda g: ConformalHamiltonian(g, 0.2, 1.0, QuadraticKinetic(2.0)),
        None,
    ),
}


@pytest.mark.parametrize("method", ON_MANIFOLDS)
@pytest.mark.parametrize("name", MANIFOLDS)
def test_on_manifolds(name, method):
    """(DB)ᵀJ(DB) = c BᵀJB, B a basis of the tangent space of T*M; and constraints to rounding."""
    (manifold, loss), (build, factor) = MANIFOLDS[name], ON_MANIFOLDS[method]
    factor = math.exp(-0.2) if factor is None else factor
    bundle = CotangentBundle(manifold)
    w = torch.nn.Parameter(manifold.random_point(dtype=DOUBLE))
    optimizer = build([{"params": [w], "manifold": manifold}])
    step, n = optimizer.step_map(loss), w.numel()
    start = bundle.join(w.detach(), 0.7 * torch.randn_like(w.detach()))
    x = bundle.nearest(start).flatten()

    def defect(y):
        return y - bundle.nearest(y.reshape(bundle.shape)).flatten()

    _, sizes, rows = torch.linalg.svd(torch.func.jacrev(defect)(x))
    basis = rows[sizes < 1e-6].T
    dim = {"sphere": 2, "rotations": 3, "frames": 5}[name]
    assert basis.shape[1] == 2 * dim
    image = torch.func.jacrev(lambda y: step(y[None])[0])(x) @ basis
    before, after = basis.T @ form(n) @ basis, image.T @ form(n) @ image
    torch.testing.assert_close(after, factor * before, rtol=0, atol=1e-10)
    end = torch.cat([w.detach().flatten(), torch.zeros(n, dtype=DOUBLE)])[None]
    for _ in range(20):
        optimizer.zero_grad()
        loss(w).backward()
        optimizer.step()
        end = step(end).detach()
    p = -optimizer.state[w]["momentum_buffer"]
    torch.testing.assert_close(end[0], torch.cat([w.detach().flatten(), p.flatten()]))
    assert float(bundle.defect(bundle.join(w.detach(), p))) < 1e-14


def test_a_claim_about_the_cotangent_bundle():
    manifold, loss = MANIFOLDS["sphere"]
    w = torch.nn.Parameter(manifold.random_point(dtype=DOUBLE))
    step = HeavyBall([{"params": [w], "manifold": manifold}], 0.05).step_map(loss)
    x = CotangentBundle(manifold).nearest(torch.randn(4, 6, dtype=DOUBLE))
    certificate = dx.certify(step, x, effort="quick")
    assert certificate.verdict == "holds", certificate
