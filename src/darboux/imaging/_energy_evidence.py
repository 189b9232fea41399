"""What theorems say of the minimisation of an energy, beside what the run shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor

from darboux.certification import Certificate, Row
from darboux.imaging._energy import LeastSquares, dots, lengths, spread
from darboux.imaging._evidence import Scene, judged
from darboux.imaging._minimise import EVERY, Minimum, minimise
from darboux.imaging._prior_evidence import prior_rows
from darboux.structure import Gap, Kind, Lipschitz, Smooth, WeaklyConvex, claims_of

_CHANGE = 1e-2  # of the data, in the attack on stability

_SECANTS = 10  # towards the largest curvature, and towards the smallest

_FAR = 1e-2  # their length, relative to the image

_NOISE = 32.0  # units of rounding of a curvature


@final
@dataclass(frozen=True)
class EnergyRun:
    """A minimisation of an energy, with what it takes to certify it."""

    scene: Scene
    energy: LeastSquares
    found: Minimum
    tol: float
    max_iter: int

    @property
    def kind(self) -> Kind:
        """How the constants of the energy are known: as the weakest of them."""
        said = claims_of(self.scene.prior)
        families = [WeaklyConvex] if self.energy.by_prox else [WeaklyConvex, Smooth]
        kinds = [claim.kind if claim else Kind.MEASURED for claim in map(said.find, families)]
        return min(Kind.BOUND, self.scene.norm_kind, *kinds)

    @torch.no_grad()
    def certificate(self) -> Certificate:
        """Return the certificate of this run."""
        rows = [self._end(), self._monotone(), *self._rates()]
        stable, gaps = self._stability()
        rows += [*stable, *self._constants(), *prior_rows(self.energy, self.found.x)]
        return self.scene.certificate(rows, gaps, self.found.x)

    def _row(
        self,
        statement: str,
        measured: Tensor,
        claimed: Tensor | float,
        noise: Tensor | float,
        reason: str,
        **about: Any,
    ) -> Row:
        usual: dict[str, Any] = {
            "kind": self.kind,
            "tried": f"this run, {self.found.iterations} iterations",
            "samples": len(self.found.x),
            "dtype": str(self.found.x.dtype).removeprefix("torch."),
        }
        return judged(statement, measured, claimed, noise, reason=reason, **usual | about)

    def _end(self) -> Row:
        """Return the row that says what the image is."""
        mu = self.energy.convexity
        if mu > 0:
            near = float(self._radius(self.found).max()) if len(self.found.x) else 0.0
            what = f"the image is within {near:.3g} of the only minimiser, in the Euclidean norm"
            what = f"F is {mu:.6g}-strongly convex: {what}"
        elif mu == 0:
            what = "F is convex: F approaches its minimum; there may be several minimisers"
        else:
            what = (
                f"F is not known to be convex, only {-mu:.6g}-weakly convex: the image is nearly "
                "stationary, and may depend on where the iteration began"
            )
        row = self._row(
            "L ‖x - p‖ <= tol ‖A* y‖ for a proximal-gradient step from the image x to p",
            self.found.residual[-1],
            self.tol * self.energy.scale,
            0.0,
            what,
        )
        if bool(self.found.converged.all()):
            return row
        why = "it has not converged: allow more iterations (max_iter), a larger tol, or float64"
        return replace(row, status="undecided", note=why)

    def _radius(self, found: Minimum) -> Tensor:
        """Return how far images are from the only minimiser at most, (batch,)."""
        size = found.residual[-1] if self.energy.is_smooth else 2 * found.residual[-1]
        return size / self.energy.convexity

    def _monotone(self) -> Row:
        found = self.found
        return self._row(
            "F never rises",
            found.objective.diff(dim=0),
            0.0,
            found.allowance[:-1],
            "a step is accepted only if it falls as far as a proximal-gradient step must",
            kind=min(Kind.CONSTRUCTION, self.kind),
        )

    def _rates(self) -> list[Row]:
        """Return the rates that are proved, with F at the last iterate for the minimum."""
        energy, found = self.energy, self.found
        mu, bound, rows = energy.convexity, energy.smoothness, []
        fall, noise = found.objective - found.objective[-1], 2 * found.allowance
        k = torch.arange(len(fall), device=fall.device)[:, None]
        if mu > 0:
            above = fall[0] + bound / mu * found.left
            rows.append(
                self._row(
                    "F(x_k) - F* <= (1 - μ/L)^k (F(x_0) - F*)",
                    fall,
                    (1 - mu / bound) ** k * above,
                    noise,
                    f"F is strongly convex with μ = {mu:.6g}, L = {bound:.6g}: the residual "
                    "bounds F(x_K) - F*",
                )
            )
        if energy.is_slow:
            away = found.x - found.start
            times = torch.div(k + EVERY - 1, EVERY, rounding_mode="floor")
            rows.append(
                self._row(
                    "F(x_k) - F(u) <= 2 L ‖x_0 - u‖² / (j + 1)², j = k/5 rounded up",
                    fall[1:],
                    (2 * bound * dots(away, away) / (times + 1) ** 2)[1:],
                    noise[1:],
                    f"F is convex, L = {bound:.6g}; every fifth step begins with one of MFISTA "
                    "(Beck and Teboulle 2009); tried with u = x_K",
                )
            )
        if mu < 0:
            steps = (~found.low.isnan()).sum(dim=0)
            least = found.residual[:-1].square().amin(dim=0) if steps.any() else found.residual[0]
            room = found.objective[0] - found.objective[-1] + found.allowance.sum(dim=0)
            rows.append(
                self._row(
                    "min_k ‖L (x_k - p_k)‖² <= 2 L (F(x_0) - inf F) / K",
                    torch.where(steps > 0, least, 0.0),
                    2 * bound * room / steps.clamp(min=1),
                    0.0,
                    f"each step falls by ‖L (x_k - p_k)‖² / (2 L) at least, L = {bound:.6g}; "
                    "inf F <= F(x_K)",
                )
            )
        return rows

    def _stability(self) -> tuple[list[Row], list[Gap]]:
        """Return what a change of the data does at most, and where no theorem says so."""
        energy, mu = self.energy, self.energy.convexity
        spent = energy.weight * energy.rho
        if mu < 0 or (mu == 0 and spent > 0):
            why = (
                f"stability in y: the data term has curvature {energy.below**2:.6g} at least, "
                f"which the {spent:.6g}-weakly convex prior uses up; no theorem bounds how the "
                "image changes with the data"
            )
            return [], [Gap("reconstruction", why)]
        change, other = self._other()
        apart, x, size = other.x - self.found.x, self.found.x, lengths(change)
        solved = f"a change of the data by {_CHANGE:.0%}, solved from an image of zeros"
        if mu > 0:
            factor = energy.norm / mu
            row = self._row(
                f"‖x(y) - x(y')‖ <= {factor:.6g} ‖y - y'‖",
                lengths(apart),
                factor * size,
                self._radius(self.found) + self._radius(other) + _rounding(x) * lengths(x),
                f"‖A‖ / μ with ‖A‖ <= {energy.norm:.6g}, μ = {mu:.6g}; residuals / μ are allowed",
                tried=solved,
                structure=Lipschitz(factor),
            )
            return [row], []
        image = apart if energy.physics is None else energy.physics(apart)
        row = self._row(
            "‖A x(y) - A x(y')‖ <= ‖y - y'‖, and equal F for equal y",
            lengths(image),
            size,
            self._slack(other, lengths(apart), size),
            "g is convex: ‖A x - A x'‖² <= ⟨A x - A x', y - y'⟩ for minimisers x, x'; residuals "
            "are allowed",
            tried=solved,
        )
        why = (
            "stability in y: F is convex but not known to be strongly convex, so that the change "
            "of the image itself has no bound, only that of A x"
        )
        return [row], [Gap("reconstruction", why)]

    def _other(self) -> tuple[Tensor, Minimum]:
        """Return a change of the data, and the reconstruction of the changed data."""
        energy, x = self.energy, self.found.x
        dice = torch.Generator().manual_seed(0)
        noise = torch.randn(energy.y.shape, generator=dice, dtype=torch.float64).to(energy.y)
        scale = _CHANGE * lengths(energy.y) / lengths(noise).clamp(min=1e-300)
        change = spread(scale, noise) * noise
        changed = energy.with_data(energy.y + change)
        return change, minimise(changed, 0 * x, tol=self.tol, max_iter=self.max_iter)

    def _slack(self, other: Minimum, apart: Tensor, size: Tensor) -> Tensor:
        """Return what residuals add to ‖y - y'‖, a root of t² - ‖y - y'‖ t = slack."""
        energy = self.energy
        left = self.found.residual[-1] + other.residual[-1]
        if not energy.is_smooth:
            left = 2 * left
        near = left / energy.smoothness
        root = (size.square() + 4 * left * (apart + near)).sqrt()
        return (root - size) / 2 + energy.norm * near + _rounding(other.x) * lengths(energy.y)

    def _constants(self) -> list[Row]:
        """Return the rows about L and μ, attacked along the run and around the image."""
        found, energy = self.found, self.energy
        moved = ~found.low.isnan()
        low, high, noise = (
            torch.cat([rows[moved], more])
            for rows, more in zip(
                (found.low, found.high, found.noise), self._secants(), strict=True
            )
        )
        most, name = max(energy.smoothness, -energy.convexity), type(self.scene.prior).__name__
        about: dict[str, Any] = {
            "path": name,
            "level": "premise",
            "kind": None,
            "tried": "steps of this run, secants around the image",
            "samples": len(low),
        }
        return [
            self._row(f"‖∇f(x) - ∇f(y)‖ <= {most:.6g} ‖x - y‖", high, most, noise, "", **about),
            self._row(
                f"-⟨∇f(x) - ∇f(y), x - y⟩ <= {-energy.convexity:.6g} ‖x - y‖²",
                -low,
                -energy.convexity,
                noise,
                "",
                **about,
            ),
            self._row(
                "a proximal-gradient step falls as far as it must",
                found.excess,
                0.0,
                0.0,
                "",
                **about | {"tried": f"{int(found.fallbacks.sum())} steps of this run"},
            ),
        ]

    def _secants(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return what secants of power iterations around the image say: low, high, noise."""
        energy, x = self.energy, self.found.x
        dice = torch.Generator().manual_seed(0)
        here, size = energy.smooth(x)[1], lengths(x)
        size = torch.where(size > 0, size, 1.0)
        start = torch.randn(x.shape, generator=dice, dtype=torch.float64).to(x)
        lows, highs = [], []
        for shift in (0.0, energy.smoothness):
            d = start
            for _ in range(_SECANTS):
                d = spread(_FAR * size / lengths(d).clamp(min=1e-30), d) * d
                turned = energy.smooth(x + d)[1] - here
                lows.append(dots(turned, d) / dots(d, d))
                highs.append(lengths(turned) / lengths(d))
                d = turned - shift * d
        low, high = torch.cat(lows), torch.cat(highs)
        return low, high, torch.full_like(low, _rounding(x) * energy.smoothness / _FAR)


def _rounding(x: Tensor) -> float:
    return _NOISE * torch.finfo(x.dtype).eps
