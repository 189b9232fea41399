"""`odeint` by the name that it has with the gradient of the adjoint method, exact here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

from torch import Tensor

from darboux.flow._gradients import Gradient
from darboux.flow._odeint import odeint
from darboux.flow._odeint_gradients import Chosen
from darboux.gradients import Checkpoint
from darboux.integrators import Partitioned
from darboux.structure._arguments import checked


@checked
def odeint_adjoint(
    f: Callable[..., Any] | Partitioned,
    y0: Any,
    t: Any,
    *,
    gradient: Gradient = "adjoint",
    adjoint_params: Iterable[Tensor] | None = None,
    adjoint_rtol: object = None,
    adjoint_atol: object = None,
    adjoint_method: object = None,
    adjoint_options: object = None,
    **arguments: Any,
) -> Any:
    """Return what `odeint` does, keeping the states between steps and no activations.

    p_k = ∂z_{k+1}/∂z_kᵀ p_{k+1}, and ∂E/∂θ = Σ_k ∂z_{k+1}/∂θᵀ p_{k+1}, where each step is taken
    again. The gradient is that of the steps that were taken, to rounding; those of the
    continuous equations, solved backwards, are ``gradient="continuous"``.

    f may be any function: parameters are found in its closure, in the object that it is a method
    of, and in its global variables. A tensor with gradients that is found nowhere is refused in
    the backward pass.

    Shapes: as for `odeint`.

    Source: section 3.1.1, theorem 3.2; the arguments are those of torchdiffeq.

    Args:
        f: (t, y) -> ẏ, a function, a module or a vector field.
        y0: the state at the first time.
        t: the times.
        gradient: how derivatives go through the steps, as for `Flow`.
        adjoint_params: the tensors that gradients are to reach, beside y0 and t; all that f
            depends on if None.
        adjoint_rtol: None: no equation is solved backwards whose error it could bound.
        adjoint_atol: None, too.
        adjoint_method: None; the steps back are those of the way there.
        adjoint_options: None.
        **arguments: those of `odeint`.

    Raises:
        ValueError: if one of the last is given.
        TypeError: if gradients are to reach something else than tensors.

    Example:
        >>> import torch
        >>> w = torch.tensor(-1.0, requires_grad=True)
        >>> y = odeint_adjoint(lambda t, y: w * y, torch.ones(1), [0.0, 1.0])
        >>> y[-1].sum().backward()
        >>> w.grad  # ∂e^w/∂w = e^w
        tensor(0.3679)
    """
    given = {
        "adjoint_rtol": adjoint_rtol,
        "adjoint_atol": adjoint_atol,
        "adjoint_method": adjoint_method,
        "adjoint_options": adjoint_options,
    }
    for name, value in given.items():
        if value is not None:
            msg = (
                f"odeint_adjoint: expected no {name}; got {value!r}. The gradient is exact for the "
                "steps that were taken, and nothing is solved backwards: leave it out."
            )
            raise ValueError(msg)
    if adjoint_params is None:
        return odeint(f, y0, t, gradient=gradient, **arguments)
    chosen = tuple(adjoint_params)
    if not all(isinstance(tensor, Tensor) for tensor in chosen):
        found = next(x for x in chosen if not isinstance(x, Tensor))
        msg = (
            f"odeint_adjoint: expected tensors as adjoint_params; got {type(found).__name__}. Use "
            "tuple(f.parameters())."
        )
        raise TypeError(msg)
    way: Gradient | Checkpoint = "adjoint" if gradient == "autograd" else gradient
    return odeint(f, y0, t, gradient=cast("Gradient", Chosen(way, chosen)), **arguments)
