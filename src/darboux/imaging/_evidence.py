"""Certificates of reconstructions: rows of measurements beside what theorems allow."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor, nn

from darboux.certification import Certificate, Row
from darboux.certification._environment import Environment, fingerprint
from darboux.imaging._physics import norms_from_inside
from darboux.linear import LinearMap
from darboux.structure import Gap, Kind

_ROUNDING = 64.0  # units, of a norm


@final
@dataclass(frozen=True)
class Scene:
    """Who takes part in a reconstruction, ‖A‖ <= norm, and a fingerprint of all weights."""

    prior: nn.Module
    physics: LinearMap | None
    norm: float
    made: Environment

    @classmethod
    def of(cls, prior: nn.Module, physics: LinearMap | None, norm: float, y: Tensor) -> Scene:
        """Return the scene at present."""
        parts = _parts(prior, physics)
        made = Environment.of(parts, y, effort="this run", seed=0)
        names = ", ".join(type(part).__name__ for part in parts)
        return cls(prior, physics, norm, replace(made, module=f"reconstruct({names})"))

    @property
    def norm_kind(self) -> Kind:
        """How the norm of A is known."""
        if self.physics is None:
            return Kind.CONSTRUCTION
        known: Kind = getattr(self.physics, "norm_kind", Kind.BOUND)
        return known

    def certificate(self, rows: list[Row], gaps: list[Gap], image: Tensor) -> Certificate:
        """Return the certificate, if all are as they were."""
        if fingerprint(_parts(self.prior, self.physics)) != self.made.fingerprint:
            msg = (
                "Reconstruction.certificate: expected the prior and the operator of the "
                "reconstruction; got some that have changed since. Reconstruct again."
            )
            raise RuntimeError(msg)
        return Certificate((*rows, *self._norm_rows(image)), tuple(gaps), self.made)

    def _norm_rows(self, image: Tensor) -> list[Row]:
        """Return the rows about the norm of A and its lower bound, attacked on such an image."""
        if self.physics is None or not image.numel():
            return []
        dice = torch.Generator().manual_seed(0)
        start = torch.randn(image[:1].shape, generator=dice, dtype=torch.float64).to(image)
        least, most = norms_from_inside(self.physics, start)[:, None]
        about = {"tried": "Lanczos' method on a random image", "samples": 1, "dtype": _name(image)}
        about |= {"path": type(self.physics).__name__, "level": "premise"}
        unit, below = _ROUNDING * torch.finfo(image.dtype).eps, float(self.physics.lower_bound())
        rows = [judged(f"‖A‖ <= {self.norm:.6g}", most, self.norm, unit * self.norm, **about)]
        if below > 0:
            noise = unit * self.norm**2 / below  # the squares are rounded
            statement = f"-‖A x‖ <= {-below:.6g} ‖x‖"
            rows.append(judged(statement, -least, -below, noise, **about))
        return rows


def judged(
    statement: str,
    measured: Tensor,
    claimed: Tensor | float,
    noise: Tensor | float,
    **about: Any,
) -> Row:
    """Return the row of the entry that goes furthest beyond what is claimed and rounding."""
    limit, unit = (torch.as_tensor(x, dtype=torch.float64).to(measured) for x in (claimed, noise))
    known = ~measured.isnan()  # others rested
    found, most, more = (x.expand_as(measured)[known] for x in (measured, limit, unit))
    base = {"path": "reconstruction", "level": "claim", **about, "statement": statement}
    if not len(found):
        return Row(**base, status="not refuted")
    excess = (found - most - more).nan_to_num(math.inf)
    at = int(excess.argmax())
    return Row(
        **base,
        status="refuted" if float(excess[at]) > 0 else "not refuted",
        measured=float(found[at]),
        claimed=float(most[at]),
        tolerance=float(more[at]),
    )


def _parts(prior: nn.Module, physics: LinearMap | None) -> nn.ModuleList:
    return nn.ModuleList([prior] if physics is None else [prior, physics])


def _name(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")
