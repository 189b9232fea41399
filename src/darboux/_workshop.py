"""The extra that `data`, `training` and `cli` need, and what is said where it is missing."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def require(room: str, *modules: str) -> None:
    """Refuse to import a room of the workshop where what it needs is not installed.

    Raises:
        ModuleNotFoundError: with the line that installs it.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        msg = (
            f"{room} needs {', '.join(missing)}, not installed here. "
            "Run: python -m pip install 'darboux[workshop]'"
        )
        raise ModuleNotFoundError(msg, name=missing[0])


def main() -> None:
    """Run the command line, or say in one line what to install for it."""
    try:
        from darboux.cli import main as run
    except ModuleNotFoundError as error:
        sys.stderr.write(f"Error: {error}\n")
        raise SystemExit(2) from None
    run()
