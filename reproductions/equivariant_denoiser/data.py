"""Images of random rectangles, on the grid of pixels and turned about the centre."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_SAMPLES = 8  # per axis of a pixel


@dataclass(frozen=True)
class Rectangles:
    """Some pictures of rectangles with sides along the axes; later ones cover earlier ones.

    Example:
        >>> boxes, colours = torch.tensor([[[[1, 2], [0, 3]]]]), torch.tensor([[[0.0], [1.0]]])
        >>> Rectangles(boxes, colours, 3).on_grid()[0, 0]
        tensor([[0., 0., 0.],
                [1., 1., 1.],
                [0., 0., 0.]])
    """

    # (count, objects, 2, 2), where they begin and end along both axes, in whole pixels
    boxes: Tensor
    colours: Tensor  # (count, objects + 1, 3), that of the background first
    side: int  # of the images

    def on_grid(self) -> Tensor:
        """Return the images, (count, 3, side, side): every pixel lies in a rectangle or not."""
        top = self._top(_centres(self.side, 1), angle=0.0)
        return torch.stack([c[t] for c, t in zip(self.colours, top, strict=True)]).movedim(-1, 1)

    def turned(self, angle: float) -> Tensor:
        """Return the images turned by an angle: x(g⁻¹ p), each pixel the mean over 8 × 8 points.

        Outside the original images there is background. At multiples of a right angle every
        point of a pixel has the same colour, and the turn is `torch.rot90` exactly.
        """
        points = _centres(self.side, _SAMPLES)
        rows = zip(self.boxes, self.colours, strict=True)
        one_by_one = [Rectangles(b[None], c[None], self.side) for b, c in rows]
        return torch.cat([each._mean(points, angle) for each in one_by_one])

    def _mean(self, points: Tensor, angle: float) -> Tensor:
        """Return the colours times the shares of each pixel that they cover."""
        top = self._top(points, angle)
        labels = torch.arange(self.colours.shape[1])
        seen = (top[:, None] == labels[:, None, None]).to(self.colours.dtype)
        return torch.einsum("nohw,noc->nchw", F.avg_pool2d(seen, _SAMPLES), self.colours)

    def _top(self, points: Tensor, angle: float) -> Tensor:
        """Return which rectangle lies on top at g⁻¹ p, (count, points, points); 0 is none."""
        y, x = points[:, None], points[None, :]
        cosine, sine = math.cos(angle), math.sin(angle)
        places = cosine * y + sine * x, cosine * x - sine * y  # g⁻¹ p
        top = torch.zeros(len(self.boxes), len(points), len(points), dtype=torch.int64)
        for k, box in enumerate(self.boxes.unbind(1), start=1):
            edges = (box.double() - self.side / 2)[..., None, None]
            inside = [(edges[:, a, 0] < p) & (p < edges[:, a, 1]) for a, p in enumerate(places)]
            top[inside[0] & inside[1]] = k
        return top


def rectangles(
    count: int, *, side: int, objects: int = 6, generator: torch.Generator | None = None
) -> Rectangles:
    """Return random pictures: sides of a tenth to a half of the image, colours from [0, 1]³."""
    share = 0.1 + 0.4 * torch.rand(count, objects, 2, generator=generator)
    lengths = (side * share).round().clamp(min=1)
    starts = ((side - lengths) * torch.rand(lengths.shape, generator=generator)).round()
    boxes = torch.stack([starts, starts + lengths], dim=-1).to(torch.int64)
    return Rectangles(boxes, torch.rand(count, objects + 1, 3, generator=generator), side)


def noisy(images: Tensor, *, noise: float, generator: torch.Generator | None = None) -> Tensor:
    """Return images with Gaussian white noise."""
    return images + noise * torch.randn(images.shape, generator=generator)


def _centres(side: int, samples: int) -> Tensor:
    """Return the middles of equal parts of the pixels along an axis, 0 in the centre, float64."""
    return (torch.arange(side * samples, dtype=torch.float64) + 0.5) / samples - side / 2
