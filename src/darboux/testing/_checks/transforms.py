"""Checks that a module survives torch.func, torch.compile and autocast."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from darboux.structure._arguments import Positive, checked
from darboux.testing._checks._call import (
    Build,
    Example,
    arguments,
    features,
    loss,
    map_tensors,
    probe,
    require,
    require_rounded,
    rounding_size,
    with_features,
)
from darboux.testing._tolerance import assert_close


@checked
def check_vmap(build: Build, example: Example) -> None:
    """Assert that `torch.func.vmap` over single samples equals the batched call.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call.

    Raises:
        AssertionError: if the outputs differ by more than rounding.

    Example:
        >>> check_vmap(lambda: torch.nn.Linear(3, 2), torch.ones(4, 3))
    """
    module = build()

    def single(z: Tensor) -> Tensor:
        return module(*with_features(example, z.unsqueeze(0))).squeeze(0)

    mapped = torch.func.vmap(single)(features(example))
    size = rounding_size(module, example)
    assert_close(mapped, module(*arguments(example)), size=size, what="vmap against batch")


@checked
def check_derivatives(build: Build, example: Example) -> None:
    """Assert ⟨J u, v⟩ = ⟨u, Jᵀ v⟩ with J u by forward mode and Jᵀ v by reverse mode.

    Runs in float64.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call.

    Raises:
        AssertionError: if the two modes disagree by more than rounding.

    Example:
        >>> check_derivatives(lambda: torch.nn.Linear(3, 2), torch.ones(4, 3))
    """
    module, wide = build().double(), map_tensors(lambda t: t.double(), example)

    def function(z: Tensor) -> Tensor:
        return module(*with_features(wide, z))

    u = probe(features(wide))
    output, forward = torch.func.jvp(function, (features(wide),), (u,))[:2]
    v = probe(output, seed=1)
    (reverse,) = torch.func.vjp(function, features(wide))[1](v)
    assert_close(
        (forward * v).sum(),
        (u * reverse).sum(),
        size=rounding_size(module, example) * u.shape[0],
        scale=float((forward.norm() * v.norm()).detach()),
        what="⟨J u, v⟩ against ⟨u, Jᵀ v⟩",
    )


@checked
def check_functional(build: Build, example: Example) -> None:
    """Assert that `functional_call` gives the same output, and `torch.func.grad` the gradients.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call.

    Raises:
        AssertionError: if the output or a gradient differs; the message names the parameter.

    Example:
        >>> check_functional(lambda: torch.nn.Linear(3, 2), torch.ones(4, 3))
    """
    module = build()
    named = dict(module.named_parameters())
    fixed = {name: parameter.detach() for name, parameter in named.items()}
    output = module(*arguments(example))

    def functional(parameters: dict[str, Tensor]) -> Tensor:
        return loss(torch.func.functional_call(module, parameters, arguments(example)))

    size = rounding_size(module, example) * features(example).shape[0]
    assert_close(functional(fixed), loss(output), size=size, what="functional_call")
    if not named:
        return
    direct = torch.autograd.grad(loss(output), list(named.values()), allow_unused=True)
    found = torch.func.grad(functional)(fixed)
    for name, gradient in zip(named, direct, strict=True):
        expected = torch.zeros_like(named[name]) if gradient is None else gradient
        assert_close(found[name], expected, size=size, what=f"torch.func.grad of {name}")


@checked
def check_compile(build: Build, example: Example, *, backend: str = "aot_eager") -> None:
    """Assert that `torch.compile(fullgraph=True)` keeps the output and the input's gradient.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call.
        backend: "aot_eager" traces only and is quick; "inductor" also generates code.

    Raises:
        AssertionError: if the output or the gradient differs by more than rounding.

    Example:
        >>> check_compile(lambda: torch.nn.Linear(3, 2), torch.ones(4, 3), backend="eager")
    """
    module = build()
    torch.compiler.reset()
    compiled = torch.compile(module, fullgraph=True, backend=backend)
    size = rounding_size(module, example)
    expected, fast = _with_gradient(module, example), _with_gradient(compiled, example)
    for what, one, other in zip(("output", "gradient"), fast, expected, strict=True):
        assert_close(one, other, size=size, what=f"compiled {what} ({backend})")


@checked
def check_autocast(build: Build, example: Example, *, c: Positive = 8.0) -> None:
    """Assert that autocast to bfloat16 gives finite output within c · n · eps.

    The error is measured in the Euclidean norm, relative to the output; n counts the
    layers, because products accumulate in float32 and round once.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call.
        c: the factor of `tolerance`.

    Raises:
        AssertionError: if an entry is not finite or the error is larger.

    Example:
        >>> check_autocast(lambda: torch.nn.Linear(3, 2), torch.ones(4, 3))
    """
    module = build()
    expected = module(*arguments(example)).detach().double()
    with torch.autocast(features(example).device.type, dtype=torch.bfloat16):
        output = module(*arguments(example)).detach()
    require(bool(output.isfinite().all()), "autocast to bfloat16: the output is not finite.")
    require_rounded(module, output, expected, torch.bfloat16, c=c, what="autocast")


def _with_gradient(module: Callable[..., Tensor], example: Example) -> tuple[Tensor, Tensor]:
    z = features(example).detach().clone().requires_grad_()
    output = module(*with_features(example, z))
    (gradient,) = torch.autograd.grad(loss(output), z)
    return output.detach(), gradient
