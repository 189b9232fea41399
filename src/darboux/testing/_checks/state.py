"""Checks of what a module carries: saving, loading, copying, pickling."""

from __future__ import annotations

import copy
import io
import pickle

import safetensors.torch
import torch
from torch import Tensor, nn

from darboux.structure._arguments import checked
from darboux.testing._checks._call import Build, Example, arguments, require


@checked
def check_state_dict(build: Build, example: Example) -> None:
    """Assert that safetensors and `torch.save` bring back the same output, bit by bit.

    The state is loaded into a second module whose parameters were overwritten, so a
    value that is not in the state shows.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call.

    Raises:
        AssertionError: if an output changed; the message names the format.

    Example:
        >>> check_state_dict(lambda: torch.nn.Linear(3, 2), torch.ones(1, 3))
    """
    module = build()
    expected = module(*arguments(example))
    for name, load in (("safetensors", _through_safetensors), ("torch.save", _through_torch)):
        other = build()
        _overwrite(other)
        other.load_state_dict(load(module.state_dict()), strict=True)
        same = torch.equal(other(*arguments(example)), expected)
        require(same, f"{type(module).__name__} saved with {name} and loaded: another output.")


@checked
def check_deepcopy(build: Build, example: Example) -> None:
    """Assert that a deep copy gives the same output and shares no memory.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call.

    Raises:
        AssertionError: if the outputs differ, or editing the copy changes the original.

    Example:
        >>> check_deepcopy(lambda: torch.nn.Linear(3, 2), torch.ones(1, 3))
    """
    module = build()
    name = type(module).__name__
    expected = module(*arguments(example))
    twin = copy.deepcopy(module)
    require(torch.equal(twin(*arguments(example)), expected), f"copy of {name}: another output.")
    _overwrite(twin)
    after = module(*arguments(example))
    require(torch.equal(after, expected), f"editing a copy of {name} changed the original.")


@checked
def check_pickle(build: Build, example: Example) -> None:
    """Assert that the module survives pickling with the same output.

    Args:
        build: a zero-argument factory of the module.
        example: the arguments of one call.

    Raises:
        AssertionError: if it cannot be pickled, or gives another output afterwards.

    Example:
        >>> check_pickle(lambda: torch.nn.Linear(3, 2), torch.ones(1, 3))
    """
    module = build()
    name = type(module).__name__
    try:
        twin = pickle.loads(pickle.dumps(module))
    except (pickle.PicklingError, AttributeError, TypeError, RuntimeError) as error:
        msg = f"{name} does not pickle: {error}"
        raise AssertionError(msg) from error
    same = torch.equal(twin(*arguments(example)), module(*arguments(example)))
    require(same, f"{name} gives another output after pickling.")


def _through_safetensors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    whole = {name: value.detach().contiguous().clone() for name, value in state.items()}
    return safetensors.torch.load(safetensors.torch.save(whole))


def _through_torch(state: dict[str, Tensor]) -> dict[str, Tensor]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Tensor] = torch.load(file, weights_only=True)
    return loaded


def _overwrite(module: nn.Module) -> None:
    with torch.no_grad():
        for value in module.state_dict().values():
            value.copy_(torch.full_like(value, 3))
