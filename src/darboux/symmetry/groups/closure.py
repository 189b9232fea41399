"""All products of generators."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

T = TypeVar("T", bound=Hashable)
IntegerMatrix = tuple[tuple[int, ...], ...]


def closure(
    generators: Sequence[T], compose: Callable[[T, T], T], identity: T, *, limit: int
) -> tuple[T, ...]:
    """Return the finite group that elements generate: the identity first, then by word length.

    Args:
        generators: elements, which can be compared and hashed.
        compose: the product.
        identity: the neutral element.
        limit: the largest order.

    Raises:
        ValueError: if there are more elements than `limit`.

    Example:
        >>> closure([2], lambda a, b: (a + b) % 6, 0, limit=10)
        (0, 2, 4)
    """
    found = {identity: None}  # a dictionary keeps the order
    newest = [identity]
    while newest:
        products = dict.fromkeys(compose(g, a) for a in newest for g in generators)
        newest = [product for product in products if product not in found]
        found.update(dict.fromkeys(newest))
        if len(found) > limit:
            msg = f"Expected a group of at most {limit} elements; its generators give more."
            raise ValueError(msg)
    return tuple(found)


def integer_product(a: IntegerMatrix, b: IntegerMatrix) -> IntegerMatrix:
    """Return the product of two integer matrices, by rows.

    Example:
        >>> integer_product(((0, -1), (1, 0)), ((0, -1), (1, 0)))
        ((-1, 0), (0, -1))
    """
    columns = tuple(zip(*b, strict=True))
    return tuple(tuple(sum(map(int.__mul__, row, column)) for column in columns) for row in a)
