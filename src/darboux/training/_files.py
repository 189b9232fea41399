"""Files of a run, JSON and tensors: the old or the new one, never half of each, and no pickle."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

_KEY = "darboux"


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file atomically: another name in the same folder, fsync, rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _write_through(temporary, content)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, _sentence(path, error)) from error
    _sync_folder(path.parent)


def write_text(path: Path, content: str) -> None:
    """Replace a text file atomically, in UTF-8; see `write_bytes`."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """Replace a JSON file atomically; see `write_bytes`."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"Expected JSON in {path}; got something else ({error}). "
            "The file is damaged or foreign: restore it, or start in a new folder."
        ) from error


def _write_through(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where the system lets folders be synchronised."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    except OSError:  # some network file systems refuse it; the rename itself is done
        pass
    finally:
        os.close(handle)


def _sentence(path: Path, error: OSError) -> str:
    """Return what happened to a write, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"No space is left on the disk for {path}; what stood there before is untouched. "
            "Free some space and continue with --resume."
        )
    return f"{path} cannot be written ({error.strerror}); what stood there before is untouched."


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
    write_bytes(Path(path), save(own, {_KEY: json.dumps(about)}))


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
    return tensors, json.loads(about)


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under ``prefix/name``."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that stand under ``prefix/``, without it: undoes `prefixed`."""
    start = f"{prefix}/"
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}


def pack_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimiser's state into tensors "parameter/key" and a JSON description."""
    state = optimizer.state_dict()
    entries = {f"{n}/{k}": v for n, values in state["state"].items() for k, v in values.items()}
    tensors = {name: value for name, value in entries.items() if isinstance(value, Tensor)}
    plain = {name: value for name, value in entries.items() if name not in tensors}
    return tensors, {"values": plain, "groups": state["param_groups"]}


def unpack_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], about: Mapping[str, Any]
) -> None:
    """Load what `pack_optimizer` returned."""
    state: dict[int, dict[str, Any]] = {}
    for name, value in (*tensors.items(), *about["values"].items()):
        number, _, key = name.partition("/")
        state.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": about["groups"]})
