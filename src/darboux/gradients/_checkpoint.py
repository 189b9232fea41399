"""Checkpoints of a given number: which states are kept, and when they are computed again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from darboux.structure._arguments import Count, checked


@final
@checked
@dataclass(frozen=True)
class Checkpoint:
    """Gradients from a given number of stored states, with the fewest evaluations.

    A backward pass through K steps goes from the last to the first, each evaluated once more with
    its graph. The states before them come from the nearest one that is stored; places of states
    that are no longer needed are used again. C(s + r, s) steps need s states and no step is
    taken more than r times without graph, the forward pass included (binomial checkpointing).

    Source: section 3.1.1; Griewank and Walther 2000, algorithm 799.

    Args:
        states: s, how many states may be stored at a time, the first one among them; √(2K) of
            K steps if None, which takes none of them more than twice.

    Raises:
        ValueError: if there is none.

    Example:
        >>> Checkpoint(3).kept(10)
        [0, 4, 7]
    """

    states: Count | None = None

    def kept(self, links: int) -> list[int]:
        """Return before which of some links the forward pass keeps its state."""
        free, start, found = self.states_for(links), 0, []
        while links > start:
            found.append(start)
            if free == 1:
                break
            start += part(links - start, free)
            free -= 1
        return found

    def states_for(self, links: int) -> int:
        """Return how many states are stored."""
        if self.states is not None:
            return self.states
        # the least s with C(s + 2, 2) >= K
        return max(1, math.ceil((math.sqrt(8 * links + 1) - 3) / 2))


EVERYTHING = Checkpoint(2**31 - 1)
"""Every state is kept, and no step is taken more than twice: the discrete adjoint."""


def part(links: int, states: int) -> int:
    """Return after how many of some links the next state is stored, one being there already."""
    # C(s + r, s) = C(s - 1 + r, s - 1) + C(s + r - 1, s): so many after it, and before it.
    if links <= states:
        return 1
    if states == 1:
        return links - 1
    repeats = 1
    while math.comb(states + repeats, states) < links:
        repeats += 1
    least_after = math.comb(states + repeats - 2, states - 1)
    return min(math.comb(states + repeats - 1, states), links - least_after)
