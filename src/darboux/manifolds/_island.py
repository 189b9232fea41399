"""Matrix computations in float32 at least, whatever autocast says around them."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce, wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

import torch
from torch import Tensor

from darboux.solvers._transforms import without_autocast

S = TypeVar("S")

P = ParamSpec("P")

_HALF = (torch.float16, torch.bfloat16)

Method = Callable[Concatenate[S, P], Tensor]


def island(method: Method[S, P]) -> Method[S, P]:
    """Return a method of tensors without autocast, which computes half precision in float32.

    Tensors of several dtypes are promoted, and the result has that dtype.
    """

    @wraps(method)
    def inside(self: S, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        dtype = reduce(torch.promote_types, (tensor.dtype for tensor in tensors))
        wide = torch.float32 if dtype in _HALF else dtype

        def widened(value: object) -> object:
            return value.to(wide) if isinstance(value, Tensor) else value

        with without_autocast(tensors[0]):
            named = {name: widened(value) for name, value in kwargs.items()}
            result = method(self, *map(widened, args), **named)  # type: ignore[arg-type]
            return result if wide == dtype else result.to(dtype)

    return cast("Method[S, P]", inside)
