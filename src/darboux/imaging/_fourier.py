"""Fourier sampling: some frequencies of a complex image, through one coil or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, final

import torch
from torch import Tensor, nn

from darboux.imaging._inpainting import usable_mask
from darboux.imaging._operator import Operator, Resolvent
from darboux.structure._arguments import Count, Within, checked

Share = Annotated[float, Within("a number from 0 to 1", least=0, most=1)]


@final
class FourierSampling(Operator):
    """The sampled frequencies A x = (m F s_c x)_c of an image, as in magnetic resonance.

    F is the unitary Fourier transform with the origin of space and of frequency at pixel ⌊n/2⌋
    of each axis, m in {0, 1} a mask of frequencies, and s_c the sensitivity of coil c. Complex
    numbers are pairs of real channels: x is (real, imaginary) part, or the real part alone, and
    A x is (real, imaginary) for coil after coil, zero where nothing is sampled. The norm is at
    most max (Σ |s_c|²)^½, and at most 1 with a single coil.

    Shapes: x is (batch, channels, *space), A x is (batch, 2 · coils, *space).

    Source: section 3.2; Pruessmann et al. 1999 for several coils.

    Args:
        mask: m, boolean, (*space), the frequency 0 at ⌊n/2⌋; `line_mask` makes one.
        maps: s_c, complex, (coils, *space), or None for one coil with s = 1.
        channels: 2 for complex images, 1 for real ones.

    Raises:
        ValueError: if the mask is not boolean, or shapes do not fit.

    Example:
        >>> import torch, darboux as dx
        >>> mask = dx.imaging.line_mask((64, 64), keep=0.25)
        >>> scan = dx.imaging.FourierSampling(mask, channels=1)
        >>> scan(torch.rand(3, 1, 64, 64)).shape, float(scan.norm_bound())
        (torch.Size([3, 2, 64, 64]), 1.0)
    """

    @checked
    def __init__(
        self, mask: Tensor, *, maps: Tensor | None = None, channels: Literal[1, 2] = 2
    ) -> None:
        super().__init__()
        usable_mask("FourierSampling", mask, mask.ndim, channels)
        if maps is not None and (maps.shape[1:] != mask.shape or not maps.is_complex()):
            msg = (
                "FourierSampling: expected complex maps of shape (coils, "
                f"{', '.join(map(str, mask.shape))}); got {tuple(maps.shape)} and {maps.dtype}. "
                "Give one map of the size of the mask for each coil."
            )
            raise ValueError(msg)
        self.dim, self.image_size = mask.ndim, tuple(mask.shape)
        self.in_features = channels
        self.out_features = 2 if maps is None else 2 * len(maps)
        self.unit = nn.Buffer(torch.ones(()), persistent=False)  # dtype and device
        self.mask = nn.Buffer(mask.detach().clone())
        # pairs of real numbers, because .double() leaves complex buffers as they are
        self.maps: Tensor | None
        self.register_buffer("maps", None if maps is None else _pairs(maps.detach()))

    def forward(self, x: Tensor) -> Tensor:
        """Return A x."""
        wide = self.take(x, self.in_features)
        image = self._complex(wide)
        coils = image[:, None] if self.maps is None else image[:, None] * _complex(self.maps, wide)
        return self._sampled(coils).to(x.dtype)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return A* y; its real part if images are real."""
        wide = self.take(y, self.out_features)
        coils = self._images(wide)
        if self.maps is not None:
            coils = coils * torch.conj_physical(_complex(self.maps, wide))
        parts = torch.view_as_real(coils.sum(dim=1)).movedim(-1, 1)
        return parts[:, : self.in_features].to(y.dtype)

    @property
    def resolvent(self) -> Resolvent | None:
        """(b, *, gamma) -> (I + γ A*A)⁻¹ b with one coil; None with several."""
        return self._resolvent if self.maps is None else None

    def norm_bound(self) -> Tensor:
        """Return max (Σ |s_c|²)^½, or 0 if nothing is sampled: float64, ()."""
        return self._sensitivity().amax() * self.mask.any()

    def lower_bound(self) -> Tensor:
        """Return 0, or min (Σ |s_c|²)^½ if everything is sampled."""
        return self._sensitivity().amin() * self.mask.all()

    def turned_data(self, y: Tensor) -> Tensor:
        """Return the data of turned coil images: the map of frequencies turned about its origin."""
        return self._sampled(torch.rot90(self._images(y), 1, (-2, -1))).to(y.dtype)

    def extra_repr(self) -> str:
        """Return the size, the coils and how much is sampled."""
        kept = float(self.mask.double().mean())
        sizes = f"{self.image_size}, channels={self.in_features}, coils={self.out_features // 2}"
        return f"{sizes}, {kept:.1%} sampled"

    def _complex(self, x: Tensor) -> Tensor:
        """Return an image as complex numbers, (batch, *space)."""
        return torch.complex(x[:, 0], x[:, 1] if self.in_features == 2 else 0 * x[:, 0])

    def _resolvent(self, b: Tensor, *, gamma: float) -> Tensor:
        wide, axes = self.take(b, self.in_features), tuple(range(-self.dim, 0))
        kept = torch.fft.ifftshift(self.mask, axes).to(wide)
        if self.in_features == 1:  # of a real image, opposite frequencies are one
            kept = (kept + kept.flip(axes).roll((1,) * self.dim, axes)) / 2
        waves = _centred(torch.fft.fftn, self._complex(wide), self.dim)
        waves = waves / (1 + gamma * torch.fft.fftshift(kept, axes))
        found = _centred(torch.fft.ifftn, waves, self.dim)
        return torch.view_as_real(found).movedim(-1, 1)[:, : self.in_features].to(b.dtype)

    def _sensitivity(self) -> Tensor:
        """Return (Σ |s_c|²)^½ of every pixel."""
        if self.maps is None:
            return torch.ones((), dtype=torch.float64, device=self.mask.device)
        return self.maps.double().square().sum(dim=(0, -1)).sqrt()

    def _sampled(self, coils: Tensor) -> Tensor:
        """Return the frequencies of complex images that the mask keeps, as channels."""
        parts = torch.view_as_real(_centred(torch.fft.fftn, coils, self.dim) * self.mask)
        return parts.movedim(-1, 2).flatten(1, 2)

    def _images(self, y: Tensor) -> Tensor:
        """Return the complex image of every coil from frequencies as channels."""
        waves = torch.complex(y[:, 0::2], y[:, 1::2]) * self.mask
        return _centred(torch.fft.ifftn, waves, self.dim)


def _centred(transform: Callable[..., Tensor], z: Tensor, dim: int) -> Tensor:
    """Return a unitary Fourier transform with the origins in the middle."""
    if not z.numel():  # MKL refuses it
        return z
    axes = tuple(range(-dim, 0))
    waves = transform(torch.fft.ifftshift(z, axes), dim=axes, norm="ortho")
    return torch.fft.fftshift(waves, axes)


def _pairs(maps: Tensor) -> Tensor:
    return torch.view_as_real(maps).clone()


def _complex(maps: Tensor, like: Tensor) -> Tensor:
    return torch.view_as_complex(maps.to(like.dtype))


@checked
def line_mask(
    size: Sequence[Count],
    *,
    keep: Share = 0.25,
    centre: Share = 0.08,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return a mask of whole lines: all low frequencies of the last axis, and others at random.

    Lines run along all axes but the last; the frequency 0 is at ⌊n/2⌋. It is boolean, on the CPU.

    Args:
        size: of the image.
        keep: the share of lines that are sampled, the central ones among them.
        centre: the share of lines around the frequency 0 that are sampled in any case.
        generator: source of the random lines; None is one of a fixed seed.

    Raises:
        ValueError: if a share is out of range, or the central lines alone are more than `keep`.

    Example:
        >>> import darboux as dx
        >>> mask = dx.imaging.line_mask((64, 64), keep=0.25)
        >>> int(mask[0].sum()), bool(mask[:, 30:34].all())
        (16, True)
    """
    n = size[-1]
    count, middle = round(keep * n), round(centre * n)
    if middle > count:
        msg = (
            f"line_mask: expected centre <= keep; got {centre:g} and {keep:g}. "
            "Use a smaller centre."
        )
        raise ValueError(msg)
    if generator is None:
        generator = torch.Generator(device="cpu").manual_seed(0)
    lines = torch.zeros(n, dtype=torch.bool, device="cpu")
    start = n // 2 - middle // 2
    lines[start : start + middle] = True
    others = torch.nonzero(~lines).flatten()
    order = torch.randperm(len(others), generator=generator, device="cpu")
    lines[others[order[: count - middle]]] = True
    return lines.expand(tuple(size)).clone()
