"""The conformance kit: prove your own class with the checks that the built-in ones pass.

A check is a function that returns None or raises AssertionError with the numbers.
Those of this module take a factory and an example; those of a room take the thing
itself, for instance a linear map. `tolerance` says how much rounding is allowed.
`darboux.testing.catalogue` holds the cases to which our own tests apply them.

Example:
    >>> import torch
    >>> from darboux.testing import check_gradients
    >>> check_gradients(lambda: torch.nn.Linear(3, 2), torch.ones(4, 3))
"""

from darboux.testing.checks.lifecycle import (
    LIFECYCLE,
    check_batch_is_loop,
    check_dtypes,
    check_gradients,
    check_input_untouched,
    check_lifecycle,
    check_train_equals_eval,
)
from darboux.testing.checks.state import check_deepcopy, check_pickle, check_state_dict
from darboux.testing.checks.transforms import (
    check_autocast,
    check_compile,
    check_derivatives,
    check_functional,
    check_vmap,
)
from darboux.testing.tolerance import assert_close, tolerance

__all__ = [
    "LIFECYCLE",
    "assert_close",
    "check_autocast",
    "check_batch_is_loop",
    "check_compile",
    "check_deepcopy",
    "check_derivatives",
    "check_dtypes",
    "check_functional",
    "check_gradients",
    "check_input_untouched",
    "check_lifecycle",
    "check_pickle",
    "check_state_dict",
    "check_train_equals_eval",
    "check_vmap",
    "tolerance",
]
