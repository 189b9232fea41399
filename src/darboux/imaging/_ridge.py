"""Learned ridge regularisers: potentials of the responses of filters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, final

import torch
from torch import Tensor, nn

from darboux.imaging._filters import (
    FilterBank,
    Padding,
    all_of_the_grid,
    check_group,
    correlate,
    scatter,
)
from darboux.imaging._potential import ClipDifference, Sharpness, Weak
from darboux.imaging._prior import Prior, Sigma
from darboux.imaging._strips import by_strips
from darboux.linear._sizes import Axes
from darboux.solvers._transforms import is_differentiated, is_mapped, without_autocast
from darboux.structure import (
    Claim,
    Claims,
    Convex,
    Kind,
    Smooth,
    WeaklyConvex,
    adjoint_of,
    gradient_of_values,
    norm_at_most,
    slopes_within,
)
from darboux.structure._arguments import Count, Positive, Within, checked, shown
from darboux.structure._module import check_features
from darboux.symmetry import FiniteGroup

_Odd = Annotated[int, Within("an odd integer of 3 or more", least=3, most=101)]

_CLOSE = 1e-3  # relative to σ


@final
class RidgeRegularizer(Prior):
    """A learned ridge regulariser, R(x, σ) = Σ_i Σ_p τ_i(σ)² ψ((W x)_i(p) / τ_i(σ)).

    W are filters of mean zero, tied by turns and reflections of the grid, with ‖W‖ <= 1 for every
    image size. ψ is even with ψ'(u) = clip(β u) - w clip(u), clips at ±1, so that

    - R is convex for w = 0, and w-weakly convex for all w: denoising with a weight λ <= 1/w stays
      a convex problem;
    - ∇R is Lipschitz with max(β - w, w);
    - R(g x) = R(x) for all g of the group, and for shifts if padding_mode is "circular".

    All three hold for every value of the parameters, every σ and every image size. Responses up
    to τ/β count as noise of the data, and larger ones cost about as much as their size (w = 0), or
    no more than an edge does (w = 1).

    Several noise `levels` make R depend on σ: log τ is interpolated between them, linearly in
    log σ, and σ outside of them is refused.

    Shapes: x is (batch, channels, *space) with `dim` spatial axes, R(x) is (batch,).

    Source: section 3.2; Goujon et al. 2023 and 2024 for (weakly) convex ridge regularisers.

    Args:
        channels: channels of an image; a complex image has two, its real and imaginary part.
        filters: how many, a multiple of the order of the group.
        kernel_size: taps of a filter along each axis, an odd number. Several make each filter a
            product of convolutions, which has fewer parameters than one of that reach.
        hidden: channels between these convolutions, one number less.
        dim: spatial axes, 1 to 3.
        weak: w, from 0 to 1.
        sharpness: β >= 1. It may be raised after training; the constants follow.
        levels: noise levels σ > 0, ascending.
        group: turns and reflections of the grid by which filters are tied; all of them if None.
        padding_mode: how an image goes on outside: mirrored ("symmetric", needs a group with
            the reflections of all axes), periodic ("circular"), or "zeros".

    Raises:
        ValueError: if an argument is out of range, or group, filters and padding do not fit.

    Example:
        >>> import torch
        >>> prior = RidgeRegularizer(filters=8, kernel_size=5, weak=1.0)
        >>> noisy = torch.rand(1, 1, 24, 24)
        >>> denoised = prior.prox(noisy)
        >>> bool(prior(denoised) < prior(noisy)), prior.weak_convexity() <= 1
        (True, True)
    """

    @checked
    def __init__(
        self,
        channels: Count = 1,
        *,
        filters: Count = 48,
        kernel_size: _Odd | Sequence[_Odd] = 9,
        hidden: Sequence[Count] = (),
        dim: Axes = 2,
        weak: Weak = 0.0,
        sharpness: Sharpness = 30.0,
        levels: Sequence[Positive] = (25 / 255,),
        group: FiniteGroup | None = None,
        padding_mode: Padding = "symmetric",
    ) -> None:
        super().__init__()
        self.channels, self.dim = channels, dim
        self.levels = tuple(float(level) for level in levels)
        if not self.levels or list(self.levels) != sorted(set(self.levels)):
            msg = f"RidgeRegularizer: expected ascending noise levels; got {self.levels}."
            raise ValueError(msg)
        self._limits = self.levels[0] * (1 - _CLOSE), self.levels[-1] * (1 + _CLOSE)
        group = all_of_the_grid(dim) if group is None else group
        check_group(group, dim, filters, padding_mode)
        sizes = (kernel_size,) if isinstance(kernel_size, int) else tuple(kernel_size)
        if len(hidden) != len(sizes) - 1:
            msg = (
                f"RidgeRegularizer: expected {len(sizes) - 1} hidden channels between {len(sizes)} "
                f"convolutions; got {tuple(hidden)}."
            )
            raise ValueError(msg)
        self.bank = FilterBank(
            channels, filters, sizes, tuple(hidden), group=group, padding_mode=padding_mode
        )
        self.potential = ClipDifference(sharpness=sharpness, weak=weak)
        first = torch.tensor(self.levels).log()[:, None] - math.log(2)
        self.log_threshold = nn.Parameter(first.repeat(1, filters // group.order))

    def g(self, x: Tensor, sigma: Sigma = None) -> Tensor:
        """Return the values R(x, σ), (batch,)."""
        return self._evaluate(x, sigma, value=True)[0].to(x.dtype)

    def grad(self, x: Tensor, sigma: Sigma = None) -> Tensor:
        """Return ∇R(x, σ) = W* τ ψ'(W x / τ)."""
        return self._evaluate(x, sigma, value=False)[1]

    def value_and_grad(self, x: Tensor, sigma: Sigma = None) -> tuple[Tensor, Tensor]:
        """Return R(x, σ) as float64, and ∇R(x, σ), in one sweep."""
        return self._evaluate(x, sigma, value=True)

    def directional(self, x: Tensor, v: Tensor, sigma: Sigma = None) -> Tensor:
        """Return ⟨∇R(x, σ), v⟩ of each sample, (batch,), without the adjoint of W.

        Its derivatives by the parameters are those of the gradient along a fixed v.
        """
        x, v = self.usable(x), self.usable(v)
        with without_autocast(x):
            scale = self.thresholds(len(x), sigma)
            slope = scale * self.potential(self.bank(x) / scale)
            return (slope * self.bank(v)).flatten(1).sum(1)

    def hessian(self, x: Tensor, sigma: Sigma = None) -> Callable[[Tensor], Tensor]:
        """Return v -> ∇²R(x, σ) v = W* ψ''(W x / τ) W v, with ψ'' evaluated once."""
        x = self.usable(x)
        with without_autocast(x):
            curvature = self.potential.curvature(self.bank(x) / self.thresholds(len(x), sigma))
        return lambda v: self.bank.adjoint(curvature * self.bank(v))

    def lipschitz(self) -> float:
        """Return max(β - w, w) ‖W‖², with the bound of the norm."""
        return max(self.potential.upper, self.potential.weak) * self._norm_squared()

    def weak_convexity(self) -> float:
        """Return w ‖W‖², with the bound of the norm."""
        return self.potential.weak * self._norm_squared()

    def thresholds(self, batch: int, sigma: Sigma = None) -> Tensor:
        """Return τ(σ), (batch, filters, 1, ..., 1), or with 1 for the batch if σ is one number."""
        logs: Tensor = self.log_threshold
        if len(self.levels) > 1 or sigma is not None:
            logs = self._interpolated(self._levels_of(sigma, batch))
        ties = logs.exp().repeat_interleave(self.bank.order, dim=1)
        return ties.reshape(*ties.shape, *(1,) * self.dim)

    def claims(self) -> Claims:
        """Return convexity, smoothness and invariance, which hold for all parameters."""
        weak, upper = self.potential.weak, max(self.potential.upper, self.potential.weak)
        bank = norm_at_most(self.bank), adjoint_of(self.bank), gradient_of_values(self)
        slopes = slopes_within(
            self.potential, lower=self.potential.lower, upper=self.potential.upper
        )
        why = f"∇²R = W* ψ'' W with -{weak:g} <= ψ'' <= {self.potential.upper:g} and ‖W‖ <= 1"
        convex = WeaklyConvex(weak) if weak else Convex()
        found = [
            Claim(structure, Kind.CONSTRUCTION, why, (*bank, slopes))
            for structure in (convex, Smooth(upper))
        ]
        same = replace(self.bank.symmetry, target=None)
        tied = "filters of one orbit have one threshold, and the sum has them all"
        return Claims((*found, Claim(same, Kind.CONSTRUCTION, tied)))

    def extra_repr(self) -> str:
        """Return the noise levels."""
        return f"levels={tuple(round(level, 6) for level in self.levels)}"

    def _evaluate(self, x: Tensor, sigma: Sigma, *, value: bool) -> tuple[Tensor, Tensor]:
        """Return R(x, σ) as float64 if it is asked for, and ∇R(x, σ)."""
        x = self.usable(x)
        with without_autocast(x):
            scale, filters = self.thresholds(len(x), sigma), self.bank.stencil().weight
            padded = self.bank.padded(x)
            if self._is_fast(padded, scale, filters):
                total, slopes = by_strips(self.potential, padded, filters, scale, value=value)
                return total, self.bank.unpadded(slopes)
            energy, slopes = self.potential.totals_and_slope(
                correlate(padded, filters) / scale, totals=value
            )
            total = x.new_zeros(len(x), dtype=torch.float64)
            if energy is not None:
                total = (energy.double() * scale.flatten(1).double().square()).sum(1)
            return total, self.bank.unpadded(scatter(scale * slopes, filters))

    def _is_fast(self, *tensors: Tensor) -> bool:
        """Return whether planar images are worked through by strips, which nothing follows."""
        x = tensors[0]
        usual = x.dtype in (torch.float32, torch.float64) and x.device.type == "cpu"
        followed = torch.compiler.is_compiling() or any(map(is_differentiated, tensors))
        return self.dim == 2 and usual and x.numel() > 0 and not followed

    def usable(self, x: Tensor) -> Tensor:
        """Return an image in the format of the filters, or refuse it."""
        check_features("RidgeRegularizer", x)
        if x.ndim != self.dim + 2 or x.shape[1] != self.channels or 0 in x.shape[2:]:
            msg = (
                f"RidgeRegularizer: expected an image (batch, {self.channels}, *space) with "
                f"{self.dim} spatial axes of one pixel or more; got shape {tuple(x.shape)}."
            )
            raise ValueError(msg)
        dtype = self.log_threshold.dtype
        if x.dtype != dtype:
            if not torch.is_autocast_enabled(x.device.type):
                msg = (
                    f"RidgeRegularizer: expected an image of dtype {dtype}, like the filters; got "
                    f"{x.dtype}. Use x.to(dtype) or prior.to(dtype)."
                )
                raise TypeError(msg)
            x = x.to(dtype)
        return x

    def _norm_squared(self) -> float:
        with torch.no_grad():
            return float(self.bank.norm_bound()) ** 2

    def _levels_of(self, sigma: Sigma, batch: int) -> Tensor:
        """Return σ as a tensor of one number, or one for each sample."""
        if sigma is None:
            msg = f"RidgeRegularizer: expected sigma, a noise level within {self._range()}."
            raise ValueError(msg)
        value: object = sigma
        if isinstance(value, Tensor):
            given = value.to(self.log_threshold).reshape(-1)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            given = self.log_threshold.new_tensor([float(value)])
        else:
            msg = (
                "RidgeRegularizer: expected sigma to be a number or a tensor of numbers; got "
                f"{shown(value)}."
            )
            raise TypeError(msg)
        if len(given) not in (1, batch):
            msg = (
                f"RidgeRegularizer: expected sigma to be one number, or one for each of {batch} "
                f"samples; got {shown(sigma)}."
            )
            raise ValueError(msg)
        if torch.compiler.is_compiling() or is_mapped() or given.is_meta:
            return given
        low, high = self._limits
        if not bool(((given >= low) & (given <= high)).all()):
            msg = (
                f"RidgeRegularizer: expected sigma within {self._range()}, for which the prior "
                f"was made; got {given.tolist()}. Make one for other levels, or scale the weight."
            )
            raise ValueError(msg)
        return given

    def _range(self) -> str:
        return f"[{self.levels[0]:.4g}, {self.levels[-1]:.4g}]"

    def _interpolated(self, sigma: Tensor) -> Tensor:
        """Return log τ at noise levels, (levels, orbits)."""
        knots = torch.tensor(self.levels).to(sigma).log()
        if len(knots) == 1:
            return self.log_threshold.expand(len(sigma), -1)
        place = sigma.log().clamp(knots[0], knots[-1])
        right = torch.searchsorted(knots, place).clamp(1, len(knots) - 1)
        share = ((place - knots[right - 1]) / (knots[right] - knots[right - 1]))[:, None]
        return torch.lerp(self.log_threshold[right - 1], self.log_threshold[right], share)
