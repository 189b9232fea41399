"""Metrics of small models as matrices, by Jacobians and by expectations over labels."""

import torch
from torch import nn
from torch.autograd.functional import jacobian as derivative
from torch.func import functional_call


def entries(parameters):
    return torch.cat([p.detach().flatten() for p in parameters])


def jacobian(model, x):
    """Return ∂z/∂θ at the present parameters, (outputs, n), and z."""
    parameters = dict(model.named_parameters())
    sizes = [p.numel() for p in parameters.values()]

    def outputs(v):
        pairs = zip(parameters.items(), v.split(sizes), strict=True)
        named = {name: part.reshape(p.shape) for (name, p), part in pairs}
        return functional_call(model, named, (x,)).flatten()

    v = entries(parameters.values())
    return derivative(outputs, v), outputs(v)


def of_labels(model, x):
    """Return Σ_n Σ_y p(y|x_n) ∇log p ∇log pᵀ / N for a classifier."""
    slope, z = jacobian(model, x)
    z = z.reshape(len(x), -1)
    slope = slope.reshape(*z.shape, -1)
    total = 0
    for n, row in enumerate(z):
        p = row.softmax(0)
        for label in range(len(row)):
            score = slope[n].T @ (nn.functional.one_hot(torch.tensor(label), len(row)) - p)
            total = total + p[label] * torch.outer(score, score)
    return total / len(x)


def of_squares(model, x):
    """Return 2 JᵀJ / (number of outputs), for a mean of squares."""
    slope, z = jacobian(model, x)
    return 2 * slope.T @ slope / len(z)


def of_bits(model, x):
    """Return JᵀHJ for a mean of binary cross-entropies."""
    slope, z = jacobian(model, x)
    p = z.sigmoid()
    return slope.T @ ((p * (1 - p) / len(z)).unsqueeze(1) * slope)


FISHER = {
    "cross-entropy": (nn.CrossEntropyLoss, of_labels),
    "squares": (nn.MSELoss, of_squares),
    "bits": (nn.BCEWithLogitsLoss, of_bits),
}


def part(matrix, model, parameters):
    """Return the rows and columns of some parameters."""
    every = list(model.parameters())
    ends = torch.tensor([0, *(p.numel() for p in every)]).cumsum(0).tolist()
    places = {id(p): range(a, b) for p, a, b in zip(every, ends, ends[1:], strict=False)}
    index = torch.tensor([i for p in parameters for i in places[id(p)]])
    return matrix[index][:, index]


def as_matrix(block):
    """Return the block of an optimiser, formed by its products."""
    n = sum(p.numel() for p in block.parameters)
    eye = torch.eye(n, dtype=block.parameters[0].dtype)
    return torch.stack([block.product(e) for e in eye], dim=1)
