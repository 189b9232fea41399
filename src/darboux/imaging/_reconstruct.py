"""`reconstruct`: images from data, by a method whose theorem the prior satisfies."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, Literal, final

import torch
from torch import Tensor, nn

from darboux.certification import Certificate
from darboux.imaging._averaged import DataTerm, Denoising, Scheme, iterate
from darboux.imaging._denoisers import NonexpansiveDenoiser
from darboux.imaging._energy import Box, LeastSquares
from darboux.imaging._energy_evidence import EnergyRun
from darboux.imaging._evidence import Scene
from darboux.imaging._inputs import check_data, first_image, usable_box
from darboux.imaging._minimise import Progress, minimise
from darboux.imaging._physics import as_physics
from darboux.imaging._prior import Sigma, noise_levels
from darboux.imaging._scheme_evidence import SchemeRun
from darboux.structure import Averaged, Lipschitz, claims_of
from darboux.structure._arguments import Count, NonNegative, Within, checked

Method = Literal["gradient", "pgd", "douglas-rachford", "admm"]

_Tolerance = Annotated[float, Within("a relative tolerance strictly in (0, 1)", above=0, below=1)]


@final
@dataclass(frozen=True)
class Reconstruction:
    """An image, how it was found, and a certificate of that.

    Args:
        image: (batch, channels, *space). Where it has not converged it is the best iterate: the
            one with the lowest objective, or with the smallest residual.
        history: a number for each iteration and sample, (iterations, batch): "residual", and
            "objective" where the method minimises one. NaN where a sample rested.
        converged: which samples met the tolerance, (batch,).

    Example:
        >>> import torch, darboux as dx
        >>> prior = dx.imaging.RidgeRegularizer(filters=8, kernel_size=3, weak=1.0)
        >>> made = dx.imaging.reconstruct(None, prior, torch.rand(1, 1, 16, 16), weight=0.5)
        >>> made.status, made.certificate.verdict
        ('converged', 'holds')
    """

    image: Tensor
    history: Mapping[str, Tensor]
    converged: Tensor
    _run: EnergyRun | SchemeRun = field(repr=False, compare=False)

    @property
    def status(self) -> Literal["converged", "not converged"]:
        """Whether all samples met the tolerance."""
        return "converged" if bool(self.converged.all()) else "not converged"

    @cached_property
    def certificate(self) -> Certificate:
        """What converged to what, with which constants, each claim beside its measurement.

        It is made when it is first read, which may take as long as the reconstruction: changed
        data are solved for, and the constants of the prior and the operator are attacked.

        Raises:
            RuntimeError: if the prior or the operator has changed since.
        """
        return self._run.certificate()


@torch.no_grad()
@checked
def reconstruct(
    physics: Any,
    prior: nn.Module,
    y: Tensor,
    *,
    weight: NonNegative = 1.0,
    sigma: Sigma = None,
    x0: Tensor | None = None,
    method: Method | None = None,
    box: tuple[float, float] | Literal["auto"] | None = "auto",
    tol: _Tolerance = 1e-4,
    max_iter: Count = 1000,
    progress: Progress | None = None,
) -> Reconstruction:
    """Return an image x with A x ≈ y that a prior takes for likely, and what is known of it.

    With a `Prior` g, x minimises F(x) = ‖A x - y‖² / 2 + weight · g(x, σ). F falls in every
    iteration, as far as a proximal-gradient step does or further. So it converges with the factor
    1 - μ/L in each step where F is μ-strongly convex, as O(1/k²) where it is convex, and to
    stationary points otherwise, where μ = lower_bound()² - weight · weak_convexity().

    With a denoiser D that is α-averaged, x is a fixed point:

    - "pgd": of P ∘ D ∘ (I - τ A*(A · - y)), τ = 1 / (weight ‖A‖²), P the projection onto the box;
    - "douglas-rachford", "admm": of the method with D for one of its proximal maps; where α > 1/2
      with (I + D) / 2. The other is that of τ ‖A x - y‖² / 2, in closed form where the operator
      has a ``resolvent``, else by conjugate gradients up to rounding.

    A larger weight trusts the prior more. Without derivatives; samples converge independently.

    Shapes: y is (batch, channels, *others), the image is (batch, channels, *space).

    Source: section 3.2; Beck and Teboulle 2009; Pesquet, Repetti, Terris and Wiaux 2021.

    Args:
        physics: the operator A: a `LinearMap`, anything that `as_physics` takes, None for I.
        prior: a `Prior`, or a module that claims to be averaged or nonexpansive.
        y: the data.
        weight: of the prior; more than 1/2 with "pgd".
        sigma: the noise level that the prior takes; None: that for which it was made.
        x0: the first image; A* y if None.
        method: "gradient" for priors; "pgd" (usual), "douglas-rachford" or "admm" for denoisers.
        box: the smallest and the largest value of an image, None for none; "auto" is (0, 1) for
            denoisers, and none for priors and where the method has no place for it.
        tol: of the residual: relative to ‖A* y‖ with priors, to the iterate with denoisers.
        max_iter: the most iterations.
        progress: called with (iteration, objective, residual), the latter two (batch,).

    Returns:
        The `Reconstruction`. One that has not converged says so in `status`.

    Raises:
        TypeError: if an argument is of another type; if the operator has no adjoint.
        ValueError: if data are not finite or do not fit the operator; if its adjoint is wrong; if
            σ is out of range; if the prior, the step or the box is not what the theorem needs.
        FloatingPointError: if the energy is not finite at the first image.

    Example:
        >>> import torch, darboux as dx
        >>> x = torch.rand(1, 1, 32, 32)
        >>> mask = torch.rand(32, 32) < 0.6
        >>> inpainting = dx.imaging.Inpainting(mask)
        >>> prior = dx.imaging.RidgeRegularizer(filters=8, kernel_size=3)
        >>> made = dx.imaging.reconstruct(
        ...     inpainting, prior, inpainting(x), weight=0.1, max_iter=200
        ... )
        >>> made.status, made.image.shape
        ('converged', torch.Size([1, 1, 32, 32]))
    """
    y = check_data(y)
    if sigma is not None:
        noise_levels("reconstruct", sigma, y)
    weight = float(weight)
    map = None if physics is None else as_physics(physics, y)
    norm = 1.0 if map is None else float(map.norm_bound())
    first, scene = first_image(map, norm, y, x0), Scene.of(prior, map, norm, y)
    settings: dict[str, Any] = {"tol": tol, "max_iter": max_iter, "progress": progress}
    if callable(getattr(prior, "g", None)):
        energy = _energy(scene, y, weight, sigma, method, box)
        least = minimise(energy, first, **settings)
        run = EnergyRun(scene, energy, least, tol, max_iter)
        history = {"objective": least.objective, "residual": least.residual}
        return Reconstruction(least.x, history, least.converged, run)
    scheme = _scheme(scene, y, weight, sigma, method, box)
    ended = iterate(scheme, first, **settings)
    found = SchemeRun(scene, scheme, ended, tol)
    return Reconstruction(ended.x, {"residual": ended.residual}, ended.converged, found)


def _energy(
    scene: Scene,
    y: Tensor,
    weight: float,
    sigma: Sigma,
    method: Method | None,
    box: Box | Literal["auto"] | None,
) -> LeastSquares:
    """Return the energy with a prior, or refuse one that the method cannot minimise."""
    prior, limits = scene.prior, None if box == "auto" else usable_box(box)
    name = type(prior).__name__
    if method not in (None, "gradient"):
        msg = (
            f"reconstruct: expected method 'gradient' with {name}, which has an energy; got "
            f"{method!r}, which needs a denoiser that is averaged. Leave method out."
        )
        raise ValueError(msg)
    for constant in ("lipschitz", "weak_convexity", "grad", "value_and_grad"):
        if not callable(getattr(prior, constant, None)):
            msg = (
                f"reconstruct: expected a prior with {constant}(), from which the step follows; "
                f"got {name}, which has none. Make it a subclass of darboux.imaging.Prior."
            )
            raise TypeError(msg)
    energy = LeastSquares(
        scene.physics, prior, y, weight=weight, sigma=sigma, box=limits, norm=scene.norm
    )
    if energy.by_prox and (limits or energy.rho > 0):
        msg = (
            f"reconstruct: expected a convex prior and box=None where the prior is not smooth; got "
            f"{name}, {energy.rho:.4g}-weakly convex, with box={limits}."
        )
        raise ValueError(msg)
    if not 0 < energy.smoothness < math.inf:
        msg = (
            "reconstruct: expected an energy with a Lipschitz constant L of its gradient, 0 < L < "
            f"∞; got {energy.smoothness}: ‖A‖ = {energy.norm}, weight = {weight}. Look at both."
        )
        raise ValueError(msg)
    return energy


def _scheme(
    scene: Scene,
    y: Tensor,
    weight: float,
    sigma: Sigma,
    method: Method | None,
    box: Box | Literal["auto"] | None,
) -> Scheme:
    """Return the iteration with a denoiser, with the step that its theorem needs, or refuse."""
    name = type(scene.prior).__name__
    if method == "gradient":
        msg = (
            f"reconstruct: expected method 'pgd', 'douglas-rachford' or 'admm' with {name}, a "
            "denoiser; got 'gradient', which needs a darboux.imaging.Prior."
        )
        raise ValueError(msg)
    denoiser, method = _denoising(scene.prior, sigma), method or "pgd"
    if not weight > (0.5 if method == "pgd" else 0) or scene.norm == 0:
        msg = (
            "reconstruct: expected weight > 1/2 with method 'pgd', whose step 1 / (weight ‖A‖²) "
            f"must be less than 2 / ‖A‖², > 0 with others, and ‖A‖ > 0; got weight {weight:g}, "
            f"‖A‖ = {scene.norm:g}. Give the denoiser less strength instead."
        )
        raise ValueError(msg)
    if method == "pgd" and denoiser.alpha == 1:
        msg = (
            f"reconstruct: expected a denoiser that is averaged with method 'pgd'; got {name}, "
            "which is nonexpansive only, so that iterations need not converge. Use "
            "method='douglas-rachford', which takes (I + D) / 2."
        )
        raise ValueError(msg)
    data = DataTerm(scene.physics, y, 1 / (weight * scene.norm**2), usable_box(box))
    if method != "pgd" and data.box and not data.is_separable:
        if box != "auto":
            msg = (
                f"reconstruct: expected box=None with method {method!r}, unless the operator is "
                f"diagonal; got {box} with {type(scene.physics).__name__}, for which the proximal "
                "map of the data term on a box is not known. Use method='pgd'."
            )
            raise ValueError(msg)
        data = replace(data, box=None)
    return Scheme.of(method, data, denoiser, scene.norm)


def _denoising(denoiser: nn.Module, sigma: Sigma) -> Denoising:
    """Return a denoiser with its α, or refuse one that does not claim to be nonexpansive."""
    name, said = type(denoiser).__name__, claims_of(denoiser)
    if sigma is not None and len(inspect.signature(denoiser.forward).parameters) < 2:
        msg = f"reconstruct: expected sigma=None with {name}, which takes no σ; got {sigma}."
        raise ValueError(msg)
    averaged, bound = said.find(Averaged), said.find(Lipschitz)
    if averaged is not None and isinstance(averaged.structure, Averaged):
        alpha = averaged.structure.alpha * _strength(denoiser, sigma)
        return Denoising(denoiser, sigma, min(alpha, 1.0), averaged.kind, averaged.reason)
    if bound is not None and bound.structure.at_least(Lipschitz(1.0)):
        alpha = min(_strength(denoiser, sigma), 1.0)
        return Denoising(denoiser, sigma, alpha, bound.kind, bound.reason)
    why = "; ".join(gap.reason for gap in said.gaps[:1]) or "its Lipschitz constant is more than 1"
    msg = (
        f"reconstruct: expected a Prior, or a denoiser that claims to be averaged or nonexpansive; "
        f"got {name}: {why}. Without it iterations may diverge. Use NonexpansiveDenoiser, or give "
        "the class a method claims()."
    )
    raise ValueError(msg)


def _strength(denoiser: nn.Module, sigma: Sigma) -> float:
    """Return by how much α at noise levels σ exceeds what is claimed for the usual one."""
    if sigma is None or not isinstance(denoiser, NonexpansiveDenoiser):
        return 1.0
    levels = torch.as_tensor(sigma, dtype=torch.float64)
    return float((levels / denoiser.sigma).square().max()) if levels.numel() else 1.0
