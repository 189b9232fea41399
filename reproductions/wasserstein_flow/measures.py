"""Distances between measures of particles."""

from __future__ import annotations

import math

import torch
from scipy.optimize import linear_sum_assignment

from reproductions.wasserstein_flow.particles import Measure


def wasserstein(one: Measure, other: Measure) -> float:
    """Return W₂ of equal particles, where the number of the one divides that of the other.

    Each particle of the smaller measure stands for several of the larger one: the best plan is
    then an assignment.

    Example:
        >>> a = torch.zeros(1, 2, dtype=torch.float64)
        >>> point = Measure(a, torch.zeros(1).double(), torch.ones(1).double())
        >>> two = Measure(torch.cat([a, a + 1]), torch.zeros(2).double(), torch.ones(2) / 2)
        >>> wasserstein(point, two)  # half the mass goes √2 far
        1.0
    """
    few, many = sorted((one.points, other.points), key=len)
    copies = few.repeat_interleave(len(many) // len(few), dim=0)
    costs = torch.cdist(copies, many, compute_mode="donot_use_mm_for_euclid_dist").square()
    rows, columns = linear_sum_assignment(costs.numpy())
    return math.sqrt(float(costs[rows, columns].mean()))
