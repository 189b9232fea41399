"""Fixed-point iterations with a denoiser that is averaged: what plug-and-play methods prove."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, final

import torch
from torch import Tensor, nn

from darboux.imaging._energy import Box, lengths
from darboux.imaging._inpainting import Inpainting
from darboux.imaging._minimise import Progress
from darboux.linear import LinearMap
from darboux.solvers._conjugate_gradients import conjugate_gradients
from darboux.structure import Kind

Method = Literal["pgd", "douglas-rachford", "admm"]

_ACCURACY = 8.0  # units of rounding, of conjugate gradients

_NOISE = 32.0  # units of rounding of ‖s‖, in a residual

_PRODUCTS = 1000


@final
@dataclass(frozen=True)
class Denoising:
    """An averaged denoiser D, or (I + D) / 2, with its α and how that is known."""

    module: nn.Module
    sigma: float | Tensor | None
    alpha: float
    kind: Kind
    reason: str
    is_halved: bool = False

    def __call__(self, x: Tensor) -> Tensor:
        """Return what it makes of an image."""
        made = self.module(x) if self.sigma is None else self.module(x, self.sigma)
        return (x + made) / 2 if self.is_halved else made

    def at_most_noise(self) -> Denoising:
        """Return the denoiser at the largest of its noise levels, for which α is."""
        if self.sigma is None:
            return self
        levels = torch.as_tensor(self.sigma).detach()
        return replace(self, sigma=float(levels.max()) if levels.numel() else None)

    def firm(self) -> Denoising:
        """Return a denoiser with α <= 1/2: D itself, or (I + D) / 2."""
        if self.alpha <= 0.5:
            return self
        reason = f"(I + D) / 2 with D: {self.reason}"
        return replace(self, alpha=self.alpha / 2, reason=reason, is_halved=True)


@final
@dataclass(frozen=True)
class DataTerm:
    """τ ‖A x - y‖² / 2, with its gradient step and its proximal map, and a box of values."""

    physics: LinearMap | None
    y: Tensor
    step: float
    box: Box | None

    @property
    def is_separable(self) -> bool:
        """Whether its minimum on a box is found for each value of the image alone."""
        return self.physics is None or isinstance(self.physics, Inpainting)

    def descend(self, x: Tensor) -> Tensor:
        """Return x - τ A* (A x - y)."""
        if self.physics is None:
            return x - self.step * (x - self.y)
        return x - self.step * self.physics.adjoint(self.physics(x) - self.y)

    def project(self, x: Tensor) -> Tensor:
        """Return the nearest point of the box."""
        return x if self.box is None else x.clamp(*self.box)

    def prox(self, x: Tensor) -> tuple[Tensor, float]:
        """Return argmin_u ‖u - x‖² / 2 + τ ‖A u - y‖² / 2 on the box, and a bound of the error."""
        if self.physics is None:
            return self.project((x + self.step * self.y) / (1 + self.step)), 0.0
        b = x + self.step * self.physics.adjoint(self.y)
        closed = getattr(self.physics, "resolvent", None)
        if closed is not None:
            return self.project(closed(b, gamma=self.step)), 0.0
        return self._solved(b)

    def _solved(self, b: Tensor) -> tuple[Tensor, float]:
        """Solve (I + τ A* A) u = b; the error is at most the residual, because I + τ A* A >= I."""
        physics = self.physics
        assert physics is not None

        def product(flat: Tensor) -> Tensor:
            u = flat.reshape(b.shape)
            return (u + self.step * physics.adjoint(physics(u))).flatten()

        tol = _ACCURACY * torch.finfo(b.dtype).eps
        found = conjugate_gradients(product, b.flatten(), tol=tol, max_iter=_PRODUCTS)
        return found.x.reshape(b.shape), found.residual * float(b.double().norm())


@final
@dataclass(frozen=True)
class Scheme:
    """An iteration s <- T s, T α-averaged for the reason that is given."""

    method: Method
    data: DataTerm
    denoise: Denoising
    alpha: float
    reason: str

    @classmethod
    def of(cls, method: Method, data: DataTerm, denoiser: Denoising, norm: float) -> Scheme:
        """Return the iteration of a method, ‖A‖ <= norm."""
        if method == "pgd":
            parts = {"τ ‖A‖² / 2": data.step * norm**2 / 2, "D": denoiser.alpha}
            parts.update({} if data.box is None else {"P": 0.5})
            odds = sum(alpha / (1 - alpha) if alpha < 1 else math.inf for alpha in parts.values())
            alpha = 1.0 if math.isinf(odds) else odds / (1 + odds)
            name = "D ∘ (I - τ A*(A · - y))" if data.box is None else "P ∘ D ∘ (I - τ A*(A · - y))"
            shares = ", ".join(f"{part:.4g} ({name})" for name, part in parts.items())
            reason = f"T = {name} is α-averaged with α/(1-α) = Σ α_k/(1-α_k), α_k = {shares}"
            return cls(method, data, denoiser, alpha, f"{reason}; {denoiser.reason}")
        firm = denoiser.firm()
        reason = (
            "T = (I + R R') / 2 with the reflections of D and of the proximal map of the data "
            f"term is 1/2-averaged, because D is {firm.alpha:.4g}-averaged: {firm.reason}"
        )
        return cls(method, data, firm, 0.5, reason)

    @property
    def box(self) -> Box | None:
        """What T maps to itself, so that it has a fixed point; None where that is unknown."""
        return self.data.box if self.method == "pgd" else None

    def __call__(self, s: Tensor) -> tuple[Tensor, Tensor, float]:
        """Return T s, the image that belongs to s, and a bound of the error of T s."""
        if self.method == "pgd":
            after = self.data.project(self.denoise(self.data.descend(s)))
            return after, after, 0.0
        if self.method == "admm":
            near, error = self.data.prox(s)
            return s + self.denoise(2 * near - s) - near, near, 3 * error
        x = self.denoise(s)
        near, error = self.data.prox(2 * x - s)
        return s + near - x, x, error


@final
@dataclass(frozen=True)
class Iterated:
    """Where an iteration s <- T s ended and how it got there, in K steps.

    Args:
        x: the image with the smallest residual so far, which is the last one if T is averaged.
        converged: which samples have ‖T s - s‖ <= tol ‖s‖, (batch,).
        residual: ‖T s_k - s_k‖ for k = 0, ..., K - 1; NaN where a sample rested; (K, batch).
        turned: ‖T s_(k+1) - s_(k+1) - (T s_k - s_k)‖, (K - 1, batch); NaN as well.
        last: the last residual, (batch,).
        size: the last ‖s‖, (batch,).
        error: a bound of what solving for the data term approximately adds, (K,).
        noise: what rounding may add to a residual, (K, batch).
        reach: the largest distance of s_0 from a point of the box, (batch,); None without one.
    """

    x: Tensor
    converged: Tensor
    residual: Tensor
    turned: Tensor
    last: Tensor
    size: Tensor
    error: Tensor
    noise: Tensor
    reach: Tensor | None


@torch.no_grad()
def iterate(
    scheme: Scheme, s: Tensor, *, tol: float, max_iter: int, progress: Progress | None = None
) -> Iterated:
    """Iterate until all residuals are within tol; a sample that is so rests before the others."""
    if scheme.box is not None:
        s = s.clamp(*scheme.box)
    start, image, unit = s, s, _NOISE * torch.finfo(s.dtype).eps
    best = last = torch.full((len(s),), math.inf, dtype=torch.float64, device=s.device)
    converged = rests = best < 0
    residual: list[Tensor] = []
    turned: list[Tensor] = []
    errors: list[float] = []
    noise: list[Tensor] = []
    before: Tensor | None = None
    while len(residual) < max_iter and not bool(rests.all()):
        after, x, error = scheme(s)
        step = after - s
        found = lengths(step).nan_to_num(math.inf)
        if before is not None:
            turned.append(lengths(step - before).masked_fill(rests, math.nan))
        before = step
        last = torch.where(rests, last, found)
        image, best = _where(last < best, x, image), torch.minimum(last, best)
        s = _where(rests, s, after)
        residual.append(found.masked_fill(rests, math.nan))
        errors.append(error)
        noise.append(unit * lengths(s))
        converged = converged | (last <= tol * lengths(s))
        rests = converged | ~last.isfinite()
        if progress is not None:
            progress(len(residual), torch.full_like(last, math.nan), last)
    none = best.new_zeros(0, len(s))
    return Iterated(
        x=image,
        converged=converged,
        residual=torch.stack(residual) if residual else none,
        turned=torch.stack(turned) if turned else none,
        last=last,
        size=lengths(s),
        error=torch.tensor(errors, dtype=torch.float64),
        noise=torch.stack(noise) if noise else none,
        reach=None if scheme.box is None else _reach(start, scheme.box),
    )


def _where(mask: Tensor, here: Tensor, there: Tensor) -> Tensor:
    if bool(mask.all()):
        return here
    return torch.where(mask.reshape(-1, *(1,) * (here.ndim - 1)), here, there)


def _reach(x: Tensor, box: Box) -> Tensor:
    low, high = box
    return lengths(torch.maximum(x - low, high - x))
