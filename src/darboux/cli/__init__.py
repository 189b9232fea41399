"""The command line: ``darboux train | denoise | certify | reproduce``."""

from darboux._workshop import require

require("darboux.cli", "PIL", "accelerate", "matplotlib", "rich", "typer")

from darboux.cli._app import app, main

__all__ = ["app", "main"]
