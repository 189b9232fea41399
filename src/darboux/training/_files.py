"""Files of a run, JSON and tensors: checked against their schema when read, and no pickle."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from darboux.data._files import write_bytes

_KEY = "darboux"

_T = TypeVar("_T")


def json_bytes(content: Any) -> bytes:
    """Return JSON on one line; a number that is not finite, which JSON cannot hold, is null."""
    return msgspec.json.encode(content, enc_hook=lambda number: number.item())  # NumPy's


def write_json(path: Path, content: Any) -> None:
    """Replace a JSON file atomically; see `json_bytes`."""
    write_bytes(path, msgspec.json.format(json_bytes(content), indent=2) + b"\n")


def read_json(path: Path, schema: type[_T]) -> _T:
    """Read a JSON file of a schema."""
    return checked(parsed(path.read_bytes(), where=path), schema, where=path)


def parsed(content: bytes | str, *, where: object) -> Any:
    """Return what JSON says; `where` is named in the error message."""
    try:
        return msgspec.json.decode(content)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(_refusal(where, str(error))) from error


def checked(values: Any, schema: type[_T], *, where: object) -> _T:
    """Return the values of a JSON document as an instance of their schema."""
    try:
        return msgspec.convert(values, schema)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(_refusal(where, str(error) + _found(values, str(error)))) from error


def _refusal(where: object, reason: str) -> str:
    """Return what is wrong about a JSON document, and what to do."""
    return (
        f"Expected JSON in {where} as darboux writes it; got something else ({reason}). "
        "The file is damaged or foreign: restore it, or start in a new folder."
    )


def _found(values: Any, reason: str) -> str:
    """Return the value that a message "... - at `$.key[0]`" is about."""
    place = re.search(r" - at `\$(.+)`$", reason)
    with contextlib.suppress(LookupError, TypeError, ValueError):
        for key in re.findall(r"[^.\[\]]+", place[1] if place else "?"):
            values = values[int(key) if isinstance(values, list) else key]
        return f": {values!r:.60}"
    return ""


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write named tensors and a JSON description, atomically and without pickle.

    Args:
        path: the file.
        tensors: name to tensor, of any device.
        about: what JSON can hold; it stands in the header of the file.

    Raises:
        OSError: if the disk is full; the old file is untouched.

    Example:
        >>> import tempfile, torch
        >>> file = Path(tempfile.mkdtemp()) / "a.safetensors"
        >>> save_tensors(file, {"w": torch.ones(2)}, {"step": 3})
        >>> load_tensors(file)
        ({'w': tensor([1., 1.])}, {'step': 3})
    """
    # A copy each: safetensors refuses tensors that share memory.
    own = {name: t.detach().cpu().clone().contiguous() for name, t in tensors.items()}
    write_bytes(Path(path), save(own, {_KEY: json_bytes(about).decode()}))


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and the description that `save_tensors` wrote.

    Args:
        path: the file.

    Returns:
        Name to tensor (on the CPU), and the description.

    Raises:
        ValueError: if the file is truncated, or was not written by `save_tensors`.
        FileNotFoundError: if there is no such file.

    Example:
        >>> load_tensors("nowhere")
        Traceback (most recent call last):
            ...
        FileNotFoundError: Expected a file of tensors; got nowhere, which does not exist.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of tensors; got {path}, which does not exist.")
    try:
        with safe_open(path, framework="pt") as file:
            about = (file.metadata() or {}).get(_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"Expected a safetensors file; got {path}, which is truncated or foreign ({error}). "
            "Remove it, or restore it from a copy."
        ) from error
    if about is None:
        raise ValueError(
            f"Expected a file that darboux wrote; got {path}, whose header says nothing of it. "
            "Remove it, or restore it from a copy."
        )
    return tensors, checked(parsed(about, where=path), dict[str, Any], where=path)
