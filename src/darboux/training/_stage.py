"""The training of one network of a run, continued from its checkpoint if there is one."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from darboux.training._evaluation import mean_psnr
from darboux.training._files import checked, load_tensors, save_tensors
from darboux.training._listener import Listener, MetricsLog
from darboux.training._one_cycle import OneCycle
from darboux.training._run_folder import RunFolder
from darboux.training._settings import Settings
from darboux.training._setup import build_network, fingerprint, make_patches, noisy_images
from darboux.training._trainer import Trainer, diverged, loss_named


class _Checkpoint(msgspec.Struct):
    """What a checkpoint says beside the trainer's own state."""

    network: Literal["model", "twin"]
    seconds: Annotated[float, msgspec.Meta(ge=0)]
    images: str


@dataclass(frozen=True)
class Stage:
    """The training of the networks of a run, one after another."""

    config: Settings
    folder: RunFolder
    images: Mapping[str, Tensor]
    held_out: Mapping[str, Tensor]
    accelerator: Accelerator
    listener: Listener

    @cached_property
    def fingerprint(self) -> str:
        """The hash of the training images."""
        return fingerprint(self.images)

    def train(self, name: str) -> tuple[nn.Module, float]:
        """Train a network to its end, or load it where that has been done."""
        network = build_network(name, self.config)
        if self.folder.weights(name).is_file():
            about = self.folder.load_weights(name, network)
            if about["steps"] != self.config.steps:
                raise ValueError(
                    f"Expected weights after {self.config.steps} steps, as {self.folder.config} "
                    f"says; got {about['steps']} in {self.folder.weights(name)}. Restore the "
                    "settings, or start anew with another --out."
                )
            return network.to(self.accelerator.device).eval(), float(about["seconds"])
        trainer = self._trainer(name, network)
        seconds = self._restore(name, trainer)
        seconds = self._run(name, trainer, seconds)
        if self.accelerator.is_main_process:
            about = {"network": name, "steps": self.config.steps, "seconds": seconds}
            save_tensors(self.folder.weights(name), network.state_dict(), about)
        self.accelerator.wait_for_everyone()
        self.accelerator.free_memory()
        return network.eval(), seconds

    def _trainer(self, name: str, network: nn.Module) -> Trainer:
        """Return the trainer of a network, at step 0."""
        config = self.config
        return Trainer(
            network,
            make_patches(config, self.images),
            schedule=OneCycle(peak=config.peak(name), steps=config.steps, warmup=config.warmup),
            loss=loss_named(config.loss),
            accelerator=self.accelerator,
        )

    def _restore(self, name: str, trainer: Trainer) -> float:
        """Continue from the checkpoint if it is this network's; return the seconds spent."""
        seconds = 0.0
        if self.folder.checkpoint.is_file():
            tensors, about = load_tensors(self.folder.checkpoint)
            found = checked(about, _Checkpoint, where=self.folder.checkpoint)
            self._check_images(found)
            if found.network == name:
                trainer.restore(tensors, about, where=str(self.folder.checkpoint))
                seconds = found.seconds
        self._check_processes(trainer.step)
        if self.accelerator.is_main_process:
            MetricsLog(self.folder.log).keep(lambda line: self._stays(line, name, trainer.step))
        return seconds

    def _stays(self, line: Mapping[str, Any], name: str, step: int) -> bool:
        """Return whether a line of the log belongs to what will not be trained again."""
        if line["network"] == name:
            return bool(line["step"] <= step)
        known = line["network"] in ("model", "twin")
        return known and self.folder.weights(line["network"]).is_file()

    def _run(self, name: str, trainer: Trainer, seconds: float) -> float:
        """Train to the end, with an evaluation and a checkpoint every so many steps."""
        noisy = noisy_images(self.held_out, sigma=self.config.sigma)
        main = self.accelerator.is_main_process

        def on_step(done: int) -> None:
            self.listener.step(name, done, self.config.steps)

        while trainer.step < self.config.steps:
            begun = time.perf_counter()
            count = min(self.config.eval_every, self.config.steps - trainer.step)
            losses = trainer.advance(count, on_step=on_step if main else None)
            seconds += time.perf_counter() - begun
            psnr = mean_psnr(
                trainer.network,
                noisy,
                self.held_out,
                channels=self.config.channels,
                accelerator=self.accelerator,
            )
            if math.isnan(psnr) or psnr == -math.inf:
                raise diverged(f"PSNR on the held-out images; got {psnr} at step {trainer.step}")
            line = _line(name, trainer.step, losses, psnr, seconds)
            if main:
                self._write(line, trainer)
        return seconds

    def _write(self, line: dict[str, Any], trainer: Trainer) -> None:
        """Write an evaluation, then the checkpoint: a kill in between is undone on resuming."""
        MetricsLog(self.folder.log).append(line)
        tensors, about = trainer.state()
        about |= {"network": line["network"], "seconds": line["seconds"]}
        about |= {"images": self.fingerprint}
        save_tensors(self.folder.checkpoint, tensors, about)
        self.listener.evaluation(line)

    def _check_images(self, about: _Checkpoint) -> None:
        """Refuse to continue on images that are not those the run began with."""
        if about.images != self.fingerprint:
            raise ValueError(
                f"Expected the training images that {self.folder.checkpoint} was begun with; got "
                "others: files have been added, removed or changed. Restore them, or start anew "
                "with another --out."
            )

    def _check_processes(self, step: int) -> None:
        """Refuse to go on where the processes see different checkpoints."""
        here = torch.tensor([step], device=self.accelerator.device)
        steps = self.accelerator.gather(here).tolist()
        if len(set(steps)) > 1:
            raise ValueError(
                f"Expected every process to see the same {self.folder.checkpoint}; got the steps "
                f"{steps}. Put the run folder where all machines can read it."
            )


def _line(
    name: str, step: int, losses: Tensor, psnr: float, seconds: float
) -> dict[str, str | int | float]:
    """Return one line of the log; the loss is the mean since the line before."""
    return {
        "network": name,
        "step": step,
        "loss": float(losses.double().mean()),
        "psnr": psnr,
        "seconds": round(seconds, 3),
    }
