"""The report of a run: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from darboux.certification._certificate import Certificate
from darboux.training._config import DenoiseConfig
from darboux.training._curves import curves_svg
from darboux.training._report_template import CONTRAST, PAGE, STYLE
from darboux.training._summary import Comparison

_LABELS = {
    "noisy": "noisy",
    "model": "nonexpansive",
    "tv": "total variation",
    "unconstrained": "unconstrained",
    "clean": "clean",
}

_SIDE = 128


@dataclass(frozen=True)
class Report:
    """Everything that the page shows."""

    config: DenoiseConfig
    metrics: Mapping[str, Any]
    lines: Sequence[Mapping[str, Any]]
    comparison: Comparison
    certificate: Certificate
    contrast: Certificate | None = None

    def to_html(self) -> str:
        """Return the page: styles, pictures and curves inside, no script, nothing to fetch."""
        loss, quality = curves_svg(self.lines, total_variation=self.metrics["psnr_tv"])
        holds = self.certificate.holds
        return PAGE.format(
            title="A denoiser that is nonexpansive by construction",
            style=STYLE,
            lead=self._lead(),
            verdict=_verdict(holds=holds),
            verdict_class="" if holds else " refuted",
            side=_SIDE,
            strips="\n".join(self._strip(name) for name in self.comparison.clean),
            table=self._table(),
            parameters=self._parameters(),
            weight=self.metrics["tv_weight"],
            loss=loss,
            quality=quality,
            certificate=self.certificate.to_html(),
            contrast=self._contrast(),
            settings=_pairs(self.config.to_dict()),
            versions=_pairs({**self.metrics["versions"], **self.metrics["machine"]}),
        )

    def _lead(self) -> str:
        """Return the result in a sentence."""
        sigma = f"{255 * self.config.sigma:.4g}/255"
        parts = [
            f"{_LABELS[m]} <strong>{self.comparison.mean(m):.2f} dB</strong>"
            for m in self._methods()
        ]
        count = len(self.comparison.clean)
        head = f"Gaussian noise of σ = {sigma}, mean over {count} held-out images"
        return f"{head}: {', '.join(parts)}."

    def _contrast(self) -> str:
        """Return what the attacks found on the twin, "" where there is none."""
        if self.contrast is None:
            return ""
        return CONTRAST.format(
            found="did not refute" if self.contrast.holds else "refuted",
            certificate=self.contrast.to_html(),
        )

    def _methods(self) -> list[str]:
        """Return the methods that were compared, in the order of the columns."""
        return [m for m in _LABELS if m in self.comparison.treated]

    def _strip(self, name: str) -> str:
        """Return the crops of one image side by side."""
        clean = self.comparison.clean[name]
        top, left = busiest_corner(clean, side=_SIDE)
        images = {m: self.comparison.treated[m][name] for m in self._methods()}
        cells = [
            _figure(
                images[m][:, top : top + _SIDE, left : left + _SIDE],
                f"{_LABELS[m]}, {self.comparison.psnr(m, name):.2f} dB",
            )
            for m in images
        ]
        crop = clean[:, top : top + _SIDE, left : left + _SIDE]
        cells.append(_figure(crop, f"clean, {escape(name)}"))
        return f'<div class="strip">{"".join(cells)}</div>'

    def _table(self) -> str:
        """Return the table of PSNRs."""
        methods = self._methods()
        labels = "".join(f"<th>{_LABELS[m]}</th>" for m in methods)
        head = f"<thead><tr><th>dB</th>{labels}</tr></thead>"
        rows = [
            f"<tr><td>{escape(name)}</td>{_cells([values[m] for m in methods])}</tr>"
            for name, values in self.comparison.table().items()
        ]
        mean = _cells([self.comparison.mean(m) for m in methods])
        rows.append(f'<tr class="mean"><td>mean</td>{mean}</tr>')
        return f"<table>{head}<tbody>{''.join(rows)}</tbody></table>"

    def _parameters(self) -> str:
        """Return the sizes of the networks and their training times, in words."""
        words = {"model": "nonexpansive", "twin": "unconstrained"}
        parts = [
            f"The {words[name]} network has {count:,} parameters and was trained for "
            f"{self.metrics['seconds'][name]:.0f} s."
            for name, count in self.metrics["parameters"].items()
        ]
        return " ".join(parts)


def busiest_corner(image: Tensor, *, side: int) -> tuple[int, int]:
    """Return the corner (top, left) of the square crop with the largest squared gradient."""
    side = min(side, *image.shape[1:])
    down = functional.pad(image.diff(dim=1).square(), (0, 0, 0, 1))
    right = functional.pad(image.diff(dim=2).square(), (0, 1))
    energy = (down + right).sum(0)
    means = functional.avg_pool2d(energy.double()[None, None], side, stride=1)[0, 0]
    flat = int(means.argmax())
    return flat // means.shape[1], flat % means.shape[1]


def _figure(pixels: Tensor, caption: str) -> str:
    """Return an image with its caption, the pixels inside the page."""
    data = base64.b64encode(_png(pixels)).decode()
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _png(pixels: Tensor) -> bytes:
    """Return pixels in [0, 1] as a PNG file; others are clipped, for the eye only."""
    array = (pixels.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8)
    planes = np.moveaxis(array.numpy(), 0, -1)
    buffer = io.BytesIO()
    Image.fromarray(planes[..., 0] if planes.shape[-1] == 1 else planes).save(buffer, "PNG")
    return buffer.getvalue()


def _cells(values: Sequence[float]) -> str:
    """Return table cells of decibels."""
    return "".join(f"<td>{value:.2f}</td>" for value in values)


def _pairs(values: Mapping[str, Any]) -> str:
    """Return names and values as a description list."""
    return "".join(
        f"<div><dt>{escape(str(k))}</dt><dd>{escape(_short(v))}</dd></div>"
        for k, v in values.items()
    )


def _short(value: object) -> str:
    """Return a value as a person would write it."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _verdict(*, holds: bool) -> str:
    """Return what the certificate found, in a sentence."""
    if holds:
        return "The certificate holds: no claim was refuted by any attack."
    return "The certificate is refuted: at least one claim failed. See below which."
