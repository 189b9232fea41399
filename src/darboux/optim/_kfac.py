"""K-FAC: natural gradients with a Kronecker product for each layer, constrained ones included."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from darboux.control._curvature import derivatives
from darboux.optim._base import Group, Parameters
from darboux.optim._called import averaged, called, plain, stand_ins
from darboux.optim._kronecker import (
    Block,
    Factors,
    Sharing,
    Weight,
    blocks_of,
    is_plain,
    weights_of,
)
from darboux.optim._metric_optimizer import Fraction, Loss, MetricOptimizer, Radius, Tolerance
from darboux.optim._roots import blended, roots
from darboux.optim._sites import Survey, Watch, leaves
from darboux.structure._arguments import Count, NonNegative, Positive, checked

_NO_BIAS = -1


@final
class KFAC(MetricOptimizer):
    """Natural gradient descent with a Kronecker-factored Fisher matrix, right under constraints.

    Wherever the model evaluates y = W x + b, as a dense layer or a convolution in 1 to 3
    dimensions, W and b are functions of parameters θ, the identity or a parametrisation, with the
    derivative J. The block of θ is

        Jᵀ(A ⊗ G)J + λ,  A = E[x̄ x̄ᵀ],  G = Σ E[g gᵀ],  x̄ = (x, 1),  g = ∂⟨v, z⟩/∂y,

    in which the v sum up to the curvature Σ v vᵀ = ∂²L of the loss in the output z: the true
    Fisher matrix, not one of observed labels. For one sample, and a layer that is not shared, it
    is exact. A weight that is evaluated several times has one A and one G, and a block is the sum
    over all weights that its parameters become. Where J is the identity it is inverted exactly,
    and else by conjugate gradients, at most 500 products, each of which costs one evaluation of
    the parametrisation in both directions.

    Call `measure(inputs)` where the metric shall be renewed, each step or every tenth; A and G
    are means over the measurements. Parameters with another use than such maps get the
    diagonal of the metric, estimated by random signs, and one warning names them.

    Shapes: any parameters; the model returns z, (batch, ...).

    Source: equation (60); Martens and Grosse 2015; Grosse and Martens 2016 for convolutions;
    Eschenhagen et al. 2023 for `sharing`.

    Args:
        model: what `measure` calls; within `DistributedDataParallel`, metrics are averaged.
        loss: `torch.nn.MSELoss`, `CrossEntropyLoss` or `BCEWithLogitsLoss`, whose curvature needs
            no targets, or a convex function z -> L with the curvature of the loss.
        params: parameters of the model, or groups of them; all if None.
        lr: the step size h.
        momentum: μ.
        damping: λ.
        radius: of the region in which the metric is trusted: longer steps are cut to h√⟨d, ∇E⟩ = r
            for d = (G + λ)⁻¹∇E, before momentum.
        decay: how much of a factor is kept at each measurement, in the end.
        tol: the relative residual at which conjugate gradients stop; every iterate descends.
        sharing: how places with one weight (pixels, tokens, repeated layers) count: "expand" takes
            each as a sample, "reduce" their mean.
        samples: vectors v with random signs at each measurement; None takes all outputs of a
            sample one after the other, which is exact.
        strict: whether parameters with another use are refused.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if one is out of range, the loss needs targets, or a parameter is not the
            model's; by `measure`, if `strict` and a parameter has another use.
        RuntimeError: by `step`, before anything has been measured.

    Example:
        >>> import torch, darboux as dx
        >>> model = torch.nn.Sequential(
        ...     torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(4, 4)),
        ...     torch.nn.Tanh(),
        ...     torch.nn.Linear(4, 1),
        ... )
        >>> x = torch.randn(64, 4)
        >>> y = x.tanh().sum(dim=1, keepdim=True)
        >>> kfac = dx.optim.KFAC(model, torch.nn.MSELoss(), lr=0.3, momentum=0.0, radius=1.0)
        >>> for _ in range(50):
        ...     kfac.zero_grad()
        ...     loss = torch.nn.functional.mse_loss(model(x), y)
        ...     loss.backward()
        ...     kfac.measure(x)
        ...     kfac.step()
        >>> bool(loss < 0.1)
        True
    """

    @checked
    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        params: Parameters | None = None,
        lr: NonNegative = 0.03,
        momentum: NonNegative = 0.9,
        *,
        damping: Positive = 1e-2,
        radius: Radius = 0.03,
        decay: Fraction = 0.95,
        tol: Tolerance = 1e-3,
        sharing: Sharing = "expand",
        samples: Count | None = None,
        strict: bool = False,
    ) -> None:
        self.decay, self.tol, self.sharing = decay, tol, sharing
        self.samples, self.strict = samples, strict
        defaults = {"lr": lr, "momentum": momentum, "damping": damping}
        super().__init__(model, loss, params, radius, defaults)

    def __getstate__(self) -> Group:
        """Return what is copied and pickled."""
        names = ("decay", "tol", "sharing", "samples", "strict")
        return {
            **MetricOptimizer.__getstate__(self),
            **{name: getattr(self, name) for name in names},
        }

    def _begin(self) -> None:
        MetricOptimizer._begin(self)
        self._warned = False

    def _forget(self) -> None:
        self._blocks: list[Block] | None = None

    def _measure(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        copies = stand_ins(self.model, set(self._parameters()))
        own = dict(zip(map(id, copies.values()), plain(self.model).parameters(), strict=True))
        survey = Survey()
        called("KFAC", self.model, copies, args, kwargs, survey, followed=True)
        watch = Watch(survey.layers(copies.values()))
        z = called("KFAC", self.model, copies, args, kwargs, watch)
        reached = leaves(z)
        others = {name: p for name, p in copies.items() if id(p) in reached}
        self._report(list(others))
        weights = weights_of(watch.sites)
        outputs, squares = self._summed(z, weights, list(others.values()))
        inputs = self._shared([w.inputs(self.sharing) for w in weights])
        if not all(bool(x.isfinite().all()) for x in (*inputs, *outputs, *squares)):
            raise FloatingPointError(
                "KFAC: expected a finite metric; got NaN or ∞. The one before it is kept."
            )
        for p, square in zip(others.values(), squares, strict=True):
            self._blend(own[id(p)], "squares", square)
        factors = dict(zip(map(id, weights), zip(inputs, outputs, strict=True), strict=True))
        self._blocks = [
            self._block(several, [factors[id(w)] for w in several], own)
            for several in blocks_of(weights)
        ]
        for p in own.values():
            if self.state.get(p, {}).keys() & {"squares", "inputs0"}:
                self.state[p]["measured"] = self.state[p].get("measured", 0) + 1

    def _summed(
        self, z: Tensor, weights: Sequence[Weight], others: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return G of each weight, and the diagonal for other parameters."""
        sites = [site for weight in weights for site in weight.sites]
        targets = [*(site.output for site in sites), *others]
        outputs = [w.matrix().new_zeros(()) for w in weights]
        squares = [torch.zeros_like(p) for p in others]
        for v in roots(self._likelihood, z, self.samples, self.param_groups[0]["measured"]):
            found = derivatives([z], targets, [v])
            for k, w in enumerate(weights):
                mine, found = found[: len(w.sites)], found[len(w.sites) :]
                outputs[k] = outputs[k] + w.outputs(mine, self.sharing)
            for square, g in zip(squares, found, strict=True):
                square.addcmul_(g, g)
        return self._shared(outputs), self._shared(squares)

    def _shared(self, quantities: Sequence[Tensor]) -> list[Tensor]:
        return [averaged(self.model, x) for x in quantities]

    def _block(
        self,
        weights: Sequence[Weight],
        measured: Sequence[tuple[Tensor, Tensor]],
        own: Mapping[int, Tensor],
    ) -> Block:
        """Return the block of weights that have parameters in common, with factors blended."""
        found = {key: p for w in weights for key, p in w.sites[0].leaves().items()}
        parameters = [own[key] for key in found]
        factors = [
            Factors(*(self._blend(parameters[0], f"{name}{k}", x) for name, x in _named(pair)))
            for k, pair in enumerate(measured)
        ]
        plainly = len(weights) == 1 and is_plain(weights[0].sites[0], [*found.values()])
        if plainly:
            numbers = {id(p): k for k, p in enumerate(own.values())}
            bias = numbers[id(parameters[1])] if len(parameters) > 1 else _NO_BIAS
            self.state[parameters[0]]["bias"] = bias
            return Block(parameters, factors)
        return Block(parameters, factors, [w.matrix() for w in weights], [*found.values()])

    def _blend(self, parameter: Tensor, name: str, new: Tensor) -> Tensor:
        """Return the mean of a quantity over the measurements so far, which the state keeps."""
        state = self.state[parameter]
        old = state.get(name)
        if old is not None and old.shape == new.shape:
            new = blended(old.to(new), new, state.get("measured", 0), self.decay)
        state[name] = new
        return new

    def _directions(self, gradients: dict[Tensor, Tensor]) -> dict[Tensor, Tensor]:
        blocks = self._restored() if self._blocks is None else self._blocks
        dampings = self._dampings()
        found: dict[Tensor, Tensor] = {}
        for block in blocks:
            if gradients.keys() & {*block.parameters}:
                slopes = [gradients.get(p) for p in block.parameters]
                diagonals = [self._diagonal(p, dampings[p]) for p in block.parameters]
                solved = block.solved(slopes, diagonals, tol=self.tol)
                found |= dict(zip(block.parameters, solved, strict=True))
        inside = {p for block in blocks for p in block.parameters}
        alone = (p for p in gradients if p not in inside)
        found |= {p: gradients[p] / self._diagonal(p, dampings[p]) for p in alone}
        return {p: found[p] for p in gradients}

    def _diagonal(self, p: Tensor, damping: float) -> Tensor:
        """Return λ, and what is added to it where p has another use."""
        squares = self.state[p].get("squares") if p in self.state else None
        least = torch.tensor(damping, dtype=torch.float64, device=p.device)
        return least if squares is None else least + squares

    def _restored(self) -> list[Block]:
        """Return the blocks of a state that was loaded, which are known without constraints."""
        own = [*plain(self.model).parameters()]
        kept = [p for p in own if "inputs0" in self.state.get(p, {})]
        if not self.param_groups[0]["measured"] or any("bias" not in self.state[p] for p in kept):
            raise self._unmeasured()
        self._blocks = []
        for p in kept:
            state = self.state[p]
            parameters = [p] if state["bias"] == _NO_BIAS else [p, own[state["bias"]]]
            self._blocks.append(Block(parameters, [Factors(state["inputs0"], state["outputs0"])]))
        return self._blocks

    def _report(self, names: list[str]) -> None:
        """Warn once of parameters that the diagonal stands for, or refuse them."""
        if not names or (self._warned and not self.strict):
            return
        msg = (
            f"KFAC: expected parameters that are weights and biases of dense layers or "
            f"convolutions; {', '.join(names)} have another use, for which the diagonal of the "
            "metric stands."
        )
        if self.strict:
            raise ValueError(f"{msg} Use strict=False, or leave them out of params.")
        warnings.warn(msg, stacklevel=4)
        self._warned = True


def _named(pair: tuple[Tensor, Tensor]) -> list[tuple[str, Tensor]]:
    return [*zip(("inputs", "outputs"), pair, strict=True)]
