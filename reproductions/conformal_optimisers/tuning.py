"""Settings that reach the goal in the fewest steps, out of equally many for every method."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.func import vmap

import darboux as dx
from reproductions.conformal_optimisers.descents import (
    ADAM,
    BALL,
    GD,
    NESTEROV,
    RELATIVISTIC,
    Build,
)
from reproductions.conformal_optimisers.functions import Function

Settings = dict[str, Tensor]  # (trials,) each: lr, momentum, delta, alpha

# All but Adam are relativistic descents of order 2 with some settings fixed.
_FIXED = {
    GD: {"momentum": 0.0, "delta": 0.0, "alpha": 1.0},
    BALL: {"delta": 0.0, "alpha": 1.0},
    NESTEROV: {"delta": 0.0, "alpha": 0.0},
    RELATIVISTIC: {},
    ADAM: {"delta": 0.0, "alpha": 1.0},
}


def built(method: str, settings: dict[str, float]) -> Build:
    """Return the optimiser of a method."""
    lr, momentum = settings["lr"], settings["momentum"]
    builds: dict[str, Build] = {
        GD: lambda p: torch.optim.SGD(p, lr),
        BALL: lambda p: dx.optim.HeavyBall(p, lr * (1 + momentum), momentum),
        NESTEROV: lambda p: dx.optim.Nesterov(p, lr, momentum),
        RELATIVISTIC: lambda p: dx.optim.RelativisticGradientDescent(
            p, lr, momentum, settings["delta"], settings["alpha"]
        ),
        ADAM: lambda p: torch.optim.Adam(p, lr, betas=(momentum, 0.999)),
    }
    return builds[method]


def tune(
    function: Function,
    method: str,
    others: list[dict[str, float]],
    *,
    trials: int,
    generator: torch.Generator,
) -> dict[str, float]:
    """Return the best of four rounds of trials, all but the first near the best so far.

    `others` are settings to begin with, beside random ones.
    """
    best, least = _random(1, generator), math.inf
    for spread in (None, 0.5, 0.25, 0.1):
        if spread is None:
            found = _random(trials, generator)
            for i, other in enumerate(others):
                for name, value in other.items():
                    found[name][i] = value
        else:
            found = _near(best, spread, trials, generator)
        found |= {name: torch.full_like(found[name], x) for name, x in _FIXED[method].items()}
        scores = race(function, method, found)
        k = int(scores.argmin())
        if float(scores[k]) < least:
            least, best = float(scores[k]), {name: x[k : k + 1] for name, x in found.items()}
    return {name: float(x) for name, x in best.items()}


def race(function: Function, method: str, settings: Settings) -> Tensor:
    """Return the steps after which each trial stays below the goal; beyond all steps, how far."""
    count = len(settings["lr"])
    x = [start.expand(count, *start.shape).clone() for start in function.start]
    p, q = [torch.zeros_like(y) for y in x], [torch.zeros_like(y) for y in x]
    reached = torch.zeros(count, dtype=torch.float64)
    for step in range(function.steps + 1):
        values = vmap(lambda *point: function.value(point))(*x)
        reached[~(values <= function.goal)] = step + 1
        if not bool(values.isfinite().any()):
            break
        for k in range(len(x)):
            g = vmap(lambda *point, k=k: function.slope(point, k))(*x)
            if method == ADAM:
                x[k], p[k], q[k] = _adam(x[k], p[k], q[k], g, step + 1, settings)
            else:
                x[k], p[k] = _relativistic(x[k], p[k], g, settings)
    far = (values / function.goal).nan_to_num(1e300, 1e300).clamp(1, 1e300).log10()
    return torch.where(reached <= function.steps, reached, function.steps * (1 + far))


def _relativistic(x: Tensor, p: Tensor, g: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """Return position and momentum after one step of order 2."""
    ones = (1,) * (x.ndim - 1)
    h, friction, delta, kept = (
        settings[name].reshape(-1, *ones) for name in ("lr", "momentum", "delta", "alpha")
    )

    def drift(p: Tensor) -> Tensor:
        square = (h * p).square().flatten(1).sum(dim=1).reshape(-1, *ones)
        return h * p / (1 + delta * square).sqrt()

    new = friction * p - g
    return x + drift(new) + drift(friction * new) - (1 - kept) * drift(friction * p), new


def _adam(
    x: Tensor, p: Tensor, q: Tensor, g: Tensor, step: int, settings: Settings
) -> tuple[Tensor, Tensor, Tensor]:
    ones = (1,) * (x.ndim - 1)
    h, first = settings["lr"].reshape(-1, *ones), settings["momentum"].reshape(-1, *ones)
    p, q = first * p + (1 - first) * g, 0.999 * q + 0.001 * g.square()
    size = (q / (1 - 0.999**step)).sqrt() + 1e-8
    return x - h * p / (1 - first**step) / size, p, q


def _random(count: int, generator: torch.Generator) -> Settings:
    """Return learning rates from 1e-5 to 3, 1 - momentum from 0.01 to 0.5, δ from 1e-5 to 10."""
    u = torch.rand(4, count, generator=generator, dtype=torch.float64)
    lr, momentum = 10 ** (-5 + 5.5 * u[0]), 1 - 10 ** (-2 + 1.7 * u[1])
    return {"lr": lr, "momentum": momentum, "delta": 10 ** (-5 + 6 * u[2]), "alpha": u[3]}


def _near(best: Settings, spread: float, count: int, generator: torch.Generator) -> Settings:
    """Return settings near some, themselves among them."""
    a, b, c, d = spread * torch.randn(4, count, generator=generator, dtype=torch.float64)
    a[0] = b[0] = c[0] = d[0] = 0
    return {
        "lr": best["lr"] * a.exp(),
        "momentum": 1 - ((1 - best["momentum"]) * b.exp()).clamp(max=1),
        "delta": best["delta"] * (3 * c).exp(),
        "alpha": (best["alpha"] + d).clamp(0, 1),
    }
