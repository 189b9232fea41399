"""Certificates as strict JSON.

The schema is ``darboux.certificate``, version 2. Numbers that JSON does not know are
the strings "inf", "-inf" and "nan". Tensors carry shape, dtype, norm and their values,
as a list up to 64 entries, else as base64 of little-endian float64.
"""

from __future__ import annotations

import ast
import base64
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from darboux import manifolds
from darboux.certification._environment import Environment
from darboux.certification._finding import Row, attack
from darboux.structure import Gap, Kind, PointSet, Structure

_SCHEMA = "darboux.certificate"

_VERSION = 2

_SMALL = 64

_PLAIN = ("path", "level", "statement", "status", "reason", "tried", "samples", "dtype", "note")

_NUMBERS = ("measured", "claimed", "tolerance")


def encode(
    rows: tuple[Row, ...],
    gaps: tuple[Gap, ...],
    environment: Environment,
    *,
    verdict: str,
    missing: tuple[str, ...],
) -> str:
    """Return a certificate as JSON."""
    document = {
        "schema": _SCHEMA,
        "version": _VERSION,
        "verdict": verdict,
        "missing": missing,
        "environment": asdict(environment),
        "gaps": [asdict(gap) for gap in gaps],
        "rows": [_row(row) for row in rows],
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)


def decode(text: str) -> tuple[tuple[Row, ...], tuple[Gap, ...], Environment]:
    """Return what `encode` wrote."""
    found = _document(text)
    try:
        made = dict(found["environment"])
        environment = Environment(**{**made, "shape": tuple(made["shape"])})
        gaps = tuple(Gap(**gap) for gap in found["gaps"])
        rows = tuple(_read_row(row) for row in found["rows"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        cause = f"{type(error).__name__}: {error}"
        msg = f"Expected a complete certificate; this one is damaged ({cause})."
        raise ValueError(msg) from None
    return rows, gaps, environment


def _document(text: str) -> dict[str, Any]:
    """Return the parsed text, if it says that it is a certificate of this version."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        msg = f"Expected a certificate as JSON; got something that is none ({error})."
        raise ValueError(msg) from None
    found = document if isinstance(document, dict) else {}
    if (found.get("schema"), found.get("version")) != (_SCHEMA, _VERSION):
        msg = (
            f"Expected a certificate (schema {_SCHEMA!r}, version {_VERSION}); got schema "
            f"{found.get('schema')!r}, version {found.get('version')!r}."
        )
        raise ValueError(msg)
    return found


def _row(row: Row) -> dict[str, Any]:
    plain: dict[str, Any] = {name: getattr(row, name) for name in _PLAIN}
    plain.update({name: _number(getattr(row, name)) for name in _NUMBERS})
    plain["kind"] = None if row.kind is None else row.kind.name
    plain["structure"] = None if row.structure is None else _structure(row.structure)
    plain["evidence"] = {name: _tensor(value) for name, value in row.evidence.items()}
    return plain


def _read_row(row: Mapping[str, Any]) -> Row:
    plain: dict[str, Any] = {name: row[name] for name in _PLAIN}
    numbers: dict[str, Any] = {
        name: None if row[name] is None else float(row[name]) for name in _NUMBERS
    }
    return Row(
        **plain,
        **numbers,
        kind=None if row["kind"] is None else Kind[row["kind"]],
        structure=_read_structure(row["structure"]),
        evidence={name: _read_tensor(value) for name, value in row["evidence"].items()},
    )


def _number(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)


def _structure(thing: Structure | PointSet) -> dict[str, Any]:
    names = [field.name for field in fields(thing)] if is_dataclass(thing) else vars(thing)
    values = {name: _value(getattr(thing, name)) for name in names}
    return {"class": type(thing).__name__, "values": values}


def _value(value: object) -> Any:
    """Return a number, a manifold or several of them as JSON, the text of anything else."""
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, PointSet):
        return _structure(value)
    if isinstance(value, tuple):
        return [_value(entry) for entry in value]
    return repr(value)


def _read_structure(data: Mapping[str, Any] | None) -> Structure | None:
    """Return the structure, or None for one that cannot be made again from what was written."""
    # Such are those whose class has no registered attack here, and those about groups.
    known = {cls.__name__: cls for cls in attack.registry if issubclass(cls, Structure)}
    try:
        return None if data is None else _made(known, data)
    except LookupError:
        return None


def _made(known: Mapping[str, Any], data: Mapping[str, Any]) -> Any:
    values = {name: _read_value(value) for name, value in data["values"].items()}
    return known[data["class"]](**values)


def _read_value(value: Any) -> object:
    if isinstance(value, list):
        return tuple(map(_read_value, value))
    if isinstance(value, dict):
        return _made(vars(manifolds), value)
    return _read_text(value) if isinstance(value, str) else value


def _read_text(text: str) -> object:
    """Return a number that JSON doesn't know, or what stands between quotes."""
    if text in ("inf", "-inf", "nan"):
        return float(text)
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        raise LookupError(text) from None


def _tensor(value: Tensor) -> dict[str, Any]:
    value = value.detach().cpu()
    exact = value.double()
    data: dict[str, Any] = {
        "shape": list(value.shape),
        "dtype": str(value.dtype).removeprefix("torch."),
        "norm": _number(float(exact.norm())),
    }
    if value.numel() <= _SMALL:
        data["values"] = [_number(float(entry)) for entry in exact.flatten()]
    else:
        data["base64"] = base64.b64encode(exact.numpy().astype("<f8").tobytes()).decode()
    return data


def _read_tensor(data: Mapping[str, Any]) -> Tensor:
    dtype = getattr(torch, data["dtype"])
    if "values" in data:
        flat = torch.tensor([float(entry) for entry in data["values"]], dtype=torch.float64)
    else:
        raw = np.frombuffer(base64.b64decode(data["base64"]), dtype="<f8")
        flat = torch.from_numpy(raw.astype(np.float64))
    return flat.reshape(data["shape"]).to(dtype)
