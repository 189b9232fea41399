"""The command line: ``darboux``, or ``python -m darboux``."""

from __future__ import annotations

import sys

from darboux._ending import INTERRUPTED, told


def main() -> None:
    """Run the command line, or say in one line what to install for it."""
    try:
        from darboux.cli import main as run
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:
        line, code = told(error)
        sys.stderr.write(f"{line}\n")
        raise SystemExit(code) from None
    run()


if __name__ == "__main__":
    main()
