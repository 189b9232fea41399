"""The circumstances in which a certificate was made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import final

import torch
from torch import Tensor, nn


@final
@dataclass(frozen=True)
class Environment:
    """Module, input, versions and seed: enough to make the certificate again."""

    module: str
    fingerprint: str
    shape: tuple[int, ...]
    dtype: str
    device: str
    effort: str
    seed: int
    torch: str
    darboux: str
    date: str

    @classmethod
    def of(cls, module: nn.Module, example: Tensor, *, effort: str, seed: int) -> Environment:
        """Return the present environment."""
        return cls(
            module=type(module).__name__,
            fingerprint=fingerprint(module),
            shape=tuple(example.shape),
            dtype=str(example.dtype).removeprefix("torch."),
            device=str(example.device),
            effort=effort,
            seed=seed,
            torch=str(torch.__version__),
            darboux=_version(),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def fingerprint(module: nn.Module) -> str:
    """Return SHA-256 of names, dtypes, shapes and bytes of a module's state_dict."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        if not isinstance(value, Tensor):
            digest.update(f"{name}={value!r};".encode())
            continue
        digest.update(f"{name}:{value.dtype}:{tuple(value.shape)};".encode())
        raw = value.detach().cpu().resolve_conj().contiguous().flatten().view(torch.uint8)
        digest.update(raw.numpy().tobytes())
    return digest.hexdigest()


def _version() -> str:
    try:
        return metadata.version("darboux")
    except metadata.PackageNotFoundError:
        return "unknown"
