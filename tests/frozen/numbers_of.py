"""Turns tensors and texts into a few numbers, and compares them."""

from __future__ import annotations

import math
import re
import zlib

import torch

RELATIVE, ABSOLUTE, PRINTED = 1e-6, 1e-8, 1e-4
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w])")


def seed(key):
    """Seed torch by a text."""
    torch.manual_seed(zlib.crc32(key.encode()))


def flat(output):
    """Return a tensor, or the tensors of a nest of tuples, as one vector in float64."""
    if isinstance(output, torch.Tensor):
        return output.flatten().double()
    return torch.cat([flat(part) for part in output])


def summary(output):
    """Return (sum, sum of squares, a fixed weighted sum)."""
    x = flat(output).detach()
    weights = torch.arange(1, len(x) + 1, dtype=torch.float64).cos()
    return [short(v) for v in (x.sum(), x.square().sum(), weights @ x)]


def short(number):
    """Return a number with nine significant digits; None stays None."""
    if number is None:
        return None
    value = float(number.detach() if isinstance(number, torch.Tensor) else number)
    return float(f"{value:.9g}") if math.isfinite(value) else str(value)


def close(old, new):
    """Return whether two recorded things agree: numbers up to rounding, the rest exactly."""
    if isinstance(old, bool) or isinstance(new, bool):
        return old is new
    if isinstance(old, int | float) and isinstance(new, int | float):
        return math.isclose(old, new, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(close, old, new))
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(close(old[k], new[k]) for k in old)
    return old == new


def same_text(old, new):
    """Return whether two sentences agree, their numbers up to the digits that are printed."""
    if NUMBER.sub("#", old) != NUMBER.sub("#", new):
        return False
    pairs = zip(NUMBER.findall(old), NUMBER.findall(new), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=PRINTED, abs_tol=1e-6) for a, b in pairs)


def without_numbers(text):
    """Return a sentence with # for each number."""
    return NUMBER.sub("#", text)
