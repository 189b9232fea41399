"""Training by sweeps and by gradients, with the objective after each and the time so far."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import torch

from darboux.control import L2, MSA, ExtendedMSA
from reproductions.successive_approximations.sine import Data, Setting, loss, network

EXTENDED, BASIC, SGD, ADAM = "extended method", "basic method", "gradient descent", "Adam"


@dataclass
class Learned:
    """What happened in a training."""

    objectives: list[float] = field(default_factory=list)  # before each sweep or step
    residuals: list[float] = field(default_factory=list)  # summed over layers, of sweeps
    seconds: list[float] = field(default_factory=list)  # of processor time until then
    test: float = 0.0  # mean squared error


def by_sweeps(method: str, setting: Setting, data: Data, *, noise: float, seed: int) -> Learned:
    """Train by successive approximations."""
    flow, size = network(setting, noise=noise, seed=seed), setting.decay * L2()
    inner = setting.inner
    msa = (
        ExtendedMSA(flow, loss, rho=0.3, regularizer=size, iterations=inner)
        if method == EXTENDED
        else MSA(flow, loss, regularizer=size, iterations=inner)
    )
    found, begin = Learned(), time.process_time()
    for _ in range(setting.sweeps if method == EXTENDED else setting.basic):
        step = msa.step(data.x, data.y)
        found.objectives.append(step.objective)
        found.residuals.append(sum(step.residuals.values()))
        found.seconds.append(time.process_time() - begin)
    found.test = _error(flow, data)
    return found


def by_gradients(
    method: str, setting: Setting, data: Data, *, noise: float, seed: int, steps: int
) -> Learned:
    """Train by gradient descent or Adam."""
    flow, size = network(setting, noise=noise, seed=seed), setting.decay * L2()
    optimizer: torch.optim.Optimizer = (
        torch.optim.SGD(flow.parameters(), lr=0.1)
        if method == SGD
        else torch.optim.Adam(flow.parameters(), lr=5e-3)
    )
    found, begin = Learned(), time.process_time()
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss(flow(data.x), data.y) + size(flow)
        value.backward()
        optimizer.step()
        found.objectives.append(value.item())
        found.seconds.append(time.process_time() - begin)
    found.test = _error(flow, data)
    return found


@torch.no_grad()
def _error(flow: torch.nn.Module, data: Data) -> float:
    return float(loss(flow(data.test[0]), data.test[1]))
