"""Where and how a certificate was made."""

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
    """What someone needs to make the certificate again.

    Args:
        module: the class of the certified module.
        fingerprint: SHA-256 of its state_dict.
        shape: of the example.
        dtype: of the example.
        device: of the example.
        effort: "quick", "normal" or "thorough".
        seed: of the generator.
        torch: its version.
        darboux: its version.
        date: UTC, ISO 8601.

    Example:
        >>> made = Environment.of(nn.Linear(2, 2), torch.zeros(1, 2), effort="quick", seed=0)
        >>> made.module, made.shape, len(made.fingerprint)
        ('Linear', (1, 2), 64)
    """

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
    """Return SHA-256 of names, dtypes, shapes and bytes of a module's state_dict.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> before = fingerprint(layer)
        >>> with torch.no_grad():
        ...     _ = layer.bias.add_(1.0)
        >>> fingerprint(layer) == before
        False
    """
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        if not isinstance(value, Tensor):
            digest.update(f"{name}={value!r};".encode())
            continue
        digest.update(f"{name}:{value.dtype}:{tuple(value.shape)};".encode())
        raw = value.detach().cpu().contiguous().flatten().view(torch.uint8)
        digest.update(raw.numpy().tobytes())
    return digest.hexdigest()


def _version() -> str:
    try:
        return metadata.version("darboux")
    except metadata.PackageNotFoundError:
        return "unknown"
