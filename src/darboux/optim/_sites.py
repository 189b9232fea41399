"""The affine maps y = W x + b of a network, found where they are evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

_Options = dict[str, Any] | None


class Affine(NamedTuple):
    """A call of the form y = W x + b, W of shape (out, in) up to its axes, x as rows."""

    weight: Tensor
    bias: Tensor | None
    rows: Callable[[], Tensor]  # (batch, places, in)
    axis: int  # the one of the outputs of y
    repeat: Callable[[Tensor, Tensor | None], Tensor]

    def variables(self) -> list[Tensor]:
        """Return W and b as far as they have derivatives, b only beside W."""
        if not self.weight.requires_grad:
            return []
        has_bias = self.bias is not None and self.bias.requires_grad
        return [self.weight, *((self.bias,) if has_bias else ())]


@final
@dataclass(frozen=True)
class Site:
    """One evaluation: W, and b if there is one, with their graphs; x̄ as rows; and y."""

    variables: list[Tensor]
    rows: Tensor  # (batch, places, in), with a 1 beside x if there is a bias
    output: Tensor
    axis: int  # the one of the outputs of y

    def leaves(self) -> dict[int, Tensor]:
        """Return the parameters that W and b depend on, those of W first."""
        return {key: p for x in self.variables for key, p in leaves(x).items()}

    def slopes(self, gradient: Tensor) -> Tensor:
        """Return gradients in y as rows, (batch, places, out)."""
        last = gradient.movedim(self.axis, -1)
        return last.reshape(self.rows.shape[0], -1, last.shape[-1])


@final
class Survey(TorchFunctionMode):
    """While it is entered, affine maps are remembered, which may be layers."""

    def __init__(self) -> None:
        super().__init__()
        self._found: list[tuple[list[Tensor], Any]] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: _Options = None
    ) -> Any:
        """Evaluate a function of torch, and remember it if it is an affine map."""
        y = func(*args, **(kwargs or {}))
        affine = _affine(func, args, kwargs)
        if affine is not None:
            self._found.append((affine.variables(), y.grad_fn))
        return y

    def layers(self, parameters: Iterable[Tensor]) -> set[int]:
        """Return the numbers of the maps whose W and b are functions of parameters alone.

        One that computes the W or b of another is part of a parametrisation, and no layer.
        """
        known = {id(p) for p in parameters}
        behind: dict[int, set[Any]] = {}
        for k, (variables, _) in enumerate(self._found):
            nodes, reached = _history(variables)
            if variables and reached.keys() <= known:
                behind[k] = nodes
        inner = set().union(*behind.values())
        return {k for k in behind if self._found[k][1] not in inner}


@final
class Watch(TorchFunctionMode):
    """While it is entered, the affine maps of the given numbers are sites.

    W and b are taken out of the graph of the output there, so that a parameter which the output
    still depends on has another use, too.
    """

    def __init__(self, layers: set[int]) -> None:
        super().__init__()
        self._layers = layers
        self._count = 0
        self.sites: list[Site] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: _Options = None
    ) -> Any:
        """Evaluate a function of torch, as a site if its number is among them."""
        affine = _affine(func, args, kwargs)
        number, self._count = self._count, self._count + (affine is not None)
        if affine is None or number not in self._layers:
            return func(*args, **(kwargs or {}))
        y = affine.repeat(
            affine.weight.detach(), None if affine.bias is None else affine.bias.detach()
        )
        y = y if y.requires_grad else y.requires_grad_()
        rows, variables = affine.rows().detach(), affine.variables()
        if len(variables) > 1:
            rows = torch.cat([rows, rows.new_ones(*rows.shape[:2], 1)], dim=2)
        self.sites.append(Site(variables, rows, y, affine.axis))
        return y.clone()  # which may be changed in place


def leaves(*variables: Tensor) -> dict[int, Tensor]:
    """Return the tensors that derivatives lead to, by their identities."""
    return _history(variables)[1]


def _history(variables: Iterable[Tensor]) -> tuple[set[Any], dict[int, Tensor]]:
    """Return the nodes that the graphs of tensors consist of, and the tensors they begin with."""
    found = {id(x): x for x in variables if x.requires_grad and x.grad_fn is None}
    seen: set[Any] = set()
    waiting: list[Any] = [x.grad_fn for x in variables if x.grad_fn is not None]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found[id(node.variable)] = node.variable
        waiting += [after for after, _ in node.next_functions if after is not None]
    return seen, found


def _affine(func: Any, args: tuple[Any, ...], kwargs: _Options) -> Affine | None:
    read = _READ.get(func) if torch.is_grad_enabled() else None
    return None if read is None else read(*args, **(kwargs or {}))


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Affine | None:
    if weight.ndim != 2 or input.ndim < 2:
        return None

    def rows() -> Tensor:
        return input.reshape(input.shape[0], -1, input.shape[-1])

    return Affine(weight, bias, rows, -1, lambda w, b: F.linear(input, w, b))


def _addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1
) -> Affine | None:
    is_affine = beta == alpha == 1 and input.ndim == 1 and input.shape[0] == mat2.shape[1]
    return _linear(mat1, mat2.T, input) if is_affine else None


def _matmul(input: Tensor, other: Any) -> Affine | None:
    is_affine = isinstance(other, Tensor) and other.ndim == 2
    return _linear(input, other.T) if is_affine else None


def _convolution(dim: int) -> Callable[..., Affine | None]:
    function = (F.conv1d, F.conv2d, F.conv3d)[dim - 1]

    def read(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Affine | None:
        if groups != 1 or input.ndim != dim + 2:
            return None
        options = (stride, padding, dilation)
        return Affine(
            weight,
            bias,
            lambda: _patches(input, weight.shape[2:], *options),
            1,
            lambda w, b: function(input, w, b, *options),
        )

    return read


def _patches(x: Tensor, kernel: torch.Size, stride: Any, padding: Any, dilation: Any) -> Tensor:
    """Return what each output of a convolution is a product with, (batch, places, in · taps)."""
    dim = len(kernel)
    steps, gaps = (_each(value, dim) for value in (stride, dilation))
    spans = [gap * (k - 1) for gap, k in zip(gaps, kernel, strict=True)]
    if padding == "same":
        pads = [(span // 2, span - span // 2) for span in spans]
    else:
        pads = [(p, p) for p in _each(0 if padding == "valid" else padding, dim)]
    x = F.pad(x, [p for pair in reversed(pads) for p in pair])
    for axis in range(dim):
        x = x.unfold(axis + 2, spans[axis] + 1, steps[axis])[..., :: gaps[axis]]
    places = x.shape[2 : 2 + dim].numel()
    order = (0, *range(2, 2 + dim), 1, *range(2 + dim, 2 + 2 * dim))
    return x.permute(order).reshape(x.shape[0], places, -1)


def _each(value: Any, dim: int) -> tuple[int, ...]:
    numbers = (value,) if isinstance(value, int) else tuple(value)
    return numbers * dim if len(numbers) == 1 else numbers


_READ: dict[Any, Callable[..., Affine | None]] = {
    F.linear: _linear,
    **dict.fromkeys((torch.addmm, Tensor.addmm), _addmm),
    **dict.fromkeys((torch.matmul, torch.mm, Tensor.matmul, Tensor.mm, Tensor.__matmul__), _matmul),
    **{getattr(torch, f"conv{dim}d"): _convolution(dim) for dim in (1, 2, 3)},
}
