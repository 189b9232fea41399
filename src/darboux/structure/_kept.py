"""Claims that a module keeps from the one that it was made of, for the state that it has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from darboux.structure._bijective import LogDeterminant
from darboux.structure._claim import Claim, Claims, Gap, Kind
from darboux.structure._compose import strongest
from darboux.structure._energy import Dissipative, EnergyPreserving
from darboux.structure._phase import Invertible
from darboux.structure._premise import as_frozen
from darboux.structure._rules import departure

_KEPT = "_kept_claims"

_PLAIN = (bool, int, float, complex, str, bytes, type(None))

# Promises of methods that are not kept, such as the module's ``inverse``.
_OF_METHODS = (Dissipative, EnergyPreserving, Invertible, LogDeterminant)


@dataclass(frozen=True)
class _Kept:
    """Claims, and the state for which they were computed."""

    claims: Claims
    state: str


def keep(module: nn.Module, claims: Claims) -> None:
    """Let a new module keep claims, for the state that it has now."""
    known = [claim for claim in claims if not _is_stale(claim)]
    kept = tuple(_for_now(c) for c in known if not isinstance(c.structure, _OF_METHODS))
    lost = [c.structure for c in known if isinstance(c.structure, _OF_METHODS)]
    reason = "{} stops here: what is frozen has no methods but forward()"
    gaps = tuple(Gap("", reason.format(type(structure).__name__)) for structure in lost)
    state = _fingerprint(module)
    if state:
        setattr(module, _KEPT, _Kept(Claims(kept, (*claims.gaps, *gaps)), state))


def _is_stale(claim: Claim) -> bool:
    return any(p.values["change"] for p in claim.premises if p.condition == as_frozen)


def _for_now(claim: Claim) -> Claim:
    reason = f"of what was frozen: {claim.reason}"
    return Claim(claim.structure, min(claim.kind, Kind.BOUND), reason)


def with_kept(module: nn.Module, found: Claims) -> Claims:
    """Return the claims that were found of a module, and those that it keeps."""
    kept = getattr(module, _KEPT, None)
    if not isinstance(kept, _Kept):
        return found
    change = _change(module, kept.state)
    premise = as_frozen(module, change=change)
    claims = tuple(replace(claim, premises=(premise,)) for claim in kept.claims)
    if not change:
        return Claims(strongest((*found, *claims)), kept.claims.gaps)
    old = tuple(replace(c, kind=Kind.MEASURED, reason=f"{change}; {c.reason}") for c in claims)
    same = [claim.structure for claim in old]  # parts have lost theirs, too
    other = [c for c in found if c.kind > Kind.MEASURED or c.structure not in same]
    return Claims((*other, *old), (*found.gaps, *kept.claims.gaps))


def _change(module: nn.Module, state: str) -> str:
    """Return in what way a module is not the one that was frozen, "" if it is."""
    for name, part in module.named_modules():
        where = f" ({name})" if name else ""
        if part.training:
            return f"in training mode{where}, since it was frozen in eval mode: call eval()"
        reason = departure(part, type(part))
        if reason:
            return f"{reason}{where}"
    if _fingerprint(module) == state:
        return ""
    return "weights changed since it was frozen: freeze the network again"


def _fingerprint(module: nn.Module) -> str:
    """Return SHA-256 of what a module computes with, by value, "" where that cannot be read."""
    # The classes of its parts, their tensors, and what public attributes hold as plain data.
    digest = hashlib.sha256()
    try:
        for name, part in module.named_modules(remove_duplicate=False):
            digest.update(f"{name}:{type(part).__module__}.{type(part).__qualname__};".encode())
            for text in _written(_held(part)):
                digest.update(text)
    except (NotImplementedError, RuntimeError):
        return ""
    return digest.hexdigest()


def _held(part: nn.Module) -> dict[str, Any]:
    public = {k: v for k, v in vars(part).items() if not k.startswith("_") and k != "training"}
    return {**part._parameters, **part._buffers, **public}


def _written(value: Any) -> Iterator[bytes]:
    if isinstance(value, Tensor):
        yield from _tensor(value)
    elif isinstance(value, _PLAIN):
        yield f"{value!r};".encode()
    elif isinstance(value, (list, tuple)):
        yield f"{len(value)} of;".encode()
        for member in value:
            yield from _written(member)
    elif isinstance(value, Mapping):
        yield from _written(sorted(value.items(), key=lambda item: str(item[0])))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _written({field.name: getattr(value, field.name) for field in fields(value)})
    else:
        name = getattr(value, "__qualname__", type(value).__qualname__)  # of a function, its own
        yield f"{name};".encode()


def _tensor(value: Tensor) -> Iterator[bytes]:
    values = value.detach().cpu()
    if values.is_complex():
        values = torch.view_as_real(values.resolve_conj())
    wide = values.double() if values.is_floating_point() else values
    yield f"{tuple(wide.shape)} {wide.dtype};".encode()
    yield wide.contiguous().flatten().view(torch.uint8).numpy().tobytes()
