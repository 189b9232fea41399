"""What methods of successive approximations share: after a sweep each layer maximises alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from darboux.control._closed_form import best_linear, has_closed_form
from darboux.control._sweep import Visited, chosen, sweep
from darboux.solvers._transforms import without_autocast

Penalty = Callable[[Any], Tensor]

_TRIALS = 20  # of ρ in one step

_ROUNDING = 1e3  # units of eps within which a layer repeats itself


class MSAStep(NamedTuple):
    """One sweep: E before it, and by layer what the maximum principle leaves."""

    objective: float  # E = Φ + R
    rho: float  # ρ of the changes that were made
    residuals: dict[str, float]  # ‖∂_θ (H - R)‖, 0 where the maximum principle holds
    gains: dict[str, float]  # by which H - R has grown
    state_errors: dict[str, float]  # ‖x_{n+1} - g(x_n, θ')‖
    costate_errors: dict[str, float]  # ‖p_n - ∂_x (p_{n+1} · g(x_n, θ'))‖


class _Terms(NamedTuple):
    """What the augmented Hamiltonian is made of."""

    hamiltonian: Tensor  # H - R
    state: Tensor  # squared error
    costate: Tensor  # squared error


class SuccessiveApproximations(ABC):
    """Sweeps, after each of which every layer maximises its augmented Hamiltonian."""

    def __init__(
        self,
        network: nn.Module,
        loss: Callable[..., Tensor],
        regularizer: Penalty | None,
        iterations: int,
    ) -> None:
        if isinstance(network, nn.parallel.DistributedDataParallel):
            msg = (
                f"{type(self).__name__}: expected a network of one process; got one of several, "
                "whose parts would choose other weights each. Use DiscreteMSA, or gradients."
            )
            raise TypeError(msg)
        if isinstance(loss, nn.Module) and chosen(loss):
            msg = (
                f"{type(self).__name__}: expected a loss without parameters; got one that has "
                "some. Make what has them the last layer of the network."
            )
            raise ValueError(msg)
        self.network = network
        self.loss = loss
        self.regularizer = regularizer
        self.iterations = iterations

    @property
    @abstractmethod
    def _rho(self) -> float:
        """The weight of the feasibility errors."""

    @abstractmethod
    def _accepts(self, before: float, after: Callable[[], float]) -> bool:
        """Return whether the layers stay as they are now, by E before and after; or change ρ."""

    def step(self, z: Tensor, *labels: Any) -> MSAStep:
        """Sweep once over the samples z with loss(network(z), *labels), and change each layer.

        Raises:
            FloatingPointError: if the loss or a costate is NaN or infinite; nothing has been
                changed.
            ValueError: if the network is no list of layers with parameters of their own, a layer
                gives different values for equal inputs, or the loss is no single number.
        """
        with torch.inference_mode(mode=False), without_autocast(z):
            value, visited = sweep(self.network, self.loss, z, labels)
            for at in visited:
                _require_repeatable(at)
            penalty, slopes = self._penalty_and_slopes()
            objective = float(value + penalty)
            _require_finite(objective, visited)
            moving = {at.name: at for at in visited if at.slopes}
            residuals = {name: _residual(at, slopes) for name, at in moving.items()}
            rho, found = self._search(objective, visited, residuals, labels)
        columns = (dict(zip(moving, c, strict=True)) for c in zip(*found, strict=True))
        return MSAStep(objective, rho, residuals, *columns)

    def _search(
        self,
        objective: float,
        visited: list[Visited],
        residuals: dict[str, float],
        labels: tuple[Any, ...],
    ) -> tuple[float, list[tuple[float, float, float]]]:
        """Let layers maximise until E is accepted; return ρ, gains and errors."""
        names = {id(p): name for name, p in self.network.named_parameters()}
        start = [p.detach().clone() for p in self._chosen()]
        for _ in range(_TRIALS):
            rho, kept = self._rho, False
            try:
                found = [
                    self._improve(at, names, residuals[at.name]) for at in visited if at.slopes
                ]
                kept = self._accepts(objective, lambda: self._value(visited, labels))
            finally:
                if not kept:
                    with torch.no_grad():
                        torch._foreach_copy_(self._chosen(), start)
            if kept:
                return rho, found
        return rho, [(0.0, 0.0, 0.0)] * len(found)

    def _chosen(self) -> list[Tensor]:
        return [*chosen(self.network).values()]

    def _value(self, visited: list[Visited], labels: tuple[Any, ...]) -> float:
        """Return E at the present parameters, with statistics as they are."""
        with torch.no_grad():
            z = visited[0].before.detach()
            for at in visited:
                z = _applied(at, {}, z)
            return float(self.loss(z, *labels) + self._penalty({}))

    def _improve(
        self, at: Visited, names: dict[int, str], residual: float
    ) -> tuple[float, float, float]:
        """Maximise one layer; return its gain and errors."""
        parameters = chosen(at.layer)
        leaves = {name: p.detach().clone().requires_grad_() for name, p in parameters.items()}
        known = {names[id(p)]: leaves[name] for name, p in parameters.items()}

        def terms() -> _Terms:
            return self._terms(at, leaves, known)

        first = terms()
        if residual > 0 and self._rho > 0 and self.regularizer is None and has_closed_form(at):
            with torch.no_grad():
                for name, change in best_linear(at, self._rho).items():
                    leaves[name].add_(change)
        elif residual > 0:
            self._ascend(terms, [*leaves.values()], residual)
        last = terms()
        gain = float((last.hamiltonian - first.hamiltonian).detach())
        errors = [float(last.state.detach()), float(last.costate.detach())]
        if not gain >= self._rho / 2 * sum(errors):  # the line search failed, or found NaN
            return 0.0, 0.0, 0.0
        with torch.no_grad():
            for name, p in parameters.items():
                p.copy_(leaves[name])
        return gain, errors[0] ** 0.5, errors[1] ** 0.5

    def _ascend(self, terms: Callable[[], _Terms], leaves: list[Tensor], residual: float) -> None:
        """Maximise by L-BFGS, whose tests of curvature expect slopes of about 1."""
        optimizer = torch.optim.LBFGS(
            leaves,
            max_iter=self.iterations,
            max_eval=20 * self.iterations,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )

        def negative() -> Tensor:
            found = terms()
            errors = found.state + found.costate
            value = (self._rho / 2 * errors - found.hamiltonian) / residual
            slopes = torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True)
            for leaf, slope in zip(leaves, slopes, strict=True):
                leaf.grad = slope.contiguous()
            return value.detach()

        optimizer.step(negative)

    def _terms(self, at: Visited, leaves: dict[str, Tensor], known: dict[str, Tensor]) -> _Terms:
        with torch.enable_grad():
            after = _applied(at, leaves, at.before)
            hamiltonian = (at.costate * after).sum()
            gain = hamiltonian - self._penalty(known)
            if self._rho == 0:
                zero = torch.zeros_like(gain)
                return _Terms(gain, zero, zero)
            (earlier,) = torch.autograd.grad(
                hamiltonian, at.before, create_graph=True, allow_unused=True, materialize_grads=True
            )
            state = (at.after - after).square().sum()
            return _Terms(gain, state, (at.earlier - earlier).square().sum())

    def _penalty_and_slopes(self) -> tuple[Tensor, dict[int, Tensor]]:
        """Return R and its derivatives, by the ids of parameters."""
        parameters = self._chosen()
        with torch.enable_grad():
            penalty = self._penalty({})
        if not penalty.requires_grad:
            return penalty, {}
        slopes = torch.autograd.grad(penalty, parameters, allow_unused=True, materialize_grads=True)
        return penalty.detach(), {id(p): s for p, s in zip(parameters, slopes, strict=True)}

    def _penalty(self, known: dict[str, Tensor]) -> Tensor:
        """Return R with other values of some parameters."""
        if self.regularizer is None:
            return torch.zeros(())
        at = {f"network.{name}": value for name, value in known.items()}
        found: Tensor = functional_call(_Penalized(self.network, self.regularizer), at, ())
        return found


class _Penalized(nn.Module):
    """R as a module, so that it can be called with other parameters."""

    def __init__(self, network: nn.Module, regularizer: Penalty) -> None:
        super().__init__()
        self.network = network
        self.regularizer = regularizer

    def forward(self) -> Tensor:
        """Return R."""
        return self.regularizer(self.network)


def _applied(at: Visited, leaves: dict[str, Tensor], x: Tensor) -> Tensor:
    """Return g(x, θ) with other θ; running statistics stay as the sweep left them."""
    kept = {name: buffer.clone() for name, buffer in at.layer.named_buffers()}
    return cast("Tensor", functional_call(at.layer, {**kept, **leaves}, (x.clone(),)))


def _residual(at: Visited, slopes: dict[int, Tensor]) -> float:
    """Return ‖∂_θ (H - R)‖, R having these slopes."""
    total = [
        (at.slopes[name] - slopes[id(p)] if slopes else at.slopes[name]).norm()
        for name, p in chosen(at.layer).items()
    ]
    return float(torch.stack(total).norm())


def _require_repeatable(at: Visited) -> None:
    """Refuse layers with random values, of which each call would maximise another one."""
    with torch.no_grad():
        gap = (_applied(at, {}, at.before) - at.after).abs().amax()
        least = _ROUNDING * torch.finfo(at.after.dtype).eps * at.after.abs().amax()
    if gap > least:
        msg = (
            f"Expected layers that give equal values for equal inputs; got {at.name!r}, a "
            f"{type(at.layer).__name__}, whose values differ by {float(gap):.1e}. Call eval() on "
            "it, or train by gradients."
        )
        raise ValueError(msg)


def _require_finite(objective: float, visited: list[Visited]) -> None:
    costate = visited[0].earlier.detach()
    if not (abs(objective) < float("inf") and bool(costate.isfinite().all())):
        msg = (
            f"Expected a finite objective and costates; got an objective of {objective}. Nothing "
            "was changed: use a larger rho, a regularizer, or fewer iterations."
        )
        raise FloatingPointError(msg)
