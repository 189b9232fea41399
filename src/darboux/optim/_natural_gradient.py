"""Natural gradient descent with the Fisher matrix: whole, by its products, or its diagonal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, final

import torch
from torch import Tensor, nn

from darboux.control._curvature import Curvature, flat, split
from darboux.optim._base import Group, Parameters
from darboux.optim._called import averaged, called, plain, stand_ins
from darboux.optim._kronecker import wide
from darboux.optim._metric_optimizer import Fraction, Loss, MetricOptimizer, Radius, Tolerance
from darboux.optim._roots import blended, roots
from darboux.solvers._conjugate_gradients import conjugate_gradients
from darboux.structure._arguments import Count, NonNegative, Positive, checked

Metric = Literal["gauss-newton", "fisher", "diagonal"]

_MOST = 4096  # parameters, of which the matrix is formed


@final
class NaturalGradient(MetricOptimizer):
    """Natural gradient descent, θ <- θ - h (G + λ)⁻¹∇E(θ), G the Fisher information of the model.

    G = Σ_n Jₙᵀ(∂²L)Jₙ with the Jacobians Jₙ of the outputs: for the losses below the expectation
    over labels of the model's own, and the matrix of Gauss-Newton. With h = 1 and a squared loss
    a step is one of `control.GaussNewton`. It is used by its products and conjugate gradients
    ("gauss-newton"), formed and factorised ("fisher", up to 4096 parameters), or replaced by its
    diagonal ("diagonal"), which is estimated by random signs of the samples: exact for one
    sample, and else a mean over the measurements.

    Call `measure(inputs)` before `step()`, with the inputs that the loss was taken at, or now and
    then: steps use the last metric. For layers `KFAC` costs less.

    Shapes: any parameters; the model returns z, (batch, ...).

    Source: equation (60); Amari 1998; Martens 2020.

    Args:
        model: what `measure` calls; within `DistributedDataParallel`, metrics are averaged.
        loss: `torch.nn.MSELoss`, `CrossEntropyLoss` or `BCEWithLogitsLoss`, whose curvature needs
            no targets, or a convex function z -> L with the curvature of the loss.
        params: parameters of the model, or groups of them; all if None.
        lr: the step size h.
        momentum: μ, of a mean of natural gradients.
        metric: "gauss-newton", "fisher" or "diagonal".
        damping: λ.
        max_products: of one step by conjugate gradients; every iterate descends.
        tol: the relative residual at which they end earlier.
        radius: of the region in which the metric is trusted: longer steps are cut to h√⟨d, ∇E⟩ = r
            for d = (G + λ)⁻¹∇E, before momentum.
        decay: how much of the diagonal is kept at each measurement, in the end.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if one is out of range, the loss needs targets, a parameter is not the
            model's, or there are more than 4096 of "fisher".
        RuntimeError: by `step`, before anything has been measured.

    Example:
        >>> import torch, darboux as dx
        >>> model = torch.nn.Sequential(
        ...     torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)
        ... )
        >>> x = torch.randn(100, 2)
        >>> labels = (x[:, 0] * x[:, 1] > 0).long()
        >>> natural = dx.optim.NaturalGradient(model, torch.nn.CrossEntropyLoss(), lr=0.5)
        >>> for _ in range(30):
        ...     natural.zero_grad()
        ...     loss = torch.nn.functional.cross_entropy(model(x), labels)
        ...     loss.backward()
        ...     natural.measure(x)
        ...     natural.step()
        >>> bool(loss < 0.2)
        True
    """

    @checked
    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        params: Parameters | None = None,
        lr: NonNegative = 1.0,
        momentum: NonNegative = 0.0,
        *,
        metric: Metric = "gauss-newton",
        damping: Positive = 1e-2,
        max_products: Count = 100,
        tol: Tolerance = 1e-3,
        radius: Radius = math.inf,
        decay: Fraction = 0.95,
    ) -> None:
        self.metric, self.max_products, self.tol = metric, max_products, tol
        self.decay = decay
        defaults = {"lr": lr, "momentum": momentum, "damping": damping}
        super().__init__(model, loss, params, radius, defaults)

    def __getstate__(self) -> Group:
        """Return what is copied and pickled."""
        names = ("metric", "max_products", "tol", "decay")
        options = {name: getattr(self, name) for name in names}
        return {**MetricOptimizer.__getstate__(self), **options}

    def _forget(self) -> None:
        self._curvature: Curvature | None = None
        self._matrix: Tensor | None = None

    def _measure(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        copies = stand_ins(self.model, set(self._parameters()))
        own = zip(plain(self.model).parameters(), copies.values(), strict=True)
        chosen: dict[Tensor, Tensor] = {p: copy for p, copy in own if copy.requires_grad}
        trained = [chosen[p] for p in self._parameters()]
        z = called("NaturalGradient", self.model, copies, args, kwargs)
        if self.metric == "diagonal":
            self._keep(self._squares(z, trained))
            return
        curvature = Curvature(trained, lambda: z, self._likelihood.cost)
        if not bool(curvature.product(curvature.gradient).isfinite().all()):
            raise FloatingPointError("NaturalGradient: expected a finite metric; got NaN or ∞.")
        self._curvature = curvature
        self._matrix = self._formed(curvature, len(curvature.gradient))

    def _formed(self, curvature: Curvature, n: int) -> Tensor | None:
        """Return G as a matrix, column by column, for "fisher"."""
        if self.metric != "fisher":
            return None
        if n > _MOST:
            msg = (
                f"NaturalGradient: expected at most {_MOST} parameters for metric='fisher'; got "
                f'{n}. Use "gauss-newton", which is the same metric, or KFAC.'
            )
            raise ValueError(msg)
        eye = torch.eye(n, dtype=curvature.gradient.dtype, device=curvature.gradient.device)
        columns = torch.stack([curvature.product(e) for e in eye], dim=1)
        return averaged(self.model, (columns + columns.T) / 2)

    def _squares(self, z: Tensor, trained: Sequence[Tensor]) -> Tensor:
        """Return an estimate of the diagonal, flat."""
        total = torch.zeros_like(flat(trained)).detach()
        for v in roots(self._likelihood, z, None, self.param_groups[0]["measured"]):
            found = torch.autograd.grad(
                z, trained, v, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            total += flat(found).square()
        return averaged(self.model, total)

    def _keep(self, squares: Tensor) -> None:
        if not bool(squares.isfinite().all()):
            raise FloatingPointError("NaturalGradient: expected a finite metric; got NaN or ∞.")
        count = self.param_groups[0]["measured"]
        parameters = [*self._parameters()]
        for p, new in zip(parameters, split(squares, parameters), strict=True):
            state = self.state[p]
            state["squares"] = blended(state.get("squares"), new, count, self.decay)

    def _directions(self, gradients: dict[Tensor, Tensor]) -> dict[Tensor, Tensor]:
        dampings = self._dampings()
        if self.metric == "diagonal":
            if any("squares" not in self.state[p] for p in gradients):
                raise self._unmeasured()
            return {p: g / (self.state[p]["squares"] + dampings[p]) for p, g in gradients.items()}
        if self._curvature is None:
            raise self._unmeasured()
        parameters = [*self._parameters()]
        b = wide(flat([gradients.get(p, torch.zeros_like(p)) for p in parameters]))
        damping = flat([torch.full_like(p, dampings[p]) for p in parameters]).to(b)
        moving = flat([torch.full_like(p, float(p in gradients)) for p in parameters]).to(b)
        solution = self._solved(self._curvature, b, damping, moving)
        pairs = zip(parameters, split(solution, parameters), strict=True)
        return {p: direction for p, direction in pairs if p in gradients}

    def _solved(self, curvature: Curvature, b: Tensor, damping: Tensor, moving: Tensor) -> Tensor:
        """Return (G + λ)⁻¹b for the block of G of those that move; b is 0 elsewhere."""
        if self._matrix is not None:
            return _inverted(self._matrix * torch.outer(moving, moving), b, damping)
        return conjugate_gradients(
            lambda v: moving * averaged(self.model, curvature.product(moving * v)) + damping * v,
            b,
            tol=self.tol,
            max_iter=self.max_products,
        ).x


def _inverted(matrix: Tensor, b: Tensor, damping: Tensor) -> Tensor:
    """Return (G + λ)⁻¹b of a semidefinite G, which rounding may have made indefinite."""
    scale = damping.sqrt()
    scaled = matrix / torch.outer(scale, scale)
    eye = torch.eye(len(b), dtype=b.dtype, device=b.device)
    factor, failed = torch.linalg.cholesky_ex(scaled + eye)
    right = (b / scale).unsqueeze(1)
    if bool(failed):
        values, vectors = torch.linalg.eigh(scaled)
        solution = vectors @ ((vectors.T @ right) / (values.clamp(min=0) + 1).unsqueeze(1))
    else:
        solution = torch.cholesky_solve(right, factor)
    return solution.squeeze(1) / scale
