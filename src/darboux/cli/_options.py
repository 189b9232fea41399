"""Options of the commands; those of a training are generated from its settings."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import Field, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from darboux.training import DenoiseConfig, RegularizerConfig

_DATA = ("images", "held_out", "sigma", "channels")
_NETWORK = (
    *("features", "units", "depth", "shuffle", "kernel_size", "threshold", "fraction", "metric"),
    *("filters", "turns", "weak", "sharpness"),
)
_TYPES = {"int": int, "float": float, "bool": bool, "str": str, "str | None": str}
_PHOTOGRAPHS = "scikit-image's photographs"


def with_settings(
    command: Callable[..., None], config: type[DenoiseConfig | RegularizerConfig]
) -> Callable[..., None]:
    """Add an option for each setting of a run; those that are given arrive as `given`."""
    signature = inspect.signature(command, eval_str=True)
    own = [item for item in signature.parameters.values() if item.name != "given"]
    text = config.__doc__ or ""
    settings = {each.name: _option(each, text) for each in fields(config)}

    @functools.wraps(command)
    def wrapped(**values: Any) -> None:
        given = {name: values.pop(name) for name in settings}
        # Without those that are not given, which --resume takes from the run folder.
        known = {name: value for name, value in given.items() if value is not None}
        if "sigma" in known:
            known["sigma"] /= 255
        command(**values, given=known)

    wrapped.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*own, *settings.values()]
    )
    return wrapped


def _option(setting: Field[Any], text: str) -> inspect.Parameter:
    """Return the option of one setting."""
    flag = f"--{setting.name.replace('_', '-')}"
    if setting.type == "bool":
        flag = f"{flag}/--no-{setting.name}"
    option = typer.Option(
        flag,
        help=_help(setting.name, text),
        show_default=_shown(setting),
        rich_help_panel=_panel(setting.name),
    )
    annotation: Any = Annotated[_TYPES[str(setting.type)] | None, option]
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(setting.name, kind, default=None, annotation=annotation)


def _help(name: str, text: str) -> str:
    """Return what the docstring of the settings says of one of them."""
    if name == "sigma":
        return "Standard deviation of the noise, on the scale 0 ... 255."
    found = re.search(rf"^ +{name}: (.*(?:\n {{12}}.*)*)", text, re.MULTILINE)
    said = " ".join(found[1].split()) if found else ""
    return said[:1].upper() + said[1:]


def _panel(name: str) -> str:
    """Return the heading that a setting stands under."""
    if name in _DATA:
        return "Images and noise"
    return "Network" if name in _NETWORK else "Training"


def _shown(setting: Field[Any]) -> str:
    """Return the default of a setting as the help shows it."""
    default: Any = setting.default
    if default is None:
        return _PHOTOGRAPHS
    if isinstance(default, bool):
        return setting.name if default else f"no-{setting.name}"
    return f"{255 * default:g}" if setting.name == "sigma" else str(default)
