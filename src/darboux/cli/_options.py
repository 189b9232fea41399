"""How options are declared: their defaults are shown, but only those given are passed on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from darboux.training._config import DenoiseConfig

DEFAULT = DenoiseConfig()

Effort = Annotated[
    Literal["quick", "normal", "thorough"],
    typer.Option(help="How hard the certificate attacks."),
]


def setting(name: str, text: str, *, panel: str, flag: str | None = None) -> Any:
    """Return a typer option for one setting of a run.

    Its value is None where it is not given, so that ``--resume`` may take it from the run
    folder; the help shows the default of `DenoiseConfig`.

    Args:
        name: of the setting.
        text: what the help says.
        panel: the heading that it stands under.
        flag: of the option, if it is not the name.

    Example:
        >>> setting("depth", "Number of steps.", panel="Network").show_default
        '8'
    """
    flag = flag or f"--{name.replace('_', '-')}"
    if isinstance(getattr(DEFAULT, name), bool):
        flag = f"{flag}/--no-{name}"
    return typer.Option(flag, help=text, show_default=_shown(name), rich_help_panel=panel)


def _shown(name: str) -> str:
    """Return the default of a setting as the help shows it."""
    value = getattr(DEFAULT, name)
    if value is None:
        return "scikit-image's photographs"
    if isinstance(value, bool):
        return name if value else f"no-{name}"
    if name == "sigma":
        return f"{255 * value:g}"
    return str(value)
