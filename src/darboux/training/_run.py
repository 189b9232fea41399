"""A whole denoising run: train, compare, certify, report."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import msgspec
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn

from darboux.certification import Certificate
from darboux.data._files import write_text
from darboux.structure import Lipschitz
from darboux.training._baseline import total_variation, tune_total_variation
from darboux.training._evaluation import certify_denoiser, denoise, psnr
from darboux.training._files import load_tensors, read_json, write_json
from darboux.training._listener import Listener, MetricsLog, Silent
from darboux.training._report import report_html
from darboux.training._run_folder import RunFolder
from darboux.training._settings import Settings
from darboux.training._setup import (
    build_network,
    fingerprint,
    held_out_images,
    make_patches,
    noisy_images,
    training_images,
)
from darboux.training._stage import Stage
from darboux.training._trainer import make_accelerator


class _Baseline(msgspec.Struct, forbid_unknown_fields=True):
    """Total variation's weight, and what it was tuned for."""

    sigma: float
    images: str
    weight: Annotated[float, msgspec.Meta(gt=0)]


def train_denoiser(
    config: Settings,
    out: str | Path,
    *,
    resume: bool = False,
    listener: Listener | None = None,
    effort: str = "normal",
    accelerator: Accelerator | None = None,
) -> dict[str, Any]:
    """Train a denoiser (and its twin), evaluate it, certify it, and write the results.

    It is nonexpansive with a `DenoiseConfig`, and minimises an energy with a regulariser of known
    convexity with a `RegularizerConfig`.

    Several processes may call it at once, as Accelerate or torchrun start them; the main one
    writes.

    Args:
        config: the settings.
        out: the run folder, new or empty; with `resume`, one that was begun with `config`.
        resume: continue where the run folder stands.
        listener: is told of the progress.
        effort: of the certificate: "quick", "normal" or "thorough".
        accelerator: devices and processes; by default what the environment says.

    Returns:
        What ``metrics.json`` holds; an empty dictionary on processes that are not the main one.

    Raises:
        FileExistsError: if the folder holds something that must not be overwritten.
        ValueError: if a setting, an image or a file of the run is refused.
        BlockingIOError: if another process writes to the folder.
        FloatingPointError: if the training of the network diverges; the last checkpoint stays. A
            twin that diverges is left out, and ``metrics.json`` and the report say so.

    Example:
        >>> import tempfile
        >>> from darboux.training import DenoiseConfig
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
    with _begun(folder, config, accelerator, resume=resume):
        stage = Stage(config, folder, images, held_out, accelerator, listener)
        trained = {"model": stage.train("model")}
        failure = _train_twin(stage, trained) if "twin" in config.trained() else None
        if not accelerator.is_main_process:
            return {}
        return _finish(stage, trained, failure, effort)


@contextmanager
def _begun(
    folder: RunFolder, config: Settings, accelerator: Accelerator, *, resume: bool
) -> Iterator[None]:
    """Hold the folder, with the settings in it; what the main process refuses, all refuse."""
    with ExitStack() as stack:
        refusal: list[Exception | None] = [None]
        if accelerator.is_main_process:
            try:
                stack.enter_context(folder.held())
                folder.check(config, resume=resume)  # again: another run may have ended meanwhile
                config.save(folder.config)
            except (OSError, ValueError) as error:
                refusal = [error]
        if (found := broadcast_object_list(refusal)[0]) is not None:
            raise found
        yield


def _train_twin(stage: Stage, trained: dict[str, tuple[nn.Module, float]]) -> str | None:
    """Train the twin; return why there is none: its divergence says nothing of the network."""
    try:
        trained["twin"] = stage.train("twin")
    except FloatingPointError as error:
        stage.listener.phase(f"without the unconstrained twin. {error}")
        return str(error)
    return None


def _try(config: Settings, images: Mapping[str, Tensor], accelerator: Accelerator) -> None:
    """Build what will be needed once, so that bad settings are refused before a file is written."""
    make_patches(config, images).batch_at(0, parts=accelerator.num_processes)
    for name in config.trained():
        build_network(name, config)


def _finish(
    stage: Stage,
    trained: Mapping[str, tuple[nn.Module, float]],
    failure: str | None,
    effort: str,
) -> dict[str, Any]:
    """Compare, certify and report; return the metrics."""
    networks = {name: network for name, (network, _) in trained.items()}
    stage.listener.phase("comparing with total variation")
    weight = _tuned_weight(stage)
    images = _treated(stage, networks, weight)
    stage.listener.phase("certifying")
    begun = time.perf_counter()
    certificates = _certificates(stage.config, networks, effort)
    seconds = {name: spent for name, (_, spent) in trained.items()}
    seconds["certificate"] = time.perf_counter() - begun
    metrics = {
        "task": stage.config.task,
        "sigma": stage.config.sigma,
        **_psnrs(images),
        "parameters": {n: sum(p.numel() for p in net.parameters()) for n, net in networks.items()},
        "tv_weight": weight,
        "weights": fingerprint(load_tensors(stage.folder.weights("model"))[0]),
        "certificate_verdict": certificates["model"].verdict,
        "twin_nonexpansive": certificates["twin"].verdict if "twin" in certificates else None,
        "twin_diverged": failure,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "machine": _machine(stage.accelerator),
        "versions": _versions(),
    }
    _write(stage, metrics, images, certificates)
    return metrics


def _certificates(
    config: Settings, networks: Mapping[str, nn.Module], effort: str
) -> dict[str, Certificate]:
    """Return the certificate of the network, and what attacks find if its twin claims as much."""
    certify = partial(certify_denoiser, channels=config.channels, sigma=config.sigma)
    found = {"model": certify(networks["model"], effort=effort)}
    if "twin" in networks:
        found["twin"] = certify(networks["twin"], effort="quick", claims=[Lipschitz(1.0)])
    return found


def _write(
    stage: Stage,
    metrics: Mapping[str, Any],
    images: Mapping[str, Mapping[str, Tensor]],
    certificates: Mapping[str, Certificate],
) -> None:
    """Write the certificate, the report and the metrics."""
    folder = stage.folder
    stage.listener.phase("writing the report")
    write_text(folder.certificate, certificates["model"].to_json())
    page = report_html(
        metrics,
        config=stage.config,
        lines=MetricsLog(folder.log).lines(),
        images=images,
        certificate=certificates["model"],
        contrast=certificates.get("twin"),
    )
    write_text(folder.report, page)
    folder.checkpoint.unlink(missing_ok=True)
    write_json(folder.metrics, metrics)  # last: where it stands, the run is complete


def _treated(
    stage: Stage, networks: Mapping[str, nn.Module], weight: float
) -> dict[str, Mapping[str, Tensor]]:
    """Return method to name to held-out image: noisy, denoised by every method, and clean."""
    noisy = noisy_images(stage.held_out, sigma=stage.config.sigma)
    methods: dict[str, Callable[[Tensor], Tensor]] = {"tv": partial(total_variation, weight=weight)}
    for name, network in networks.items():
        method = "unconstrained" if name == "twin" else name
        methods[method] = partial(denoise, network, channels=stage.config.channels)
    treated = {method: {n: f(x) for n, x in noisy.items()} for method, f in methods.items()}
    return {"noisy": noisy, **treated, "clean": stage.held_out}


def _psnrs(images: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Any]:
    """Return the PSNR of every method in dB, as means and for every image."""
    clean = images["clean"]
    treated = {method: versions for method, versions in images.items() if method != "clean"}
    table = {n: {m: psnr(x[n], clean[n]) for m, x in treated.items()} for n in clean}
    means: dict[str, Any] = {
        f"psnr_{m}": fmean(row[m] for row in table.values()) if m in treated else None
        for m in ("noisy", "model", "tv", "unconstrained")
    }
    return {**means, "images": table}


def _tuned_weight(stage: Stage) -> float:
    """Return total variation's weight, tuned once per run on the training images."""
    sigma, images = stage.config.sigma, stage.fingerprint
    if stage.folder.baseline.is_file():
        known = read_json(stage.folder.baseline, _Baseline)
        if (known.sigma, known.images) == (sigma, images):
            return known.weight
    weight = tune_total_variation(stage.images, sigma=sigma)
    write_json(stage.folder.baseline, _Baseline(sigma, images, weight))
    return weight


def _machine(accelerator: Accelerator) -> dict[str, Any]:
    """Return what the times depend on."""
    return {
        "device": str(accelerator.device),
        "processes": accelerator.num_processes,
        "threads": torch.get_num_threads(),
    }


def _versions() -> dict[str, str]:
    """Return the versions of what the numbers of a run depend on."""
    found = {"python": platform.python_version()}
    for package in ("darboux", "torch", "numpy", "accelerate", "scikit-image"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
