"""Trained runs, to go on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from darboux.certification import Certificate
from darboux.imaging._bilevel import BilevelDenoiser
from darboux.structure._arguments import checked
from darboux.training._files import load_tensors, read_json
from darboux.training._run_folder import RunFolder
from darboux.training._setup import build_network, fingerprint


class Trained(NamedTuple):
    """A trained model, in evaluation mode, and its certificate.

    Example:
        >>> Trained._fields
        ('model', 'certificate')
    """

    model: nn.Module
    certificate: Certificate


@checked
def load(run: str | Path) -> Trained:
    """Return what a run has trained, with the certificate that it got.

    It is the denoiser of ``darboux train denoise``, and the regulariser of ``darboux train
    regularizer``.

    Args:
        run: the folder of a run that is complete.

    Raises:
        TypeError: if `run` is no path.
        FileNotFoundError: if there is no run, or it is not complete.
        ValueError: if a file is damaged or foreign, or the weights are not those that the
            certificate speaks of.

    Example:
        >>> load("nowhere")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        FileNotFoundError: Expected the folder of a run; got nowhere, which has no config.json...
    """
    folder = RunFolder(run)
    config = folder.load_config()
    network = build_network("model", config)
    folder.load_weights("model", network)
    if not folder.metrics.is_file():
        raise FileNotFoundError(
            f"Expected a complete run; got {folder.path}, which has no metrics.json. "
            f"Use: darboux train {config.task} --out {folder.path} --resume"
        )
    known = read_json(folder.metrics, dict[str, Any]).get("weights")  # version 0.1 has none
    if known not in (None, fingerprint(load_tensors(folder.weights("model"))[0])):
        raise ValueError(
            f"Expected the weights that {folder.certificate} speaks of; got others in "
            f"{folder.weights('model')}. Restore the file, or certify: darboux certify {run}."
        )
    certificate = Certificate.from_json(folder.certificate.read_text())
    model = network.prior if isinstance(network, BilevelDenoiser) else network
    return Trained(model.eval(), certificate)
