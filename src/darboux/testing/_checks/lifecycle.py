"""Checks that every module must pass, whatever it computes, and all of them in one call."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch

from darboux.structure._arguments import checked
from darboux.testing._checks._call import (
    Build,
    Example,
    arguments,
    features,
    loss,
    map_tensors,
    require,
    rounding_size,
    with_features,
)
from darboux.testing._checks.edges import (
    check_empty_batch,
    check_half_precision,
    check_meta_device,
    check_nan,
)
from darboux.testing._checks.state import check_deepcopy, check_pickle, check_state_dict
from darboux.testing._checks.transforms import (
    check_autocast,
    check_compile,
    check_derivatives,
    check_functional,
    check_vmap,
)
from darboux.testing._tolerance import assert_close


@checked
def check_gradients(build: Build, example: Example, *, exempt: Collection[str] = ()) -> None:
    """Assert that a finite gradient that is not zero reaches every parameter.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call.
        exempt: names of parameters that this example cannot reach.

    Raises:
        AssertionError: with the names of the parameters that no gradient reached.

    Example:
        >>> check_gradients(lambda: torch.nn.Linear(3, 2), torch.ones(4, 3))
    """
    module = build()
    named = {k: p for k, p in module.named_parameters() if p.requires_grad and k not in exempt}
    if not named:
        return
    value = loss(module(*arguments(example)))
    found = torch.autograd.grad(value, list(named.values()), allow_unused=True)
    lost = [
        name
        for name, gradient in zip(named, found, strict=True)
        if gradient is None or not gradient.isfinite().all() or not gradient.any()
    ]
    require(not lost, f"no gradient reaches {', '.join(lost)}.")


@checked
def check_train_equals_eval(build: Build, example: Example) -> None:
    """Assert that train() and eval() give the same output, bit by bit.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call.

    Raises:
        AssertionError: if the outputs differ.

    Example:
        >>> check_train_equals_eval(lambda: torch.nn.Linear(3, 2), torch.ones(4, 3))
    """
    module = build()
    train, other = (module.train(mode)(*arguments(example)) for mode in (True, False))
    require(torch.equal(train, other), f"{type(module).__name__}: train() and eval() differ.")


@checked
def check_dtypes(build: Build, example: Example) -> None:
    """Assert that the number format follows the input, and float32 agrees with float64.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call, in float32.

    Raises:
        AssertionError: if an output has another format, or they differ by more than rounding.

    Example:
        >>> check_dtypes(lambda: torch.nn.Linear(3, 2), torch.ones(4, 3))
    """
    module = build().float()
    narrow = module(*map_tensors(lambda t: t.float(), example))
    wide = module.double()(*map_tensors(lambda t: t.double(), example))
    for output, dtype in ((narrow, torch.float32), (wide, torch.float64)):
        require(output.dtype == dtype, f"input in {dtype}: output in {output.dtype}.")
    size = rounding_size(module, example)
    assert_close(narrow, wide, size=size, what="float32 against float64")


@checked
def check_batch_is_loop(build: Build, example: Example) -> None:
    """Assert that a batch gives what its samples give one by one.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call, with a batch of at least two.

    Raises:
        AssertionError: if they differ by more than rounding.

    Example:
        >>> check_batch_is_loop(lambda: torch.nn.Linear(3, 2), torch.eye(3))
    """
    module, z = build(), features(example)
    require(len(z) > 1, f"Expected an example with a batch of at least 2; got {len(z)}.")
    loop = torch.cat([module(*with_features(example, row)) for row in z.split(1)])
    size = rounding_size(module, example)
    assert_close(loop, module(*arguments(example)), size=size, what="loop against batch")


@checked
def check_input_untouched(build: Build, example: Example) -> None:
    """Assert that a call leaves its input and the global random state as they were.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call.

    Raises:
        AssertionError: if the input was edited in place or random numbers were drawn.

    Example:
        >>> check_input_untouched(lambda: torch.nn.Linear(3, 2), torch.ones(4, 3))
    """
    module, z = build(), features(example).detach().clone()
    before, state = z.clone(), torch.get_rng_state()
    with torch.no_grad():
        module(*with_features(example, z))
    name = type(module).__name__
    require(torch.equal(z, before), f"{name} edits its input in place.")
    require(torch.equal(torch.get_rng_state(), state), f"{name} draws global random numbers.")


LIFECYCLE: dict[str, Callable[[Build, Example], None]] = {
    "gradients": check_gradients,
    "train_equals_eval": check_train_equals_eval,
    "state_dict": check_state_dict,
    "deepcopy": check_deepcopy,
    "pickle": check_pickle,
    "dtypes": check_dtypes,
    "batch_is_loop": check_batch_is_loop,
    "vmap": check_vmap,
    "derivatives": check_derivatives,
    "compile": check_compile,
    "autocast": check_autocast,
    "functional": check_functional,
    "input_untouched": check_input_untouched,
    "empty_batch": check_empty_batch,
    "meta_device": check_meta_device,
    "half_precision": check_half_precision,
    "nan": check_nan,
}
"""The checks of a module's life by name, each called with a factory and an example."""


@checked
def check_lifecycle(build: Build, example: Example, *, skip: Collection[str] = ()) -> None:
    """Run every check of `LIFECYCLE`: gradients, state, number formats, batches, transforms.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call: a tensor (batch, ...), or a tuple such as
            (t, z) whose last tensor is the features; a batch of at least two.
        skip: names of checks to leave out, keys of `LIFECYCLE`.

    Raises:
        AssertionError: from the first check that fails.
        ValueError: if `skip` has an unknown name.

    Example:
        >>> check_lifecycle(lambda: torch.nn.Linear(3, 2), torch.ones(4, 3), skip=["compile"])
    """
    unknown = sorted(set(skip) - set(LIFECYCLE))
    if unknown:
        msg = f"Expected names among {', '.join(LIFECYCLE)}; got {', '.join(unknown)}."
        raise ValueError(msg)
    for name, check in LIFECYCLE.items():
        if name not in skip:
            check(build, example)
