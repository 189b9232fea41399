"""The command line: ``darboux``, or ``python -m darboux``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or say in one line what to install for it."""
    try:
        from darboux.cli import main as run
    except ModuleNotFoundError as error:
        sys.stderr.write(f"Error: {error}\n")
        raise SystemExit(2) from None
    run()


if __name__ == "__main__":
    main()
