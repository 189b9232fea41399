"""A script of one process of several: trains on its share of a batch, and writes the weights."""

import os
import sys

import torch
from torch import nn

import darboux as dx


def trained(rank, count):
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
    optimizer = dx.optim.RiemannianAdam(groups, lr=0.05, shared_storage=True)
    x = torch.randn(12, 8)
    for _ in range(10):
        optimizer.zero_grad()
        model(x[rank::count]).square().mean().backward()
        optimizer.step()
    return {name: p.detach().clone() for name, p in network.named_parameters()}


if __name__ == "__main__":
    torch.distributed.init_process_group("gloo")
    rank = int(os.environ["RANK"])
    weights = trained(rank, int(os.environ["WORLD_SIZE"]))
    torch.save(weights, f"{sys.argv[1]}/{rank}.pt")
    torch.distributed.barrier()
