"""The folder of a run: its files, and when it may be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from darboux.training._config import DenoiseConfig
from darboux.training._files import load_tensors


class RunFolder:
    """The files of a denoising run.

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

    def weights(self, name: str) -> Path:
        """Return the file of the trained weights of "model" or "twin"."""
        return self.path / f"{name}.safetensors"

    def check(self, config: DenoiseConfig, *, resume: bool) -> None:
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
        if not any(self.path.iterdir()):
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
        if lines := config.differences(DenoiseConfig.load(self.config)):
            raise ValueError(
                f"Expected the settings that {self.path} was begun with; got {'; '.join(lines)}. "
                "Leave these options out, or choose another folder with --out."
            )

    def load_config(self) -> DenoiseConfig:
        """Return the settings of a run that exists.

        Raises:
            FileNotFoundError: if the folder holds no run.
        """
        if not self.config.is_file():
            raise FileNotFoundError(
                f"Expected the folder of a run; got {self.path}, which has no config.json. "
                "Train one with: darboux train denoise --out DIR."
            )
        return DenoiseConfig.load(self.config)

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
                f"Use: darboux train denoise --out {self.path} --resume"
            )
        tensors, about = load_tensors(path)
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"Expected the weights of the network in {self.config}; got others in {path} "
                f"({reason}). Restore the file from a copy, or train anew."
            ) from error
        return about
