"""Pictures of a report: training curves as SVG, crops of the images as PNG."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torch.nn import functional

from darboux._palette import marked

_INK = "#010203"  # stands for the text colour of the page; replaced in the finished file


def curves_svg(
    lines: Sequence[Mapping[str, Any]], *, label: str, total_variation: float
) -> tuple[str, str]:
    """Return two inline SVG pictures: the training loss, and the PSNR on held-out images."""
    loss, left = _axes("training loss")
    labels = {"model": label, "twin": "unconstrained"}
    _draw(left, lines, "loss", labels)
    left.set_yscale("log")
    quality, right = _axes("PSNR on the held-out images (dB)")
    _draw(right, lines, "psnr", labels)
    right.axhline(
        total_variation, label="total variation", color=_INK, alpha=0.6, linestyle=":", linewidth=1
    )
    quality.legend(frameon=False, labelcolor=_INK, loc="outside lower center", ncols=3)
    return _svg(loss), _svg(quality)


def _axes(title: str) -> tuple[Figure, Axes]:
    """Return empty axes on a figure of their own, without pyplot's global state."""
    figure = Figure(figsize=(5.6, 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, color=_INK, fontsize=11)
    axes.set_xlabel("step", color=_INK)
    axes.tick_params(colors=_INK, which="both")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_INK)
    return figure, axes


def _draw(
    axes: Axes, lines: Sequence[Mapping[str, Any]], key: str, labels: Mapping[str, str]
) -> None:
    """Draw one curve per network."""
    for k, (network, name) in enumerate(labels.items()):
        own = [line for line in lines if line["network"] == network and line[key] is not None]
        points = [(line["step"], line[key]) for line in own]
        if points:
            steps, values = zip(*points, strict=True)
            axes.plot(steps, values, label=name, **marked(k))


def _svg(figure: Figure) -> str:
    """Return a figure as an SVG element without size, in the text colour of the page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(_INK, "currentColor")


def crops(images: Mapping[str, Mapping[str, Tensor]], name: str, *, side: int) -> dict[str, str]:
    """Return method to a crop of one image, where it has the most detail, as a data URL."""
    top, left = _busiest_corner(images["clean"][name], side=side)
    window = (slice(None), slice(top, top + side), slice(left, left + side))
    return {method: _data_url(versions[name][window]) for method, versions in images.items()}


def _busiest_corner(image: Tensor, *, side: int) -> tuple[int, int]:
    """Return the corner (top, left) of the square crop with the largest squared gradient."""
    side = min(side, *image.shape[1:])
    down = functional.pad(image.diff(dim=1).square(), (0, 0, 0, 1))
    right = functional.pad(image.diff(dim=2).square(), (0, 1))
    energy = (down + right).sum(0)
    means = functional.avg_pool2d(energy.double()[None, None], side, stride=1)[0, 0]
    flat = int(means.argmax())
    return flat // means.shape[1], flat % means.shape[1]


def _data_url(pixels: Tensor) -> str:
    """Return pixels in [0, 1] as a PNG inside a URL; others are clipped, for the eye only."""
    array = (pixels.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8)
    planes = np.moveaxis(array.numpy(), 0, -1)
    buffer = io.BytesIO()
    Image.fromarray(planes[..., 0] if planes.shape[-1] == 1 else planes).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
