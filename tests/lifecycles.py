"""Cases of tests that take long: every case with --slow, and one of each class without."""

from collections.abc import Callable, Iterable, Mapping

import pytest
from torch import nn

from darboux.testing import LIFECYCLE

Cases = Mapping[str, Callable[[], nn.Module]]


def once_a_class(cases: Cases) -> list:
    """Return the names for `parametrize`, all but the first of each class marked slow."""
    firsts = _firsts(cases)
    return [
        pytest.param(name, marks=() if name in firsts else pytest.mark.slow, id=name)
        for name in cases
    ]


def lifecycle_cases(
    cases: Cases, checks: Iterable[str] = LIFECYCLE, *, elsewhere: Iterable[str] = ()
) -> list:
    """Return (name, check) for `parametrize`, slow where a case need not be compiled each time.

    That is the first of each class, unless its class is compiled elsewhere.
    """
    firsts = _firsts(cases) - set(elsewhere)
    return [
        pytest.param(
            name,
            check,
            marks=pytest.mark.slow if check == "compile" and name not in firsts else (),
            id=f"{name}-{check}",
        )
        for name in cases
        for check in checks
    ]


def _firsts(cases: Cases) -> set[str]:
    """Return the first name of each class."""
    return set({type(build()): name for name, build in reversed(cases.items())}.values())
