"""``darboux train denoise`` and ``darboux train regularizer``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from darboux.cli._commands import Effort
from darboux.cli._errors import OF_VERDICTS
from darboux.cli._options import with_settings
from darboux.cli._progress import ProgressBar
from darboux.training._config import DenoiseConfig
from darboux.training._regularizer_config import RegularizerConfig
from darboux.training._run import train_denoiser
from darboux.training._run_folder import RunFolder
from darboux.training._trainer import make_accelerator

Out = Annotated[Path, typer.Option(help="Folder that the run is written to.")]

Resume = Annotated[
    bool, typer.Option("--resume", help="Continue the run in --out where it stands.")
]

Threads = Annotated[
    int | None,
    typer.Option(min=1, max=1024, help="CPU threads.", show_default="torch's choice"),
]


def command(name: str) -> Callable[..., None]:
    """Return a command by its name, with an option for each setting."""
    if name == "denoise":
        return with_settings(train_denoise, DenoiseConfig)
    return with_settings(train_regularizer, RegularizerConfig)


def train_denoise(
    *,
    out: Out = Path("runs/denoise"),
    resume: Resume = False,
    effort: Effort = "normal",
    threads: Threads = None,
    given: dict[str, Any],
) -> None:
    """Train a denoiser that is nonexpansive by construction, judge it and certify it.

    It learns from noisy photographs, is compared with total variation and with the same network
    without the structure, on photographs that it has never seen, and gets its certificate.

    The run folder holds config.json, model.safetensors, twin.safetensors, metrics.json,
    metrics.jsonl, certificate.json and report.html. A run that was stopped goes on with --resume;
    options that are not repeated are then taken from the folder.

    On several processes: torchrun --nproc_per_node 2 -m darboux train denoise, or
    accelerate launch --multi_gpu --num_processes 2 -m darboux train denoise, with GPUs or
    without.
    """
    _run(DenoiseConfig(), out, resume=resume, effort=effort, threads=threads, given=given)


def train_regularizer(
    *,
    out: Out = Path("runs/regularizer"),
    resume: Resume = False,
    effort: Effort = "normal",
    threads: Threads = None,
    given: dict[str, Any],
) -> None:
    """Train a regulariser that is convex or weakly convex by construction, judge and certify it.

    It is learned by denoising photographs: its filters and thresholds change such that the
    minimisers of ‖z - x‖² / 2 + R(z) come close to the clean patches. It is compared with total
    variation on photographs that it has never seen, and gets its certificate. Then it serves for
    other measurements, too: darboux reconstruct.

    The run folder holds config.json, model.safetensors, metrics.json, metrics.jsonl,
    certificate.json and report.html. A run that was stopped goes on with --resume; options that
    are not repeated are then taken from the folder.
    """
    _run(RegularizerConfig(), out, resume=resume, effort=effort, threads=threads, given=given)


def _run(
    usual: Config,
    out: Path,
    *,
    resume: bool,
    effort: str,
    threads: int | None,
    given: dict[str, Any],
) -> None:
    """Train, and end with the code of the certificate's verdict."""
    if threads is not None:
        torch.set_num_threads(threads)
    config = _config(usual, out, given, resume=resume)
    metrics = _train(config, out, resume=resume, effort=effort)
    if metrics:
        raise typer.Exit(OF_VERDICTS[metrics["certificate_verdict"]])


Config = DenoiseConfig | RegularizerConfig


_VERDICTS = {"holds": "holds", "refuted": "is REFUTED", "undecided": "is UNDECIDED"}


def _config(usual: Config, out: Path, given: dict[str, Any], *, resume: bool) -> Config:
    """Return the settings: those given, on top of the run's own where it is continued."""
    folder = RunFolder(out)
    if not (resume and folder.config.is_file()):
        return replace(usual, **given)
    begun = folder.load_config()
    if begun.task != usual.task:
        raise ValueError(
            f"Expected a run of darboux train {usual.task} in {out}; got one of darboux train "
            f"{begun.task}. Continue it with that command."
        )
    return replace(begun, **given)


def _train(config: Config, out: Path, *, resume: bool, effort: str) -> dict[str, Any]:
    """Train with a progress bar on the main process, and say what came out."""
    accelerator = make_accelerator()
    try:
        if not accelerator.is_main_process:
            return train_denoiser(config, out, resume=resume, accelerator=accelerator)
        with ProgressBar() as bar:
            metrics = train_denoiser(
                config, out, resume=resume, effort=effort, listener=bar, accelerator=accelerator
            )
        typer.echo(_summary(metrics, out, config.label))
        return metrics
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Continue with --resume.") from None
    finally:
        accelerator.end_training()


def _summary(metrics: dict[str, Any], out: Path, label: str) -> str:
    """Return the result in a few lines."""
    names = {
        "psnr_noisy": "noisy",
        "psnr_tv": "total variation",
        "psnr_unconstrained": "unconstrained",
        "psnr_model": label,
    }
    rows = [f"  {n:<16}{metrics[k]:6.2f} dB" for k, n in names.items() if metrics[k] is not None]
    verdict = _VERDICTS[metrics["certificate_verdict"]]
    head = "Mean PSNR on the held-out images:"
    return "\n".join([head, *rows, f"The certificate {verdict}. Report: {out / 'report.html'}"])
