"""The maximum of the augmented Hamiltonian of a linear layer, which is quadratic in it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from darboux.control._sweep import Visited
from darboux.structure._rules import departure


def has_closed_form(at: Visited) -> bool:
    """Return whether the layer is y = W x + b, with all of W and b to choose and nothing else."""
    layer = at.layer
    return (
        type(layer) is nn.Linear
        and departure(layer, nn.Linear) == ""
        and {*at.slopes} == {name for name, _ in layer.named_parameters()} <= {"weight", "bias"}
    )


def best_linear(at: Visited, rho: float) -> dict[str, Tensor]:
    """Return by how much W and b change at the maximum, the smallest change if there are many.

    With D = W' - W, c = D x̄ + b' - b and the rows P and X of costates p_{n+1} and centred states
    x_n - x̄ it is ρ (D XᵀX + PᵀP D) = PᵀX and ρ N c = Σ p; without a bias x̄ = 0.
    """
    # rows of one sample or many; eigenvalues are known in single precision and above
    kind = torch.promote_types(at.before.dtype, torch.float32)
    p = at.costate.reshape(-1, at.costate.shape[-1]).to(kind)
    x = at.before.detach().reshape(-1, at.before.shape[-1]).to(kind)
    mean = x.mean(0) if "bias" in at.slopes else torch.zeros_like(x[:1]).sum(0)
    x = x - mean
    columns, v = torch.linalg.eigh(x.mT @ x)
    rows, u = torch.linalg.eigh(p.mT @ p)
    sums = rho * (rows[:, None] + columns)
    noise = max(sums.shape) * torch.finfo(x.dtype).eps * sums.amax()
    quotient = torch.where(sums > noise, (u.mT @ p.mT @ x @ v) / sums, 0)
    change = u @ quotient @ v.mT
    if "bias" not in at.slopes:
        return {"weight": change}
    return {"weight": change, "bias": p.mean(0) / rho - change @ mean}
