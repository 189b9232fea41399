"""Small chains for the tests of memory modes."""

import torch
from torch import nn

import darboux as dx
from darboux.bijections import AdditiveCoupling, AffineCoupling, Chain


def network(features, hidden, *extra, scale=1.0):
    """A sub-network Linear-Tanh-Linear with scaled weights."""
    net = nn.Sequential(nn.Linear(features, hidden), nn.Tanh(), *extra, nn.Linear(hidden, features))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(scale)
    return net


def additive(pairs, *, features=32, hidden=64, scale=1.0, seed=0, **options):
    """Pairs of additive couplings with alternating halves."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [
            AdditiveCoupling(network(features // 2, hidden, scale=scale), swap=k % 2 == 1)
            for k in range(2 * pairs)
        ]
    return Chain(layers, **options)


def mixed(*extra, context=None, seed=0, **options):
    """Affine and additive couplings, optionally with a context, on 6 features."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = []
        for k in range(4):
            given = 3 + (context or 0)
            first = nn.Sequential(nn.Linear(given, 8), nn.Tanh(), *extra, nn.Linear(8, 3))
            second = nn.Sequential(nn.Linear(given, 8), nn.Tanh(), *extra, nn.Linear(8, 6))
            layers.append(AdditiveCoupling(first, swap=k % 2 == 1, context_features=context))
            layers.append(AffineCoupling(second, swap=k % 2 == 0, context_features=context))
    return Chain(layers, **options)


def convolutional(depth, *, channels=4, dim=2, seed=0, norm=None, **options):
    """Additive couplings of convolutions with an optional normalisation."""
    conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[dim]
    half = channels // 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = []
        for k in range(depth):
            parts = [conv(half, 8, 3, padding=1), nn.ReLU(), conv(8, half, 3, padding=1)]
            if norm is not None:
                parts.insert(1, norm(8))
            layers.append(AdditiveCoupling(nn.Sequential(*parts), swap=k % 2 == 1))
    return Chain(layers, **options)


def hamiltonian(steps=4):
    """A flow of a Hamiltonian field with one field for each step."""
    fields = [
        dx.fields.HamiltonianField(
            dx.linear.Dense(3, 5), dx.linear.Dense(3, 5), dx.activations.Tanh()
        )
        for _ in range(steps)
    ]
    return dx.Flow(fields, dx.integrators.StormerVerlet())


def gradients(module, x, context=None, *, log_det=True):
    """Gradients of one loss with respect to the input, the context and all parameters."""
    x = x.detach().clone().requires_grad_()
    given = None if context is None else context.detach().clone().requires_grad_()
    loss = scalar(module, x, given, log_det=log_det)
    wanted = [x, *([] if given is None else [given]), *module.parameters()]
    return torch.autograd.grad(loss, wanted)


def scalar(module, x, context=None, *, log_det=True):
    """A loss that uses every output."""
    if not log_det:
        return (module(x, context) ** 2).sum()
    y, volume = module.forward_and_log_det(x, context)
    return (y**2).sum() + (volume * torch.linspace(1, 2, len(volume), dtype=x.dtype)).sum()


def relative(found, expected):
    """The relative difference of two lists of tensors."""
    one, other = (torch.cat([t.flatten().double() for t in ts]) for ts in (found, expected))
    return float((one - other).norm() / other.norm())
