"""The abstract mixing of channels by an orthogonal matrix."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from darboux.bijections.claims import bijective
from darboux.bijections.linear_bijection import LinearBijection, Operator
from darboux.bijections.mixing import mix
from darboux.structure import Claims


class OrthogonalMixing(LinearBijection, ABC):
    """y(p) = Q x(p) with an orthogonal matrix Q: the inverse is its transpose.

    Source: section 4.1.3.
    """

    @abstractmethod
    def matrix(self) -> Tensor:
        """Return Q, (features, features), in float32 at least."""

    def operator(self) -> Operator:
        """Return Q."""
        return (self.matrix(),)

    def act(self, operator: Operator, x: Tensor) -> Tensor:
        """Return Q x."""
        return mix(operator[0], x)

    def solve(self, operator: Operator, y: Tensor) -> Tensor:
        """Return Qᵀ y."""
        return mix(operator[0].T, y)

    def log_modulus(self, operator: Operator, size: Sequence[int]) -> None:
        """Return None: |det Q| = 1."""
        del operator, size

    def claims(self) -> Claims:
        """Return that the mixing is isometric for all parameters."""
        reason = "the channels are mixed by a matrix that is orthogonal for all parameters"
        return bijective(reason, volume=True, isometric=True)

    def extra_repr(self) -> str:
        """Return the number of channels."""
        return f"{self.channels}"
