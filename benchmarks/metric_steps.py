"""Write the memory of steps of K-FAC in bytes: python metric_steps.py WHO NETWORK.

Beyond what the process had with its parameters, after three measurements and steps.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable

import torch
from peak_memory import resident
from torch import Tensor, nn

import darboux as dx

DAMPING, BATCH = 1e-2, 128


def dense() -> tuple[nn.Module, Tensor]:
    """Return a network of two wide layers, with inputs."""
    network = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
    return network.append(nn.Linear(256, 10)), torch.randn(BATCH, 784)


def convolutional() -> tuple[nn.Module, Tensor]:
    """Return a network of two convolutions, with inputs."""
    layers = (nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 5, stride=2), nn.ReLU())
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256, 10))
    return network, torch.randn(BATCH, 1, 28, 28)


NETWORKS = {"dense": dense, "convolutional": convolutional}


def ours(network: nn.Module, x: Tensor) -> Callable[[], list[Tensor]]:
    """Return a measurement and the solution for the gradients that parameters have."""
    options = {"damping": DAMPING, "momentum": 0.0, "radius": float("inf"), "decay": 0.0}
    kfac = dx.optim.KFAC(network, nn.CrossEntropyLoss(), lr=1e-9, **options)

    def run() -> list[Tensor]:
        kfac.measure(x)
        before = [p.detach().clone() for p in network.parameters()]
        kfac.step()
        return [b - p.detach() for p, b in zip(network.parameters(), before, strict=True)]

    return run


def theirs(network: nn.Module, x: Tensor) -> Callable[[], list[Tensor]]:
    """Return the same by the operators of curvlinops, with its exactly damped inverse."""
    import curvlinops

    parameters, y = list(network.parameters()), torch.randint(10, (len(x),))

    def run() -> list[Tensor]:
        operator = curvlinops.KFACLinearOperator(
            *(network, nn.CrossEntropyLoss(), parameters, [(x, y)]),
            fisher_type="type-2",
            separate_weight_and_bias=False,
            check_deterministic=False,
        )
        inverse = curvlinops.KFACInverseLinearOperator(
            operator, damping=DAMPING, use_exact_damping=True
        )
        return inverse @ [p.grad for p in parameters]

    return run


CALLS = {"darboux": ours, "curvlinops": theirs}


def prepared(name: str) -> tuple[nn.Module, Tensor]:
    """Return a network with gradients, and its inputs."""
    torch.manual_seed(0)
    network, x = NETWORKS[name]()
    nn.functional.cross_entropy(network(x), torch.randint(10, (len(x),))).backward()
    return network, x


def main(who: str, name: str) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    tiny = nn.Linear(2, 10)
    tiny(torch.ones(3, 2)).sum().backward()
    CALLS[who](tiny, torch.ones(3, 2))()  # loads the kernels
    network, x = prepared(name)
    before = resident("VmRSS")
    run = CALLS[who](network, x)
    for _ in range(3):
        run()
    sys.stdout.write(f"{resident('VmHWM') - before}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
