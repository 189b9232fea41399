"""Stiff problems against SciPy's Radau; structure-preserving steps against loops by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from interleaved import medians
from scipy.integrate import solve_ivp

import darboux as dx
from darboux.integrators import gauss_tableau

DOUBLE = torch.float64
EPS = torch.finfo(DOUBLE).eps
H = 0.1


def van_der_pol(t, z):
    x, v = z.unbind(-1)
    return torch.stack([v, 1000 * (1 - x * x) * v - x], dim=-1)


def robertson(t, z):
    a, b, c = z.unbind(-1)
    slow, fast = -0.04 * a + 1e4 * b * c, 3e7 * b * b
    return torch.stack([slow, -slow - fast, fast], dim=-1)


def van_der_pol_in_numpy(t, y):
    return np.array([y[1], 1000 * (1 - y[0] * y[0]) * y[1] - y[0]])


def robertson_in_numpy(t, y):
    slow, fast = -0.04 * y[0] + 1e4 * y[1] * y[2], 3e7 * y[1] * y[1]
    return np.array([slow, -slow - fast, fast])


STIFF = {
    "van der Pol": (van_der_pol, van_der_pol_in_numpy, [2.0, 0.0], 2000.0),
    "Robertson": (robertson, robertson_in_numpy, [1.0, 0.0, 0.0], 1e5),
}


def of_scipy(f, y0, end, rtol, atol):
    return solve_ivp(f, (0.0, end), y0, method="Radau", rtol=rtol, atol=atol).y[:, -1]


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6])
@pytest.mark.parametrize("name", STIFF)
def test_stiff_system(benchmark, goals, name, tolerance):
    f, in_numpy, start, end = STIFF[name]
    y0, tolerances = torch.tensor(start, dtype=DOUBLE), (tolerance, 1e-2 * tolerance)

    def ours():
        with torch.no_grad():
            y = dx.odeint(f, y0, [0.0, end], method="radau", rtol=tolerances[0], atol=tolerances[1])
        return y[-1].numpy()

    runs = {"darboux": ours, "scipy": lambda: of_scipy(in_numpy, start, end, *tolerances)}
    exact = of_scipy(in_numpy, start, end, 1e-10, 1e-14)
    errors = {key: np.abs(run() / exact - 1).max() / tolerance for key, run in runs.items()}
    times = medians(runs, rounds=5)
    benchmark.extra_info.update(times | {f"error of {key}": x for key, x in errors.items()})
    benchmark.pedantic(ours, rounds=1)
    what = f"radau, {name} at {tolerance:g}, darboux / scipy"
    goals(
        (f"{what}, time", times["darboux"] / times["scipy"], "<=", 5.0, *times.values()),
        (f"{what}, error", errors["darboux"] / max(errors["scipy"], 1.0), "<=", 3.0),
    )


def test_a_hundred_stiff_samples(benchmark, goals):
    starts = torch.linspace(1.5, 2.5, 100, dtype=DOUBLE)
    y0 = torch.stack([starts, torch.zeros(100, dtype=DOUBLE)], dim=1)

    def ours():
        with torch.no_grad():
            y = dx.odeint(
                van_der_pol, y0, [0.0, 1000.0], method="radau", rtol=1e-4, per_sample=True
            )
        return y[-1].numpy()

    def scipy(rows=(0, 33, 66, 99)):
        return [of_scipy(van_der_pol_in_numpy, y0[k].numpy(), 1000.0, 1e-4, 1e-8) for k in rows]

    np.testing.assert_allclose(ours()[[0, 33, 66, 99]], scipy(), rtol=1e-2)
    times = medians({"darboux": ours, "scipy": scipy}, rounds=3)
    benchmark.extra_info.update(times)
    benchmark.pedantic(ours, rounds=1)
    each, theirs = times["darboux"] / 100, times["scipy"] / 4
    what = "radau, 100 samples of van der Pol, a sample, darboux / scipy"
    goals((what, each / theirs, "<=", 1.0, each, theirs))


def fields():
    """Return z and fields: tanh of a map, a port-Hamiltonian one, and a learned energy."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        z = torch.randn(16, 4, dtype=DOUBLE)
        residual = dx.fields.ResidualField(dx.linear.Dense(4, 4), dx.activations.Tanh()).double()
        energy = dx.fields.QuadraticEnergy(dx.linear.Dense(4, 4))
        port = dx.fields.PortHamiltonianField(energy, dx.linear.Dense(4, 4)).double()
        layers = [torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)]
        network = torch.nn.Sequential(*layers).double()
    learned = dx.fields.LearnedHamiltonianField(dx.fields.NetworkEnergy(network))
    return z, residual, port, learned, network


def iterated(g, x, size, tolerance):
    """Return x = g(x) by plain iteration, as one writes it: each sample to a tolerance."""
    rounding, before = 8 * x[0].numel() * EPS, torch.full_like(size, torch.inf)
    for _ in range(50):
        y = g(x)
        error = (y - x).flatten(1).norm(dim=1)
        solved = (error <= tolerance * size) | ((error <= rounding * size) & (error >= before))
        x, before = y, error
        if bool(solved.all()):
            return x
    raise RuntimeError


def gauss_by_hand(field, z):
    tableau = gauss_tableau(2)
    a = torch.tensor([[float(x) for x in row] for row in tableau.a], dtype=DOUBLE)
    b = torch.tensor([float(x) for x in tableau.b], dtype=DOUBLE)

    def slopes(increments):
        states = (z.unsqueeze(1) + increments).flatten(0, 1)
        return field(0.0, states).reshape(increments.shape)

    start = z.new_zeros(len(z), 2, z.shape[1])
    found = iterated(lambda x: H * (a @ slopes(x)), start, z.norm(dim=1), 8 * EPS)
    return z + (torch.linalg.solve(a.T, b).reshape(2, 1) * found).sum(dim=1)


def discrete_gradient_by_hand(field, z, mean):
    def rate(z, gradient):
        return field.steer(0.0, z, gradient)

    before = field.energy(0.0, z)

    def after(end):
        step = end - z
        gradient = mean(z, step)
        missing = field.energy(0.0, end) - before - (gradient * step).sum(dim=1)
        gradient = gradient + (missing / step.square().sum(dim=1)).unsqueeze(1) * step
        return z + H * rate(z + 0.5 * step, gradient)

    middle = z + 0.5 * H * rate(z, field.gradient(0.0, z))
    guess = z + H * rate(middle, field.gradient(0.0, middle))
    return iterated(after, guess, z.norm(dim=1), EPS)


def gonzalez_by_hand(field, z):
    def mean(z, step):
        return field.gradient(0.0, z + 0.5 * step)

    return discrete_gradient_by_hand(field, z, mean)


def mean_value_by_hand(field, z):
    nodes, weights = np.polynomial.legendre.leggauss(4)

    def mean(z, step):
        points = torch.cat([z + (0.5 + 0.5 * x) * step for x in nodes])
        slopes = field.gradient(0.0, points).chunk(4)
        return sum(0.5 * w * slope for w, slope in zip(weights, slopes, strict=True))

    return discrete_gradient_by_hand(field, z, mean)


def verlet_by_hand(network, x):
    z, p = x.chunk(2, dim=1)

    def slopes(z, p):
        with torch.enable_grad():
            z, p = z.detach().requires_grad_(), p.detach().requires_grad_()
            energy = network(torch.cat([z, p], dim=1)).sum()
            return torch.autograd.grad(energy, (z, p))

    size = p.norm(dim=1)
    p = iterated(
        lambda q: p - 0.5 * H * slopes(z, q)[0], p - 0.5 * H * slopes(z, p)[0], size, 8 * EPS
    )
    drift, size = z + 0.5 * H * slopes(z, p)[1], z.norm(dim=1)
    z = iterated(lambda y: drift + 0.5 * H * slopes(y, p)[1], drift, size, 8 * EPS)
    return torch.cat([z, p - 0.5 * H * slopes(z, p)[0]], dim=1)


def _cases():
    z, residual, port, learned, network = fields()
    methods = dx.integrators
    return {
        "Gauss(2)": (methods.Gauss(2), residual, z, lambda: gauss_by_hand(residual, z)),
        "Gonzalez": (methods.GonzalezGradient(), port, z, lambda: gonzalez_by_hand(port, z)),
        "mean value": (methods.MeanValueGradient(), port, z, lambda: mean_value_by_hand(port, z)),
        "Störmer-Verlet, learned H": (
            methods.StormerVerlet(),
            learned,
            z,
            lambda: verlet_by_hand(network, z),
        ),
    }


@pytest.mark.parametrize(
    "name", ["Gauss(2)", "Gonzalez", "mean value", "Störmer-Verlet, learned H"]
)
def test_step_by_hand(benchmark, goals, name):
    method, field, z, by_hand = _cases()[name]
    with torch.no_grad():
        steps = {"darboux": lambda: method.step(field, 0.0, H, z), "by hand": by_hand}
        torch.testing.assert_close(steps["darboux"](), by_hand(), rtol=1e-13, atol=1e-13)
        times = medians(steps, rounds=101)
        benchmark.extra_info.update(times)
        benchmark.pedantic(steps["darboux"], rounds=3)
    ratio = times["darboux"] / times["by hand"]
    goals((f"{name} step / by hand", ratio, "<=", 1.5, *times.values()))


def test_hamiltonian_field(benchmark, goals):
    """An evaluation of a learned Hamiltonian field, against its gradient by hand."""
    z, *_, learned, network = fields()

    def by_hand():
        with torch.enable_grad():
            x = z.detach().requires_grad_()
            q, p = torch.autograd.grad(network(x).sum(), x)[0].chunk(2, dim=1)
        return torch.cat([p, -q], dim=1)

    with torch.no_grad():
        runs = {"darboux": lambda: learned(0.0, z), "by hand": by_hand}
        torch.testing.assert_close(runs["darboux"](), by_hand())
        times = medians(runs, rounds=101)
        benchmark.pedantic(runs["darboux"], rounds=3)
    benchmark.extra_info.update(times)
    ratio = times["darboux"] / times["by hand"]
    goals(("learned Hamiltonian field / by hand", ratio, "<=", 2.0, *times.values()))


def test_fixed_radau_steps(benchmark):
    """100 steps of RadauIIA(3) on the stiff van der Pol equation, which SciPy has no like of."""
    y0 = torch.tensor([2.0, 0.0], dtype=DOUBLE)
    method = dx.integrators.RadauIIA(3)

    def run():
        with torch.no_grad():
            return dx.odeint(van_der_pol, y0, [0.0, 500.0], method=method, step_size=5.0)

    benchmark.pedantic(run, rounds=5)


def kinetic(p):
    return 0.5 * p.square().sum(1)


def potential(q):
    return -q.cos().sum(1)


def slope(energy, x):
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad(energy(x).sum(), x)[0]


def pendulum_by_hand(z, steps):
    """Return the pendulum after Störmer-Verlet steps, forces by automatic differentiation."""
    q, p = z.chunk(2, 1)
    for _ in range(steps):
        p = p - H / 2 * slope(potential, q)
        q = q + H * slope(kinetic, p)
        p = p - H / 2 * slope(potential, q)
    return torch.cat([q, p], 1)


def pendulum_with_forces_kept(z, steps):
    """Return the same, where the last force of a step is the first one of the next."""
    q, p = z.chunk(2, 1)
    force = slope(potential, q)
    for _ in range(steps):
        p = p - H / 2 * force
        q = q + H * slope(kinetic, p)
        force = slope(potential, q)
        p = p - H / 2 * force
    return torch.cat([q, p], 1)


@pytest.mark.parametrize("name", ["separable", "learned"])
def test_pendulum(benchmark, goals, name):
    fields = {
        "separable": dx.fields.SeparableHamiltonianField(
            kinetic=lambda t, p: kinetic(p), potential=lambda t, q: potential(q)
        ),
        "learned": dx.fields.LearnedHamiltonianField(lambda t, q, p: kinetic(p) + potential(q)),
    }
    flow = dx.Flow(fields[name], dx.integrators.StormerVerlet(), steps=50, horizon=50 * H)
    z = torch.randn(64, 2)
    runs = {
        "flow": lambda: flow(z),
        "by hand": lambda: pendulum_by_hand(z, 50),
        "forces kept": lambda: pendulum_with_forces_kept(z, 50),
    }
    with torch.no_grad():
        for by_hand in ("by hand", "forces kept"):
            torch.testing.assert_close(runs["flow"](), runs[by_hand](), rtol=1e-4, atol=1e-4)
        times = medians(runs, rounds=11)
        benchmark.pedantic(runs["flow"], rounds=3)
    benchmark.extra_info.update(times)
    row = f"pendulum, {name} H / by hand", times["flow"] / times["by hand"]
    goals((*row, "<=", 2.0, *(times[key] for key in runs)))
