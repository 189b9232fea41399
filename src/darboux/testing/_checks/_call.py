"""Calls of a module in the checks: its example, its loss, its size."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from darboux.testing._tolerance import tolerance

Build = Callable[[], nn.Module]

Example = Tensor | tuple[object, ...]


def arguments(example: Example) -> tuple[object, ...]:
    """Return the positional arguments of one call."""
    return (example,) if isinstance(example, Tensor) else tuple(example)


def map_tensors(function: Callable[[Tensor], Tensor], example: Example) -> tuple[object, ...]:
    """Return the arguments with `function` applied to every tensor among them."""
    return tuple(
        function(value) if isinstance(value, Tensor) else value for value in arguments(example)
    )


def features(example: Example) -> Tensor:
    """Return the last tensor among the arguments: the features z, (batch, ...)."""
    return [value for value in arguments(example) if isinstance(value, Tensor)][-1]


def with_features(example: Example, z: Tensor) -> tuple[object, ...]:
    """Return the arguments with the last tensor replaced by z."""
    old = features(example)
    return tuple(z if value is old else value for value in arguments(example))


def rounding_size(module: nn.Module, example: Example) -> int:
    """Return n for `tolerance`: entries of one sample and of all parameters."""
    # No output entry is a longer sum than that, unless parameters are used again.
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return features(example)[0].numel() + parameters


def probe(like: Tensor, *, seed: int = 0) -> Tensor:
    """Return normal noise of the shape, dtype and device of `like`, the same every time."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(like.shape, generator=generator, dtype=torch.float64)
    return noise.to(dtype=like.dtype, device=like.device)


def loss(output: Tensor) -> Tensor:
    """Return ⟨w, output⟩ with fixed normal weights w: no symmetry hides a gradient."""
    return (output * probe(output, seed=1)).sum()


def require(condition: bool, message: str) -> None:  # noqa: FBT001
    """Raise AssertionError with the message unless the condition holds."""
    if not condition:
        raise AssertionError(message)


def require_rounded(
    module: nn.Module, output: Tensor, expected: Tensor, dtype: torch.dtype, *, c: float, what: str
) -> None:
    """Raise AssertionError unless an output is the expected one up to a rounding in each layer."""
    layers = 1 + sum(not list(part.children()) for part in module.modules())
    allowed = tolerance(dtype, layers, c=c)
    error = float((output.double() - expected).norm() / expected.norm())
    require(error <= allowed, f"{what}: relative error {error:.3g}; at most {allowed:.3g}.")
