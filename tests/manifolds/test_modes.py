"""Second derivatives are the same in every order of forward and reverse mode."""

from itertools import product

import pytest
import torch

from tests.catalogue.manifolds import CASES

NAMES = ("sphere-3", "spd-affine-3", "spd-bures-3", "so-3", "se-3", "sp-4", "grassmann-5-2")

MORE = ("spd-log-euclidean-4", "so-4", "u-3", "gl-3", "affine-2", "stiefel-5-2-canonical")


def along(f):
    """Return the derivative in forward mode."""
    return lambda t: torch.func.jvp(f, (t,), (torch.ones_like(t),))[1]


@pytest.mark.parametrize(
    "name", [*NAMES, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]
)
def test_second_derivatives(name):
    """Rules of torch and of one's own may lose terms where forward mode is differentiated."""
    manifold = CASES[name]()
    torch.manual_seed(0)
    x = manifold.random_point(dtype=torch.float64)
    v, u, k = manifold.random_tangent(x) / 5, manifold.random_tangent(x) / 5, torch.randn_like(x)
    maps = {
        "exp": lambda t: (manifold.exp(x, v + t * u) * k).real.sum(),
        "retract": lambda t: (manifold.retract(x, v + t * u) * k).real.sum(),
        "nearest": lambda t: (manifold.nearest(x + t * u) * k).real.sum(),
        "dist2": lambda t: manifold.dist2(x, manifold.retract(x, v / 3 + t * u / 2)),
    }
    t = torch.tensor(0.1, dtype=torch.float64)
    for what, f in maps.items():
        found = []
        for first, second in product((along, torch.func.grad), repeat=2):
            found.append(float(second(first(f))(t)))
        assert found == pytest.approx([found[-1]] * 4, rel=1e-8, abs=1e-8), what
