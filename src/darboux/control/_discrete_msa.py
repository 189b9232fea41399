"""Successive approximations with weights in {-1, 1} or {-1, 0, 1}, as an optimiser of torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, final

import torch
from torch import Tensor

from darboux.structure._arguments import NonNegative, Within, checked

_KINDS = ("binary", "ternary")


@final
class DiscreteMSA(torch.optim.Optimizer):
    """Train weights that are -1 or 1, or -1, 0 or 1, without real ones behind them.

    In a layer that is linear in its weights the Hamiltonian is M · θ plus a constant, with
    M = Σ p_{n+1} x_nᵀ = ∂_θ H, which is minus the gradient of the loss. So its maximum over a
    finite set is known. With an average M̄ over mini-batches the weights become

        θ' = argmax_v  M̄ v - λ |v| - r (v - θ)²,    r = ρ max |M̄|, over θ ≠ sign M̄,

    entry by entry, where ρ keeps most of them as they are: the more, the larger it is. Weights may
    begin anywhere; after the first step every one that has a gradient is in the set, exactly.

    Each step moves the average by the fraction `lr` = 1 - a of the way to the present M. Let it
    fall while training, by a scheduler of torch: weights stop to change as the average does.
    What is no weight of a linear map (biases, normalisation) is left to another optimiser. Such
    weights have no scale: put a normalisation behind each of the layers.

    Source: section 3.4.2; Li and Hao 2018, An optimal control approach to deep learning and
    applications to discrete-weight neural networks.

    Args:
        params: weights, or groups with options of their own.
        values: "binary" for -1 and 1, "ternary" for -1, 0 and 1.
        lr: by how much of the way the average moves, in (0, 1].
        rho: ρ; 0 makes every weight the sign of its M̄. With "binary" weights it is half of the ρ
            of the source.
        penalty: λ, of each ternary weight that is not 0, in units of the gradient. The average
            begins at 0, and while it is a fraction of one, so is λ.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if one is out of range.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> layers = [nn.Linear(8, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU()]
        >>> network = nn.Sequential(*layers, nn.Linear(32, 2, bias=False), nn.BatchNorm1d(2))
        >>> weights = [m.weight for m in network if isinstance(m, nn.Linear)]
        >>> others = [w for m in network if isinstance(m, nn.BatchNorm1d) for w in m.parameters()]
        >>> optimizers = [DiscreteMSA(weights, lr=0.1), torch.optim.Adam(others, lr=0.01)]
        >>> x = torch.randn(200, 8)
        >>> for _ in range(50):
        ...     loss = nn.functional.cross_entropy(network(x), (x[:, 0] > 0).long())
        ...     network.zero_grad()
        ...     loss.backward()
        ...     for optimizer in optimizers:
        ...         optimizer.step()
        >>> sorted(set(weights[0].flatten().tolist())), loss.item() < 0.5
        ([-1.0, 0.0, 1.0], True)
    """

    @checked
    def __init__(
        self,
        params: Iterable[Any],
        values: Literal["binary", "ternary"] = "ternary",
        *,
        lr: Annotated[float, Within("a number in (0, 1]", above=0, most=1)] = 1e-3,
        rho: NonNegative = 0.25,
        penalty: NonNegative = 1e-5,
    ) -> None:
        defaults = {"values": values, "lr": lr, "rho": rho, "penalty": penalty}
        super().__init__(params, defaults)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make one step, after a call of the closure if there is one.

        Raises:
            RuntimeError: if a gradient is sparse.
            ValueError: if a group has options that mean nothing.
            FloatingPointError: if a gradient is NaN or infinite; no weight has been changed.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            weights = [
                (p, group) for group in self.param_groups for p in group["params"] if _moves(p)
            ]
            for _, group in weights:
                _require_options(group)
            for p, group in weights:
                self._improve(p, group)
        return loss

    def _improve(self, p: Tensor, group: dict[str, Any]) -> None:
        """Average, and take the best values."""
        assert p.grad is not None
        state, lr = self.state[p], float(group["lr"])
        wide = torch.promote_types(p.dtype, torch.float32)  # 1e-3 of the way is less than an eps
        m = state.get("average", torch.zeros_like(p)).to(wide)
        state["average"] = m = m.lerp(-p.grad.to(wide), lr)
        # the average begins at 0: so far it is this fraction of one
        fraction = state.get("fraction", 0.0)
        state["fraction"] = fraction = fraction + lr * (1 - fraction)
        p.copy_(_best(p.to(wide), m, group, group["penalty"] * fraction))


def _best(old: Tensor, m: Tensor, group: dict[str, Any], penalty: float) -> Tensor:
    """Return the argmax of M̄ v - λ |v| - r (v - θ)²."""
    r = group["rho"] * (m.abs() * (old != m.sign())).amax()
    if group["values"] == "binary":
        score = m + 2 * r * old
        return torch.where(score == 0, torch.where(old < 0, -1.0, 1.0).to(m.dtype), score.sign())
    up = m > r * (1 - 2 * old) + penalty
    down = m < -r * (1 + 2 * old) - penalty
    return up.to(m.dtype) - down.to(m.dtype)


def _moves(p: Tensor) -> bool:
    """Return whether there is a gradient to follow, or refuse it."""
    if p.grad is None or p.numel() == 0:
        return False
    if p.grad.is_sparse:
        msg = "DiscreteMSA: expected dense gradients; got a sparse one. Use sparse=False."
        raise RuntimeError(msg)
    if not p.grad.is_meta and not bool(p.grad.isfinite().all()):
        msg = (
            f"DiscreteMSA: expected finite gradients; got NaN or infinity for a weight of shape "
            f"{tuple(p.shape)}. No weight was changed: look at the loss and the data of this step."
        )
        raise FloatingPointError(msg)
    return True


def _require_options(group: dict[str, Any]) -> None:
    """Refuse what a group or a scheduler may have made of the options."""
    known = group["values"] in _KINDS and 0 <= group["lr"] <= 1
    if not (known and 0 <= group["rho"] < math.inf and 0 <= group["penalty"] < math.inf):
        msg = (
            "DiscreteMSA: expected groups with values 'binary' or 'ternary' and lr in [0, 1], rho "
            f"and penalty 0 or more; got {group['values']!r}, {group['lr']}, {group['rho']} and "
            f"{group['penalty']}. lr is the weight of the new gradient in the average."
        )
        raise ValueError(msg)
