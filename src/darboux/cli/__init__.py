"""The command line: ``darboux train | denoise | reconstruct | certify``."""

from darboux._workshop import require as _require

_require("darboux.cli", "PIL", "tifffile", "accelerate", "matplotlib", "msgspec", "rich", "typer")

from darboux.cli._app import app, main

__all__ = ["app", "main"]
