"""What theorems say of an iteration with an averaged denoiser, beside what the run shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor, nn

from darboux.certification import Certificate, Effort, Row, Target
from darboux.certification._engine import claim_row
from darboux.imaging._averaged import Denoising, Iterated, Scheme
from darboux.imaging._evidence import Scene, judged
from darboux.structure import Averaged, Claim, Gap, Kind

_SIDE = 48  # of the part of the image on which the denoiser is attacked


@final
@dataclass(frozen=True)
class SchemeRun:
    """An iteration with an averaged map, with what it takes to certify it."""

    scene: Scene
    scheme: Scheme
    found: Iterated
    tol: float

    @torch.no_grad()
    def certificate(self) -> Certificate:
        """Return the certificate of this run."""
        bounds, gaps = self._bounds()
        rows = [self._end(), *self._falls(), *bounds, self._denoiser()]
        gaps.append(
            Gap(
                "reconstruction",
                "stability in y: no theorem about fixed points of averaged maps bounds the change "
                "of the image",
            )
        )
        return self.scene.certificate(rows, gaps, self.found.x)

    @property
    def kind(self) -> Kind:
        """How α of the whole map is known."""
        return min(Kind.BOUND, self.scheme.denoise.kind, self.scene.norm_kind)

    def _row(
        self,
        statement: str,
        measured: Tensor,
        claimed: Tensor | float,
        noise: Tensor | float,
        why: str,
    ) -> Row:
        return judged(
            statement,
            measured,
            claimed,
            noise,
            reason=why,
            kind=self.kind,
            tried=f"this run, {len(self.found.residual)} iterations",
            samples=len(self.found.x),
            dtype=str(self.found.x.dtype).removeprefix("torch."),
        )

    def _end(self) -> Row:
        found = self.found
        row = self._row(
            "‖T s - s‖ <= tol ‖s‖ at the last iterate s",
            found.last,
            self.tol * found.size,
            0.0,
            "iterates of an averaged map converge to a fixed point of it, if there is one"
            + (": there is one in the box, which T maps to itself" if self.scheme.box else ""),
        )
        if bool(found.converged.all()):
            return row
        why = "it has not converged: allow more iterations (max_iter), or a larger tol"
        return replace(row, status="undecided", note=why)

    def _falls(self) -> list[Row]:
        """Return that residuals fall as those of averaged maps do, and never rise."""
        found, alpha = self.found, self.scheme.alpha
        inexact = (found.error[1:] + found.error[:-1])[:, None].to(found.noise)
        unit = found.noise[1:] + found.noise[:-1] + inexact
        before, after = found.residual[:-1], found.residual[1:]
        strict = after.square() + (1 - alpha) / alpha * found.turned.square()
        sizes = 2 * (before + after + (1 - alpha) / alpha * found.turned) + unit / alpha
        return [
            self._row("‖T s_k - s_k‖ never rises", after - before, 0.0, unit, self.scheme.reason),
            self._row(
                "‖d_(k+1)‖² + (1 - α) / α ‖d_(k+1) - d_k‖² <= ‖d_k‖², d_k = T s_k - s_k",
                strict,
                before.square(),
                sizes * unit,
                f"T is averaged with α = {alpha:.6g}",
            ),
        ]

    def _bounds(self) -> tuple[list[Row], list[Gap]]:
        """Return bounds by the size of the box, where there is one."""
        found, alpha = self.found, self.scheme.alpha
        if found.reach is None:
            why = (
                "a rate: how far the iteration begins from a fixed point is not known (there may "
                "be none), only that residuals do not rise"
            )
            return [], [Gap("reconstruction", why)]
        odds, reach = alpha / (1 - alpha), found.reach
        k = torch.arange(1, len(found.residual) + 1, device=reach.device)[:, None]
        sizes = found.residual.nan_to_num(0.0)
        squares = sizes.square().cumsum(dim=0)
        noise = (2 * sizes * found.noise + found.noise.square()).cumsum(dim=0)
        far = "the box holds a fixed point, so that ‖s_0 - s*‖ is at most the way to its far corner"
        why = f"T is averaged with α = {alpha:.6g}; {far}"
        return [
            self._row(
                "‖T s_k - s_k‖ <= √(α / (1 - α) / (k + 1)) ‖s_0 - s*‖",
                found.residual,
                (odds / k).sqrt() * reach,
                found.noise,
                why,
            ),
            self._row(
                "Σ ‖T s_k - s_k‖² <= α / (1 - α) ‖s_0 - s*‖²",
                squares[-1:],
                odds * reach**2,
                noise[-1:],
                why,
            ),
        ], []

    def _denoiser(self) -> Row:
        """Attack the claim about the denoiser on a part of the image."""
        denoise, image = self.scheme.denoise.at_most_noise(), self.found.x[:1]
        window = (slice(None), slice(None), *(slice(0, _SIDE),) * (image.ndim - 2))
        part = image[window]
        claim = Claim(Averaged(denoise.alpha), denoise.kind, denoise.reason)
        target = Target(
            _Called(denoise), part, Effort.named("quick"), torch.Generator().manual_seed(0)
        )
        name = type(denoise.module).__name__
        with torch.enable_grad():
            return claim_row(claim, target, path=name, level="part")


@final
class _Called(nn.Module):
    """A denoiser at its noise level as a module of one argument."""

    def __init__(self, denoise: Denoising) -> None:
        super().__init__()
        self.denoise = denoise
        self.module = denoise.module

    def forward(self, x: Tensor) -> Tensor:
        """Return what the denoiser makes of x."""
        return self.denoise(x)
