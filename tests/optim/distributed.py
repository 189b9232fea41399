"""A script of one process of several: trains on its share of a batch, and writes the weights."""

import os
import sys

import torch
from torch import nn

import darboux as dx

BUILDS = {
    "manifold": lambda groups: dx.optim.RiemannianAdam(groups, lr=0.05, shared_storage=True),
    "heavy ball": lambda groups: dx.optim.HeavyBall(groups, lr=0.05),
    "relativistic": lambda groups: dx.optim.RelativisticGradientDescent(
        [{"params": group["params"]} for group in groups], lr=0.05
    ),
}

METRICS = {
    "K-FAC": lambda model: dx.optim.KFAC(model, nn.MSELoss(), strict=True),
    "Gauss-Newton": lambda model: dx.optim.NaturalGradient(model, nn.MSELoss(), lr=0.1, tol=1e-6),
    "Fisher": lambda model: dx.optim.NaturalGradient(model, nn.MSELoss(), lr=0.1, metric="fisher"),
}


def trained(rank, count, build):
    """Return the weights after some steps with gradients that all processes share."""
    torch.manual_seed(0)
    manifold = dx.manifolds.Stiefel(8, 3)
    network = nn.Linear(3, 2)
    network.frame = nn.Parameter(manifold.random_point().contiguous())
    network.other = nn.Parameter(manifold.random_point().contiguous())
    network.forward = lambda x: nn.functional.linear(
        x @ network.frame + x @ network.other, network.weight, network.bias
    )
    model = nn.parallel.DistributedDataParallel(network) if count > 1 else network
    groups = [
        {"params": [network.frame, network.other], "manifold": manifold},
        {"params": [network.weight, network.bias]},
    ]
    optimizer = METRICS[build](model) if build in METRICS else BUILDS[build](groups)
    x = torch.randn(12, 8)
    for _ in range(10):
        optimizer.zero_grad()
        model(x[rank::count]).square().mean().backward()
        if build in METRICS:
            optimizer.measure(x[rank::count])
        optimizer.step()
    return {name: p.detach().clone() for name, p in network.named_parameters()}


if __name__ == "__main__":
    torch.distributed.init_process_group("gloo")
    rank = int(os.environ["RANK"])
    count = int(os.environ["WORLD_SIZE"])
    weights = {build: trained(rank, count, build) for build in (*BUILDS, *METRICS)}
    torch.save(weights, f"{sys.argv[1]}/{rank}.pt")
    torch.distributed.barrier()
