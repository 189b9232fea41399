"""The checks of a module's life, for models, whose parts are compiled in the fast suite."""

import pytest

from darboux.testing import LIFECYCLE

CHECKS = [
    pytest.param(name, marks=pytest.mark.slow) if name == "compile" else name for name in LIFECYCLE
]
