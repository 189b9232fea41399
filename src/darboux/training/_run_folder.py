"""The folder of a run: its files, and when it may be written."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout
from torch import nn

from darboux.data._files import PARTS
from darboux.training._config import DenoiseConfig
from darboux.training._files import checked, load_tensors, read_json
from darboux.training._regularizer_config import RegularizerConfig
from darboux.training._settings import Settings
from darboux.training._state import difference


class _Weights(msgspec.Struct):
    """What the file of trained weights says about them."""

    network: Literal["model", "twin"]
    steps: Annotated[int, msgspec.Meta(ge=1)]
    seconds: Annotated[float, msgspec.Meta(ge=0)]


class RunFolder:
    """The files of a run.

    Args:
        path: the folder; it need not exist.

    Example:
        >>> RunFolder("runs/demo").weights("model").name
        'model.safetensors'
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.metrics = self.path / "metrics.json"
        self.log = self.path / "metrics.jsonl"
        self.baseline = self.path / "tv.json"
        self.certificate = self.path / "certificate.json"
        self.report = self.path / "report.html"
        self._lock = self.path / ".lock"

    def weights(self, name: str) -> Path:
        """Return the file of the trained weights of "model" or "twin"."""
        return self.path / f"{name}.safetensors"

    def check(self, config: Settings, *, resume: bool) -> None:
        """Refuse a folder that holds something else, and a run unless it is to be continued.

        Args:
            config: of the run that is about to write here.
            resume: whether it may continue what it finds.

        Raises:
            FileExistsError: if the folder is not empty, and holds no run or `resume` is False.
            ValueError: if it holds a run with other settings, which are named.
            NotADirectoryError: if the path is a file.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise NotADirectoryError(
                f"Expected a folder to write the run to; got the file {self.path}. "
                "Choose another folder with --out."
            )
        traces = {self._lock, *self.path.glob(PARTS)}  # of a run that ended before it began
        if traces.issuperset(self.path.iterdir()):
            return
        if not self.config.is_file():
            raise FileExistsError(
                f"Expected a new or empty folder, or one that holds a run; got {self.path}, which "
                "holds other files. Nothing was written: choose another folder with --out."
            )
        if not resume:
            raise FileExistsError(
                f"Expected a new folder; got {self.path}, which already holds a run. Nothing was "
                "written: use --resume to continue it, or choose another folder with --out."
            )
        if lines := config.differences(self.load_config()):
            raise ValueError(
                f"Expected the settings that {self.path} was begun with; got {'; '.join(lines)}. "
                "Leave these options out, or choose another folder with --out."
            )

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder, keep other processes from writing to it, and tidy it.

        Raises:
            BlockingIOError: if another process holds it, which is named.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        # The system frees the lock of a process that ends, however it ends.
        lock: BaseFileLock = FileLock(self._lock, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise BlockingIOError(
                f"Expected a folder that no other process writes to; got {self.path}, which "
                f"{self._holder()} holds. Wait until it ends, or choose another folder with --out."
            ) from None
        try:
            for part in self.path.glob(PARTS):
                part.unlink()
            if not isinstance(lock, SoftFileLock):  # where the system has no locks: it says who
                with contextlib.suppress(OSError):  # of a full disk, which the next file will meet
                    self._lock.write_text(f"process {os.getpid()} on {socket.gethostname()}")
            yield
        finally:
            lock.release()

    def _holder(self) -> str:
        """Return who holds the folder, as far as the lock says."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return " ".join(self._lock.read_text().split()) or "another process"
        return "another process"

    def load_config(self) -> DenoiseConfig | RegularizerConfig:
        """Return the settings of a run that exists.

        Raises:
            FileNotFoundError: if the folder holds no run.
        """
        if not self.config.is_file():
            raise FileNotFoundError(
                f"Expected the folder of a run; got {self.path}, which has no config.json. "
                "Train one with: darboux train denoise --out DIR, or darboux train regularizer."
            )
        values = read_json(self.config, dict[str, Any])
        kinds = {kind.task: kind for kind in (DenoiseConfig, RegularizerConfig)}
        kind = kinds.get(str(values.get("task")), DenoiseConfig)
        return kind.from_dict(values, where=str(self.config))

    def load_weights(self, name: str, network: nn.Module) -> dict[str, Any]:
        """Load trained weights into a network, and return what their file says about them.

        Args:
            name: "model" or "twin".
            network: built from the settings of this run; changed in place.

        Raises:
            FileNotFoundError: if the training has not come to its end yet.
            ValueError: if the file is damaged, or belongs to another network.
        """
        path = self.weights(name)
        if not path.is_file():
            raise FileNotFoundError(
                f"Expected trained weights in {path}; there are none yet. "
                f"Use: darboux train {self.load_config().task} --out {self.path} --resume"
            )
        tensors, about = load_tensors(path)
        found = checked(about, _Weights, where=path).network
        reason = difference(tensors, network.state_dict())
        if found != name:
            reason = f"expected those of the {name}; got those of the {found}"
        if reason:
            raise ValueError(
                f"Expected the weights of the network in {self.config}; got others in {path} "
                f"({reason}). Restore the file from a copy, or train anew."
            )
        network.load_state_dict(tensors)
        return about
