"""Fields for adaptive steps: linear, driven, and stiff at a rate of each sample's own."""

import torch

MATRIX = torch.tensor([[-0.5, 2.0, 0.3], [-2.0, -0.5, 0.0], [0.0, 0.7, -1.5]]).double()


def linear(t, z):
    return z @ MATRIX.T


def driven(t, z):
    return torch.tanh(z @ MATRIX.T) + torch.cos(3 * t) * z.flip(1)


def stiff(t, z):
    """Relaxation with the rate that the second entry says, which stays."""
    rate = z[:, 1:]
    return torch.cat([-rate * (z[:, :1] - torch.cos(t)), torch.zeros_like(rate)], dim=1)


def batch(size, *, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, 3, generator=generator, dtype=torch.float64)
