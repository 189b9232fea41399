"""A whole denoising run: train, compare, certify, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from darboux.certification._certificate import Certificate
from darboux.structure import Lipschitz
from darboux.training._baseline import total_variation, tune_total_variation
from darboux.training._certificates import certify_denoiser
from darboux.training._config import DenoiseConfig
from darboux.training._evaluation import denoise
from darboux.training._files import read_json, write_json, write_text
from darboux.training._images import (
    fingerprint,
    held_out_images,
    make_patches,
    noisy_images,
    training_images,
)
from darboux.training._listener import Listener, MetricsLog, Silent
from darboux.training._networks import build_network
from darboux.training._report import Report
from darboux.training._run_folder import RunFolder
from darboux.training._stage import Stage
from darboux.training._summary import Comparison, compare, versions
from darboux.training._trainer import make_accelerator


def train_denoiser(
    config: DenoiseConfig,
    out: str | Path,
    *,
    resume: bool = False,
    listener: Listener | None = None,
    effort: str = "normal",
    accelerator: Accelerator | None = None,
) -> dict[str, Any]:
    """Train a nonexpansive denoiser (and its twin), judge it, certify it, and write it all down.

    Several processes may call it at once, as Accelerate or torchrun start them; the main one
    writes.

    Args:
        config: the settings.
        out: the run folder, new or empty; with `resume`, one that was begun with `config`.
        resume: continue where the run folder stands.
        listener: hears of the progress.
        effort: of the certificate: "quick", "normal" or "thorough".
        accelerator: devices and processes; by default what the environment says.

    Returns:
        What ``metrics.json`` holds; an empty dictionary on processes that are not the main one.

    Raises:
        FileExistsError: if the folder holds something that must not be overwritten.
        ValueError: if a setting, an image or a file of the run is refused.
        FloatingPointError: if the training diverges; the last checkpoint stays.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     train_denoiser(DenoiseConfig(), file.name)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        NotADirectoryError: Expected a folder to write the run to; got the file ...
    """
    folder, listener = RunFolder(out), listener or Silent()
    folder.check(config, resume=resume)
    accelerator = accelerator or make_accelerator()
    images, held_out = training_images(config), held_out_images(config)
    _try(config, images, accelerator)
    accelerator.wait_for_everyone()  # all have checked the folder before one writes to it
    if accelerator.is_main_process:
        folder.path.mkdir(parents=True, exist_ok=True)
        config.save(folder.config)
    stage = Stage(config, folder, images, held_out, accelerator, listener)
    trained = {name: stage.train(name) for name in _names(config)}
    if not accelerator.is_main_process:
        return {}
    return _finish(stage, trained, effort)


def _names(config: DenoiseConfig) -> list[str]:
    """Return the names of the networks of a run."""
    return ["model", "twin"] if config.twin else ["model"]


def _try(config: DenoiseConfig, images: Mapping[str, Tensor], accelerator: Accelerator) -> None:
    """Build what will be needed once, so that bad settings are refused before a file is written."""
    make_patches(config, images).batch_at(0, parts=accelerator.num_processes)
    for name in _names(config):
        build_network(name, config)


def _finish(
    stage: Stage, trained: Mapping[str, tuple[nn.Module, float]], effort: str
) -> dict[str, Any]:
    """Compare, certify and report; return the metrics."""
    config, folder = stage.config, stage.folder
    networks = {name: network for name, (network, _) in trained.items()}
    stage.listener.phase("comparing with total variation")
    weight = _tuned_weight(stage)
    comparison = _compare(stage, networks, weight)
    stage.listener.phase("certifying")
    begun = time.perf_counter()
    certify = partial(certify_denoiser, channels=config.channels, sigma=config.sigma)
    certificate = certify(networks["model"], effort=effort)
    contrast = _contrast(networks, certify)
    seconds = {name: spent for name, (_, spent) in trained.items()}
    seconds["certificate"] = time.perf_counter() - begun
    metrics = _metrics(config, comparison, networks)
    metrics |= {
        "tv_weight": weight,
        "certificate_holds": certificate.holds,
        "twin_nonexpansive": None if contrast is None else contrast.holds,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "machine": _machine(stage.accelerator),
        "versions": versions(),
    }
    stage.listener.phase("writing the report")
    write_text(folder.certificate, certificate.to_json())
    report = Report(
        config, metrics, MetricsLog(folder.log).lines(), comparison, certificate, contrast
    )
    write_text(folder.report, report.to_html())
    write_json(folder.metrics, metrics)  # last: where it stands, the run is complete
    return metrics


def _contrast(
    networks: Mapping[str, nn.Module], certify: Callable[..., Certificate]
) -> Certificate | None:
    """Return what the same attacks find if the twin is said to be nonexpansive."""
    if "twin" not in networks:
        return None
    return certify(networks["twin"], effort="quick", claims=[Lipschitz(1.0)])


def _compare(stage: Stage, networks: Mapping[str, nn.Module], weight: float) -> Comparison:
    """Treat the held-out images by every method."""
    config, clean = stage.config, stage.held_out
    noisy = noisy_images(clean, sigma=config.sigma)
    methods: dict[str, Callable[[Tensor], Tensor]] = {
        "tv": partial(total_variation, weight=weight),
        "model": partial(denoise, networks["model"], channels=config.channels),
    }
    if "twin" in networks:
        methods["unconstrained"] = partial(denoise, networks["twin"], channels=config.channels)
    return compare(clean, noisy, methods)


def _tuned_weight(stage: Stage) -> float:
    """Return total variation's weight, tuned once per run on the training images."""
    key = {"sigma": stage.config.sigma, "images": fingerprint(stage.images)}
    if stage.folder.baseline.is_file():
        known = read_json(stage.folder.baseline)
        if isinstance(known, dict) and key.items() <= known.items():
            return float(known["weight"])
    weight = tune_total_variation(stage.images, sigma=stage.config.sigma)
    write_json(stage.folder.baseline, {**key, "weight": weight})
    return weight


def _metrics(
    config: DenoiseConfig, comparison: Comparison, networks: Mapping[str, nn.Module]
) -> dict[str, Any]:
    """Return the PSNRs, as means and for every image, and the sizes of the networks."""
    methods = ("noisy", "model", "tv", "unconstrained")
    means = {m: comparison.mean(m) if m in comparison.treated else None for m in methods}
    sizes = {n: sum(p.numel() for p in net.parameters()) for n, net in networks.items()}
    return {
        "task": "denoise",
        "sigma": config.sigma,
        **{f"psnr_{method}": mean for method, mean in means.items()},
        "images": comparison.table(),
        "parameters": sizes,
    }


def _machine(accelerator: Accelerator) -> dict[str, Any]:
    """Return what the times depend on."""
    return {
        "device": str(accelerator.device),
        "processes": accelerator.num_processes,
        "threads": torch.get_num_threads(),
    }
