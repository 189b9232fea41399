"""Ranges of arguments whose cost explodes, with what it would be."""

from __future__ import annotations

from typing import Annotated

from darboux.structure._arguments import Within

# The products of all elements are listed.
Rotations = Annotated[int, Within("a number of rotations from 1 to 512", least=1, most=512)]

# Angles of higher ones are rounded to less than 12 digits.
MOST_FREQUENCY = 1024

Frequency = Annotated[int, Within("a frequency from 0 to 1024", least=0, most=MOST_FREQUENCY)]

# A matrix is a sum over 2 l² points of the sphere.
MOST_DEGREE = 64

Degree = Annotated[int, Within("a degree from 0 to 64", least=0, most=MOST_DEGREE)]

# In radians per pixel; the cost of a supremum grows with its power.
Band = Annotated[float, Within("a frequency above 0, up to 8 radians per pixel", above=0, most=8)]

MOST_FIELDS = 2**16

FieldCount = Annotated[int, Within("an integer from 1 to 65536", least=1, most=MOST_FIELDS)]
