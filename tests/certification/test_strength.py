"""The attacks must be strong: where the true constant is known, they reach 0.95 of it."""

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import nn

from darboux.activations import GroupSort
from darboux.certification import certify
from darboux.certification._attacks.jacobian_power import jacobian_power
from darboux.certification._attacks.pairs import pair_ascent, random_pairs
from darboux.certification._problem import Problem
from darboux.certification._target import Effort, Target
from darboux.structure import Invertible, Lipschitz


def reached(module, example, effort="normal"):
    """Return the constant that the attacks reach on the whole map in float64."""
    row = certify(module, example, claims=[Lipschitz(0.0)], effort=effort).rows[0]
    assert row.dtype == "float64"
    return row.measured


def matrix(module, shape):
    """Return a linear module as an explicit matrix, column by column."""
    n = int(np.prod(shape))
    with torch.no_grad():
        zero = module.double()(torch.zeros(1, *shape, dtype=torch.float64))
        images = module(torch.eye(n, dtype=torch.float64).reshape(n, *shape))
    return (images - zero).reshape(n, -1).mT


def norm(module, shape):
    value = float(torch.linalg.matrix_norm(matrix(module, shape), 2))
    module.float()
    return value


@pytest.mark.parametrize("effort", ["quick", "normal"])
@pytest.mark.parametrize("sizes", [(10, 10), (3, 40), (300, 200)], ids=str)
def test_dense(sizes, effort):
    module = nn.Linear(*sizes)
    true = norm(module, sizes[:1])
    assert 0.99 * true < reached(module, torch.randn(2, sizes[0]), effort) < true * (1 + 1e-5)


SLOW_NORMAL = ["quick", pytest.param("normal", marks=pytest.mark.slow)]


@pytest.mark.parametrize("effort", SLOW_NORMAL)
@pytest.mark.parametrize("mode", ["zeros", "circular", "reflect"])
@pytest.mark.parametrize(("kernel", "size"), [(3, 14), (5, 11)], ids=["3 on 14", "5 on 11"])
def test_convolution_on_its_image(mode, kernel, size, effort):
    module = nn.Conv2d(3, 5, kernel, padding=kernel // 2, padding_mode=mode)
    true = norm(module, (3, size, size))
    value = reached(module, torch.randn(2, 3, size, size), effort)
    assert 0.95 * true < value < true * (1 + 1e-5)


@pytest.mark.parametrize("depth", [1, 6])
def test_orthogonal_chain(depth):
    """GroupSort permutes, so a chain of orthogonal maps and GroupSorts has constant 1."""
    orthogonal = nn.utils.parametrizations.orthogonal
    layers = [orthogonal(nn.Linear(16, 16)) for _ in range(depth)]
    chain = nn.Sequential(*(part for layer in layers for part in (layer, GroupSort())))
    assert 0.95 < reached(chain, torch.randn(2, 16)) < 1 + 1e-4


def largest_pattern(net):
    """Return the Lipschitz constant of linear-ReLU-linear by enumerating activation patterns.

    A pattern counts if some x has it with a margin, which a linear program decides.
    """
    first, last = net[0], net[2]
    w, b = first.weight.detach().double().numpy(), first.bias.detach().double().numpy()
    v = last.weight.detach().double().numpy()
    hidden, n = w.shape
    best = 0.0
    for pattern in itertools.product((0, 1), repeat=hidden):
        value = np.linalg.norm(v @ np.diag(pattern) @ w, 2)
        if value <= best:
            continue
        signs = 2.0 * np.array(pattern) - 1
        found = linprog(
            np.r_[np.zeros(n), -1.0],
            A_ub=np.c_[-(signs[:, None] * w), np.ones(hidden)],
            b_ub=signs * b,
            bounds=[(None, None)] * n + [(None, 1.0)],
        )
        if found.status == 0 and -found.fun > 1e-6:
            best = value
    return best


@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2))])
@pytest.mark.parametrize("inputs", [2, 4, 6])
def test_shallow_relu_network(inputs, seed):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(inputs, 8), nn.ReLU(), nn.Linear(8, 3))
    true = largest_pattern(net)
    assert 0.95 * true <= reached(net, torch.randn(2, inputs)) <= true * (1 + 1e-5)


@pytest.fixture
def smooth():
    """A map of one variable per entry whose slope is 3 near x = 2 only."""

    class Bump(nn.Module):
        def forward(self, x):
            return x + 2 * 0.3 * torch.tanh((x - 2) / 0.3)

    generator = torch.Generator().manual_seed(0)
    inputs = torch.zeros(1, 2, dtype=torch.float64)
    return Problem(Bump(), Target(Bump(), inputs, Effort.named("normal"), generator))


def test_each_attack_is_strong_by_itself(smooth):
    pairs = random_pairs(smooth)
    (ascended,) = pair_ascent(smooth, pairs.best(4))
    jacobians, _ = jacobian_power(smooth, pairs.best(1))
    assert pairs.safe.max() > 0.7 * 3
    assert ascended.safe.max() > 0.95 * 3
    assert jacobians.safe.max() > 0.95 * 3
    for found in (pairs, ascended, jacobians):
        assert found.safe.max() <= 3


def test_coarse_search_is_as_strong():
    """Large maps are searched in float32; what is found is measured in float64."""
    module = nn.Conv2d(16, 16, 3, padding=1, padding_mode="circular", bias=False)
    kernel = nn.functional.pad(module.weight.detach().double(), (0, 61, 0, 61))
    symbol = torch.fft.fft2(kernel).permute(2, 3, 0, 1)
    true = float(torch.linalg.matrix_norm(symbol, 2).max())
    value = reached(module, torch.randn(1, 16, 64, 64), "quick")
    assert 0.95 * true < value < true * (1 + 1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_an_affine_map_is_tried_at_all_points_where_its_inverse_is(seed):
    class Doubled(nn.Module):
        def forward(self, x):
            return 2 * x

        def inverse(self, y):
            return y / 2 + 1e-3 * y * (y.abs() > 3000)

    torch.manual_seed(seed)
    certificate = certify(Doubled(), torch.randn(3, 5), claims=[Invertible()])
    assert certificate.verdict == "refuted"
