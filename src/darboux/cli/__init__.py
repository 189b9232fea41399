"""The command line: ``darboux train | denoise | certify | reproduce``."""

from darboux.cli._app import app, main

__all__ = ["app", "main"]
