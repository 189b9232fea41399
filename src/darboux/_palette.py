"""Colours, dashes and marks of all pictures: each curve differs in all three, for every eye.

The colours are those of Okabe and Ito 2008, which stay apart with all kinds of colour vision, the
darkest first.
"""

from __future__ import annotations

from typing import Any

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
BLUE, RED, GREEN, PURPLE, AMBER, SKY = COLOURS
# exact curves, references, grids and goals, and what is nothing
INK, SOFT, FAINT, PAPER = "#1b1f24", "#5b6672", "#c3c7cc", "#f4f5f7"
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (9, 2)))
MARKS = ("o", "s", "^", "D", "v", "P")


def line(number: int) -> dict[str, Any]:
    """Return how matplotlib draws curve `number` of a picture, 0 to 5, from many points."""
    return {"color": COLOURS[number], "linestyle": DASHES[number]}


def marked(number: int) -> dict[str, Any]:
    """Return how matplotlib draws curve `number` of a picture, 0 to 5, from few points."""
    return {**line(number), "marker": MARKS[number], "markersize": 4}
