"""Tomography: sums of an image over parallel strips in some directions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darboux.imaging._beams import Beams, folded
from darboux.imaging._operator import Operator
from darboux.linear._linear_map import REMEMBERED
from darboux.linear._sizes import affordable
from darboux.structure._arguments import Count, Within, checked

Edge = Annotated[int, Within("an integer from 1 to 4096", least=1, most=4096)]

Directions = Annotated[int, Within("an integer from 1 to 65536", least=1, most=2**16)]

_NORM = f"{REMEMBERED}norm"
_BEAMS = f"{REMEMBERED}beams"

_STEPS = 24  # of the power iteration, at most
_CLOSE = 1e-3  # between bound and norm, where it stops


@final
class ParallelBeam(Operator):
    """The scan (A x)(θ, t): integrals of an image over strips of width 1 in directions θ.

    Pixels are squares of edge 1, and the entry of a pixel and a strip is the area of their
    intersection, so that A x is exact for images that are constant on pixels. Strip t holds the
    points (u, v), u to the right and v up from the centre of the image, with
    |u cos θ + v sin θ - (t - (T - 1) / 2)| <= 1/2. Directions that a quarter turn or a reflection
    of the grid takes to one another share one sparse matrix.

    ‖A‖ has a bound by Collatz and Wielandt: for entries >= 0, ‖A‖² <= max_j (A*A v)_j / v_j
    whatever v > 0, and a power iteration makes it tight.

    Shapes: x is (batch, channels, height, width), A x is (batch, channels, directions, T).

    Source: section 3.2; Natterer 2001, chapter V, for the geometry.

    Args:
        size: edge of the image, or (height, width).
        angles: the directions θ in radians, or how many of them, equally spaced in [0, π).
        detectors: T; None for as many as see every pixel.
        channels: channels of x.

    Raises:
        ValueError: if a number is out of range, there is no direction, or the matrix has more
            than 2³⁰ entries.

    Example:
        >>> import torch, darboux as dx
        >>> scan = dx.imaging.ParallelBeam(32, 30)
        >>> y = scan(torch.ones(1, 1, 32, 32))
        >>> y.shape, float(y[0, 0, 0].sum())
        (torch.Size([1, 1, 30, 46]), 1024.0)
    """

    dim = 2

    @checked
    def __init__(
        self,
        size: Edge | tuple[Edge, Edge],
        angles: Directions | Sequence[float] | Tensor,
        *,
        detectors: Count | None = None,
        channels: Count = 1,
    ) -> None:
        super().__init__()
        self.in_features = self.out_features = channels
        self.size = (size, size) if isinstance(size, int) else (size[0], size[1])
        self.image_size = self.size
        self.angles = directions(angles)
        edge = max(self.size)
        reach = math.ceil(2**0.5 * edge)
        self.detectors = detectors or reach + (reach - edge) % 2  # bins in line with pixels
        bases, slots = folded(self.angles)
        affordable("ParallelBeam", "a matrix", 3 * edge**2 * len(bases), "Use fewer.", most=2**30)
        self._beams = Beams.between(edge, self.detectors, bases)
        self._slots = slots
        self.unit = nn.Buffer(torch.ones(()), persistent=False)  # dtype and device

    def forward(self, x: Tensor) -> Tensor:
        """Return A x."""
        wide = self.take(x, self.in_features)
        return self._project(wide.flatten(0, 1)).reshape(len(x), *self._data_shape()).to(x.dtype)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return A* y: every pixel gets what the strips through it hold (backprojection)."""
        if y.ndim != 4 or tuple(y.shape[1:]) != self._data_shape():
            msg = (
                "ParallelBeam: expected data of shape (batch, "
                f"{', '.join(map(str, self._data_shape()))}); got {tuple(y.shape)}. "
                "Use what the operator returns."
            )
            raise ValueError(msg)
        wide = y.to(torch.promote_types(y.dtype, torch.float32))
        images = self._backproject(wide.flatten(0, 1))
        return images.reshape(len(y), self.in_features, *self.size).to(y.dtype)

    def norm_bound(self) -> Tensor:
        """Return a number >= ‖A‖₂: float64, (). Computed when it is first asked for."""
        if _NORM not in self.__dict__:
            self.__dict__[_NORM] = self._norm()
        return torch.tensor(self.__dict__[_NORM], dtype=torch.float64, device=self.unit.device)

    def turned_data(self, y: Tensor) -> Tensor:
        """Return the data of a turned image: A_θ ρ x = A_{θ - 90°} x, strips perhaps reversed."""
        left = dict(enumerate(self.angles))  # so that no direction is taken twice
        places, flips = [], []
        for angle in self.angles:
            cosines = {k: math.cos(angle - math.pi / 2 - other) for k, other in left.items()}
            _, cosine, k = max((round(abs(c), 9), c, k) for k, c in cosines.items())
            places.append(k)
            flips.append(cosine < 0)
            del left[k]
        turned = y[..., places, :]
        return torch.where(torch.tensor(flips, device=y.device)[:, None], turned.flip(-1), turned)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.size}, angles={len(self.angles)}, detectors={self.detectors}"

    def _on(self, like: Tensor) -> Beams:
        """Return the matrix in the format and on the device of an input."""
        kept: Beams | None = self.__dict__.get(_BEAMS)
        if kept is not None and kept.fits(like):
            return kept
        moved = self._beams.to(like)
        if not torch.compiler.is_compiling():
            self.__dict__[_BEAMS] = moved
        return moved

    def _project(self, images: Tensor) -> Tensor:
        """Return the scan of images (count, height, width): (count, directions, T)."""
        (top, left), (height, width) = self._margins(), self.size
        edge = max(height, width)
        square = F.pad(images, (left, edge - width - left, top, edge - height - top))
        return self._on(images).project(square, self._slots)

    def _backproject(self, sums: Tensor) -> Tensor:
        """Return the adjoint of `_project`."""
        (top, left), (height, width) = self._margins(), self.size
        square = self._on(sums).backproject(sums, self._slots)
        return square[:, top : top + height, left : left + width]

    def _norm(self) -> float:
        """Return a bound of the norm of the matrix, entries rounded to any format."""
        v = torch.ones(1, *self.size, dtype=torch.float64, device=self.unit.device)
        bound = math.inf
        for _ in range(_STEPS):
            image = self._backproject(self._project(v))
            bound = min(bound, float((image / v).max()))
            if bound <= float((image * v).sum() / (v * v).sum()) * (1 + _CLOSE):
                break
            v = image / image.max() + 1e-12  # > 0 where nothing is seen
        return bound**0.5 * (1 + 4 * torch.finfo(torch.float32).eps)

    def _data_shape(self) -> tuple[int, int, int]:
        return self.out_features, len(self.angles), self.detectors

    def _margins(self) -> tuple[int, int]:
        """Return how many rows and columns of a square are before the image."""
        edge = max(self.size)
        return (edge - self.size[0]) // 2, (edge - self.size[1]) // 2


def directions(angles: int | Sequence[float] | Tensor) -> tuple[float, ...]:
    """Return directions in radians."""
    if isinstance(angles, int):
        return tuple(math.pi * k / angles for k in range(angles))
    given = torch.as_tensor(angles, dtype=torch.float64, device="cpu")
    if given.ndim != 1 or not len(given) or not bool(given.isfinite().all()):
        msg = (
            "ParallelBeam: expected a list of finite directions in radians; got shape "
            f"{tuple(given.shape)}. Give one number for each direction, or their count."
        )
        raise ValueError(msg)
    return tuple(given.tolist())
