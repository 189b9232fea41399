"""Write the memory of momentum steps, in parameters: python momentum.py OPTIMISER SIZE.

Beyond what the process had with its parameters and gradients, after three steps.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from peak_memory import resident
from torch import nn

import darboux as dx

SIZES = {"few": [(2_500_000,)] * 4, "many": [(10_000,)] * 1000}


def parameters_of(size: str) -> list[nn.Parameter]:
    """Return 10⁷ parameters with gradients, as few tensors or many."""
    torch.manual_seed(0)
    parameters = [nn.Parameter(torch.randn(shape)) for shape in SIZES[size]]
    for p in parameters:
        p.grad = torch.randn_like(p)
    return parameters


def optimisers() -> dict[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]]:
    """Return the optimisers, whose steps are so short that parameters stay as they are."""
    lr, relativistic = 1e-9, dx.optim.RelativisticGradientDescent
    return {
        "SGD": lambda p: torch.optim.SGD(p, lr, momentum=0.9, foreach=True),
        "heavy ball": lambda p: dx.optim.HeavyBall(p, lr),
        "Nesterov": lambda p: dx.optim.Nesterov(p, lr),
        "relativistic": lambda p: relativistic(p, lr),
        "relativistic, α < 1": lambda p: relativistic(p, lr, alpha=0.5),
    }


def main(name: str, size: str) -> None:
    torch.set_num_threads(1)
    warm = [nn.Parameter(torch.ones(10))]
    warm[0].grad = torch.ones(10)
    optimisers()[name](warm).step()  # loads the kernels
    parameters = parameters_of(size)
    optimizer = optimisers()[name](parameters)
    before = resident("VmRSS")
    for _ in range(3):
        optimizer.step()
    sys.stdout.write(f"{(resident('VmHWM') - before) / 4e7}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
