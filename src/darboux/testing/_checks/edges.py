"""Checks at the edges: no samples, no values, few digits, no numbers, and an exported graph."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from darboux.bijections import Bijection
from darboux.structure._arguments import Positive, checked
from darboux.testing._checks._call import (
    Build,
    Example,
    arguments,
    features,
    map_tensors,
    require,
    require_rounded,
    rounding_size,
    with_features,
)
from darboux.testing._tolerance import assert_close

_REFUSAL = re.compile(r"expected .*got ", re.DOTALL)  # how modules say what they do not take


@checked
def check_empty_batch(build: Build, example: Example) -> None:
    """Assert that a batch of no samples comes out empty, and gives the gradient zero.

    All parameters that a batch reaches get one, as DDP wants it of every process. Of bijections
    that is checked of the inverse and the log-determinants, too.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call, all tensors with the samples on the first axis.

    Raises:
        AssertionError: if a shape differs, or a parameter gets another gradient or none.

    Example:
        >>> check_empty_batch(lambda: torch.nn.Linear(3, 2), torch.ones(4, 3))
    """
    module = build()
    nothing = map_tensors(lambda t: t[:0], example)
    whole, empty = module(*arguments(example)), module(*nothing)
    _require_shape("the output", empty, (0, *whole.shape[1:]))
    named: dict[str, Tensor] = {k: p for k, p in module.named_parameters() if p.requires_grad}
    reached, found = (_gradients(y, list(named.values())) for y in (whole, empty))
    for name, expected, gradient in zip(named, reached, found, strict=True):
        lost = gradient is None or bool(gradient.ne(0).any())
        require(expected is None or not lost, f"an empty batch: no gradient 0 of {name}.")
    if isinstance(module, Bijection):
        start = features(nothing)
        y, log_det = module.forward_and_log_det(start)
        x, back = module.inverse_and_log_det(y)
        _require_shape("φ⁻¹ of nothing", x, tuple(start.shape))
        for what in (log_det, back):
            _require_shape("log-determinants of nothing", what, (0,))


@checked
def check_meta_device(build: Build, example: Example) -> None:
    """Assert that a module built on the meta device, then filled with a state, is the same one.

    In between, everything that `to_empty` leaves without values holds the wrong ones.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call.

    Raises:
        AssertionError: if the output differs from that of the module whose state was loaded.

    Example:
        >>> check_meta_device(lambda: torch.nn.Linear(3, 2), torch.ones(4, 3))
    """
    module, device = build(), features(example).device
    with torch.device("meta"):
        other = build()
    other._apply(lambda t: torch.full_like(t, 3, device=device))  # as `to_empty`, to be seen
    other.train(module.training).load_state_dict(module.state_dict())
    same = torch.equal(other(*arguments(example)), module(*arguments(example)))
    require(same, f"{type(module).__name__} built on the meta device, and loaded: another output.")


@checked
def check_half_precision(build: Build, example: Example, *, c: Positive = 8.0) -> None:
    """Assert that float16 and bfloat16 give finite output within c · n · eps.

    The error is measured in the Euclidean norm, relative to the output; n counts the layers.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call.
        c: the factor of `tolerance`.

    Raises:
        AssertionError: if an entry is not finite or the error is larger.

    Example:
        >>> check_half_precision(lambda: torch.nn.Linear(3, 2), torch.ones(4, 3))
    """
    wide = build()
    expected = wide(*arguments(example)).detach().double()
    for dtype in (torch.float16, torch.bfloat16):
        module = copy.deepcopy(wide).to(dtype)
        output = module(*map_tensors(partial(_cast, dtype), example)).detach()
        require_rounded(module, output, expected, dtype, c=c, what=str(dtype))


@checked
def check_nan(build: Build, example: Example) -> None:
    """Assert that an input that is no number comes out as none, or is refused.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call.

    Raises:
        AssertionError: if the output of the sample is finite.

    Example:
        >>> check_nan(lambda: torch.nn.Linear(3, 2), torch.ones(4, 3))
    """
    module, z = build(), features(example).detach().clone()
    z.view(-1)[0] = torch.nan
    try:
        output = module(*with_features(example, z))
    except (ValueError, RuntimeError):
        return
    name = type(module).__name__
    require(bool(output[0].isnan().any()), f"{name} turns a NaN of its input into numbers.")


@checked
def check_export(build: Build, example: Example) -> None:
    """Assert that `torch.export` gives a program with the same output, or is refused by name.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call.

    Raises:
        AssertionError: if the program computes something else from half the input, or torch
            fails where the module does not say that it cannot be exported.

    Example:
        >>> check_export(lambda: torch.nn.Linear(3, 2), torch.ones(4, 3))
    """
    module = build().eval()
    other = with_features(example, 0.5 * features(example))
    with torch.no_grad():
        try:
            program = torch.export.export(module, arguments(example))
        except RuntimeError as error:
            require(_REFUSAL.search(str(error)) is not None, f"torch.export fails: {error}")
            return
        found, expected = program.module()(*other), module(*other)
    assert_close(found, expected, size=rounding_size(module, example), what="exported program")


def _cast(dtype: torch.dtype, tensor: Tensor) -> Tensor:
    return tensor.to(dtype)


def _gradients(output: Tensor, parameters: list[Tensor]) -> Sequence[Tensor | None]:
    """Return the gradients of the sum, None where it does not depend on a parameter."""
    if not parameters or not output.requires_grad:
        return [None] * len(parameters)
    return torch.autograd.grad(output.sum(), parameters, allow_unused=True)


def _require_shape(what: str, tensor: Tensor, expected: tuple[int, ...]) -> None:
    got = tuple(tensor.shape)
    require(got == expected, f"an empty batch: expected {what} of shape {expected}; got {got}.")
