"""Residual flows against the same blocks in plain torch, whose norms power iteration estimates."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from interleaved import medians
from torch import Tensor, nn

import darboux as dx

BLOCKS, HIDDEN, ROUNDS, SLOWER, EXACT_TERMS = 8, 64, 15, 1.2, 2


class Twin(nn.Module):
    """One block y = x + f(x) with our effective weights, which its norms leave as they are."""

    def __init__(self, layer: dx.bijections.InvertibleResidual) -> None:
        super().__init__()
        maps = list(layer.network.maps)
        self.norm = maps[0].norm
        self.weights = nn.ParameterList(m.stencil().weight.detach().clone() for m in maps)
        self.biases = nn.ParameterList(bias.detach().clone() for bias in layer.network.biases)
        self.betas = nn.ParameterList(a.beta.detach().clone() for a in layer.network.activations)
        for k, weight in enumerate(self.weights):
            vectors = torch.linalg.svd(weight.detach())
            self.register_buffer(f"u{k}", vectors.U[:, 0].contiguous())
            self.register_buffer(f"v{k}", vectors.Vh[0].contiguous())

    def prepare(self):
        """Return f, its weights divided by what power iteration finds of their norms."""
        weights = [self._contracted(k, weight) for k, weight in enumerate(self.weights)]
        sharpness = [F.softplus(beta) for beta in self.betas]

        def f(z: Tensor) -> Tensor:
            for weight, bias, s in zip(weights, self.biases, sharpness, strict=False):
                z = F.linear(z, weight, bias)
                z = z * torch.sigmoid(s * z) / 1.1
            return F.linear(z, weights[-1], self.biases[-1])

        return f

    def _contracted(self, k: int, weight: Tensor) -> Tensor:
        u, v = getattr(self, f"u{k}"), getattr(self, f"v{k}")
        if self.training:
            with torch.no_grad():
                u.copy_(F.normalize(weight @ v, dim=0))
                v.copy_(F.normalize(u @ weight, dim=0))
        return weight * (self.norm / torch.dot(u.clone(), weight @ v.clone())).clamp(max=1.0)

    def inverse(self, y: Tensor) -> Tensor:
        """Return the fixed point of y - f(x), to the tolerance of ours."""
        f, tolerance = self.prepare(), 8 * torch.finfo(y.dtype).eps
        x = y
        for _ in range(200):
            new = y - f(x)
            gap, x = (new - x).norm(dim=1), new
            if bool((gap <= tolerance * x.norm(dim=1)).all()):
                return x
        raise RuntimeError

    def exact(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return y and log det(I + f'), from the whole Jacobian."""
        value, start = self._value(x)
        rows = [
            torch.autograd.grad(value, start, row.expand_as(value), create_graph=True)[0]
            for row in torch.eye(x.shape[1])
        ]
        jacobian = torch.eye(x.shape[1]) + torch.stack(rows, dim=1)
        return x + value, torch.linalg.slogdet(jacobian).logabsdet

    def roulette(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return y and an estimate of log det(I + f'), by Neumann's series in gradients."""
        value, start = self._value(x)
        more = int(torch.empty((), dtype=torch.float64).geometric_(0.5))
        v = torch.where(torch.randn_like(value) < 0, -1.0, 1.0)
        product = left = v
        total = torch.zeros(len(x))
        for k in range(1, EXACT_TERMS + more + 1):
            (product,) = torch.autograd.grad(value, start, product, retain_graph=True)
            weight = (-1) ** k * 2.0 ** max(0, k - EXACT_TERMS - 1)
            total = total - weight / k * (product * v).sum(1)
            if k < EXACT_TERMS + more:
                left = left + (-1) ** k * 2.0 ** max(0, k - EXACT_TERMS) * product
        (slope,) = torch.autograd.grad(value, start, left, create_graph=True)
        surrogate = (slope * v).sum(1)
        return x + value, surrogate + (total - surrogate).detach()

    def _value(self, x: Tensor) -> tuple[Tensor, Tensor]:
        start = x if x.requires_grad else x.detach().requires_grad_()
        return self.prepare()(start), start


def log_prob(twins: nn.ModuleList, x: Tensor, way: str) -> Tensor:
    total = torch.zeros(len(x))
    for twin in twins:
        x, part = getattr(twin, way)(x)
        total = total + part
    return total - 0.5 * x.square().sum(1) - 0.5 * x.shape[1] * math.log(2 * math.pi)


def both(features: int, log_det) -> tuple[nn.Module, nn.ModuleList]:
    torch.manual_seed(0)
    flow = dx.models.residual_flow(features, blocks=BLOCKS, hidden=(HIDDEN,) * 2, log_det=log_det)
    return flow, nn.ModuleList(Twin(layer) for layer in flow.bijection.layers)


@pytest.mark.parametrize("batch", [512, 1000])
def test_inverse(benchmark, goals, batch):
    flow, twins = both(16, "auto")
    flow, twins = flow.bijection.eval(), twins.eval()
    y = torch.randn(batch, 16)

    def plain() -> Tensor:
        x = y
        for twin in reversed(twins):
            x = twin.inverse(x)
        return x

    with torch.no_grad():
        torch.testing.assert_close(flow.inverse(y), plain(), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(flow(flow.inverse(y)), y, rtol=1e-5, atol=1e-5)
        times = medians({"flow": lambda: flow.inverse(y), "plain": plain}, rounds=ROUNDS)
        benchmark.extra_info.update(times)
        benchmark.pedantic(lambda: flow.inverse(y), rounds=3)
    ratio = times["flow"] / times["plain"]
    goals((f"inverse of a residual flow / plain torch, batch {batch}", ratio, "<=", SLOWER))


@pytest.mark.parametrize(
    ("way", "features", "log_det"),
    [
        ("exact", 16, dx.bijections.ExactLogDet()),
        ("roulette", 32, dx.bijections.RussianRoulette(exact_terms=EXACT_TERMS)),
    ],
)
def test_training_step(benchmark, goals, way, features, log_det):
    flow, twins = both(features, log_det)
    x = torch.randn(512, features)
    seed = iter(range(10**6))

    def step(module, density):
        def run():
            torch.manual_seed(next(seed) // 2)  # the same draws for both, in turns
            for parameter in module.parameters():
                parameter.grad = None
            loss = -density().mean()
            loss.backward()
            return loss.detach()

        return run

    ours = step(flow, lambda: flow().log_prob(x))
    plain = step(twins, lambda: log_prob(twins, x, way))
    torch.testing.assert_close(ours(), plain())
    layer, twin = flow.bijection.layers[0], twins[0]
    for one, other in zip(layer.network.biases, twin.biases, strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5)
    times = medians({"flow": ours, "plain": plain}, rounds=ROUNDS)
    benchmark.extra_info.update(times)
    benchmark.pedantic(ours, rounds=3)
    ratio = times["flow"] / times["plain"]
    goals((f"training of a residual flow / plain torch, {way}", ratio, "<=", SLOWER))
