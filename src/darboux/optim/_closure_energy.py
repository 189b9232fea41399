"""The loss of a closure as a function of one row of all parameters, differentiable twice."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, distributed
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from darboux.fields._differentiate import slope
from darboux.optim._base import Closure
from darboux.solvers._convergence import ConvergenceError

_ROUNDING = 64


class ClosureEnergy:
    """E(z), (rows,), of rows z, (rows, n), each of which holds all parameters.

    A closure reads parameters; here every torch function that gets one of them is given the
    entries of z instead, and `backward` does nothing, so that the loss can be differentiated.
    """

    def __init__(
        self, owner: object, parameters: Sequence[Tensor], closure: Closure, *, max_eval: int
    ) -> None:
        self.owner, self.parameters, self.closure = type(owner).__name__, parameters, closure
        self.left = self.max_eval = max_eval
        kinds = {(p.dtype, p.device) for p in parameters}
        if len(kinds) != 1 or not parameters[0].is_floating_point():
            msg = (
                f"{self.owner}: expected real parameters that need gradients, all of one dtype "
                f"and device, which an equation for all of them takes; got "
                f"{sorted(map(str, kinds))}."
            )
            raise ValueError(msg)
        if distributed.is_available() and distributed.is_initialized():
            processes = distributed.get_world_size()
            if processes > 1:
                msg = (
                    f"{self.owner}: expected one process; got {processes}, each of which would "
                    "solve an equation of its own. Train in one, or with another optimiser."
                )
                raise RuntimeError(msg)

    def begin(self, *, sloped: bool) -> tuple[Tensor, float]:
        """Return the present parameters as a row, (1, n), and their loss.

        Raises:
            FloatingPointError: if the loss is not finite.
            RuntimeError: if it shall be `sloped` and has no derivative.
            RuntimeError: if it depends on parameters in another way than by torch's functions.
        """
        z = torch.cat([p.detach().reshape(1, -1) for p in self.parameters], dim=1)
        with torch.enable_grad():
            loss = self(z.clone().requires_grad_() if sloped else z)
        if sloped and not loss.requires_grad:
            msg = (
                f"{self.owner}: expected a loss with derivatives in the parameters; got one that "
                "has none. Leave out detach(), item() and torch.no_grad() in the closure."
            )
            raise RuntimeError(msg)
        if not math.isfinite(loss.item()):
            msg = f"{self.owner}: expected a finite loss; got {loss.item()}. Nothing was changed."
            raise FloatingPointError(msg)
        if _leaves(loss) & {id(p) for p in self.parameters}:
            msg = (
                f"{self.owner}: expected a loss that reaches parameters by torch's functions; got "
                "one that reads them elsewhere, as compiled modules and autograd.Function do. Use "
                "the module itself, without torch.compile, and functions of x * 1 instead of x."
            )
            raise RuntimeError(msg)
        return z, loss.item()

    def __call__(self, z: Tensor) -> Tensor:
        """Return the losses, (rows,)."""
        return torch.stack([self._one(row) for row in z])

    def gradient(self, z: Tensor) -> Tensor:
        """Return the gradients, of the shape of z.

        Raises:
            RuntimeError: if they are sparse.
        """
        try:
            return slope(self, z)
        except RuntimeError as error:
            if "sparse" not in str(error).lower():
                raise
            msg = f"{self.owner}: expected dense gradients; got sparse ones. Use sparse=False."
            raise RuntimeError(msg) from error

    def require_lower(self, after: float, before: float, z: Tensor, what: str) -> None:
        """Refuse a step along which an energy rises by more than rounding.

        Raises:
            ConvergenceError: naming both.
        """
        if after <= before:
            return
        slopes = self.gradient(z[:, : sum(p.numel() for p in self.parameters)])
        reach = torch.linalg.vector_norm(slopes) * torch.linalg.vector_norm(z)
        if not after - before <= _ROUNDING * torch.finfo(z.dtype).eps * (abs(before) + reach):
            msg = (
                f"{self.owner}: expected a step along which {what} does not rise; the equation "
                f"for it was solved where that is {after:.6g} instead of {before:.6g}. Nothing "
                "was changed: use a smaller lr, or float64."
            )
            raise ConvergenceError(msg)

    def write(self, z: Tensor) -> None:
        """Set the parameters to those of a row, (1, n)."""
        for parameter, new in zip(self.parameters, self.parts(z[0]), strict=True):
            parameter.copy_(new)

    def _one(self, row: Tensor) -> Tensor:
        if self.left == 0:
            msg = (
                f"{self.owner}: expected a step of at most {self.max_eval} evaluations of the "
                "loss; it takes more. Nothing was changed: use a smaller lr, or a larger max_eval."
            )
            raise ConvergenceError(msg)
        self.left -= 1
        again = torch.is_grad_enabled()
        parts = self.parts(row)
        with torch.enable_grad(), _Instead(self.parameters, parts):
            loss = self.closure()
        if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.is_floating_point():
            what = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else repr(loss)
            msg = (
                f"{self.owner}: expected a closure that returns the loss, a tensor with one "
                f"number; got {what}. End it with `return loss`."
            )
            raise TypeError(msg)
        loss = loss.reshape(()).to(row.dtype)
        return loss if again else loss.detach()

    def parts(self, row: Tensor) -> list[Tensor]:
        """Return the entries of a row, (n,), in the shapes of the parameters."""
        pieces = row.split([p.numel() for p in self.parameters])
        return [x.reshape(p.shape) for x, p in zip(pieces, self.parameters, strict=True)]


def shared(optimizer: torch.optim.Optimizer, name: str) -> Any:
    """Return an option that all groups share.

    Raises:
        ValueError: if they do not.
    """
    found = {group[name] for group in optimizer.param_groups}
    if len(found) != 1:
        msg = (
            f"{type(optimizer).__name__}: expected one {name} for all groups, which are stepped "
            f"by one equation; got {sorted(map(str, found))}."
        )
        raise ValueError(msg)
    return found.pop()


class _Instead(TorchFunctionMode):
    """Gives torch's functions other tensors than the ones that they are called with."""

    def __init__(self, old: Sequence[Tensor], new: Sequence[Tensor]) -> None:
        super().__init__()
        self.new = {id(x): y for x, y in zip(old, new, strict=True)}

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        del types
        if function is Tensor.backward:
            return None
        if getattr(function, "__self__", None) is Tensor.grad:  # which the closure may clear
            return function(*args, **(kwargs or {}))
        args, kwargs = tree_map_only(Tensor, self._given, (tuple(args), kwargs or {}))
        return function(*args, **kwargs)

    def _given(self, x: Tensor) -> Tensor:
        return self.new.get(id(x), x)


def _leaves(loss: Tensor) -> set[int]:
    """Return the identities of the leaves that a tensor was computed from."""
    found, seen, ahead = set(), set(), [loss.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        found.add(id(getattr(node, "variable", None)))
        ahead.extend(following for following, _ in node.next_functions)
    return found
