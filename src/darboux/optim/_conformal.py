"""The base of optimisers that are steps of conformal Hamiltonian systems."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.optim.sgd import sgd

from darboux.manifolds import CotangentBundle
from darboux.optim._base import (
    Closure,
    Group,
    Parameters,
    evaluated,
    gradients_of,
    is_left_out,
    norm_of,
    require_numbers,
)
from darboux.optim._kinetic import Kinetic, QuadraticKinetic
from darboux.optim._optimizer import ManifoldOptimizer, StackwiseOptimizer, Step, manifold_of
from darboux.optim._scheme import Free, Scheme
from darboux.optim._stacks import Stack
from darboux.optim._step_map import Part, StepMap
from darboux.structure._arguments import Within

Tensors = list[Tensor]

_ONE = torch.ones((), dtype=torch.float64)  # any ‖p‖², where T is quadratic

Share = Annotated[float, Within("a number from 0 to 1", least=0, most=1)]


def share_of(group: Group, name: str) -> float:
    """Return a number of a group, which a schedule may have changed.

    Raises:
        ValueError: if it is not between 0 and 1.
    """
    value: float = group[name]
    if not 0 <= value <= 1:
        msg = f"Expected {name} to be a number from 0 to 1; got {value}. Beyond it, energy grows."
        raise ValueError(msg)
    return value


def kinetic_of(group: Group) -> Kinetic:
    """Return the kinetic energy of a group.

    Raises:
        TypeError: if it is none.
    """
    kinetic: Kinetic = group["kinetic"]
    if not isinstance(kinetic, Kinetic):
        Kinetic.from_argument(kinetic)
    return kinetic


class ConformalOptimizer(StackwiseOptimizer, ABC):
    """θ' = ∇T(p), p' = -∇E(θ) - γp, one `Scheme` a step; ``momentum_buffer`` is -p, as in torch."""

    _step_supports_amp_scaling = True

    def __init__(self, params: Parameters, defaults: Group) -> None:
        super().__init__(params, {**defaults, "shared_storage": False})

    @abstractmethod
    def _scheme(self, group: Group) -> Scheme:
        """Return the step that a group asks for now; refuse numbers without a meaning."""

    @abstractmethod
    def _kinetic(self, group: Group) -> Kinetic:
        """Return T."""

    def step(self, closure: Closure | None = None) -> Any:
        """Make one step, after a call of the closure if there is one.

        Raises:
            RuntimeError: if a gradient is sparse, or a gradient scaler comes with a closure.
            ValueError: if a number of a group has left its range.
            FloatingPointError: if a gradient is not finite; nothing has been changed.
        """
        if is_left_out(self, closure):
            return None
        loss = evaluated(closure)
        self._require_numbers()
        gradients_of(self, [p for group in self.param_groups for p in group["params"]])
        StackwiseOptimizer.step(self)
        return loss

    def _require_numbers(self) -> None:
        for group in self.param_groups:
            require_numbers(group, "lr", "weight_decay")
            self._scheme(group)

    def step_map(self, loss: Callable[..., Tensor]) -> StepMap:
        """Return one step as a module (θ, p) -> (θ', p'), with what is claimed of it.

        Shapes: (batch, 2n) -> (batch, 2n), n the entries of all parameters, in their order: θ
        first, then p, each row a point of its own. The settings are those of the groups now.

        Args:
            loss: E, from one tensor for each parameter, of its shape, to (). It is mapped over
                the batch by `torch.func.vmap`.
        """
        parts: list[Part] = []
        shapes: list[torch.Size] = []
        for group in self.param_groups:
            parts += self._parts(group, len(shapes))
            shapes += [p.shape for p in group["params"]]
        return StepMap(loss, parts, shapes)

    def _parts(self, group: Group, first: int) -> Iterator[Part]:
        """Yield what is stepped at once: points of manifolds one by one, all others together."""
        kinds = [manifold_of(group, p) for p in group["params"]]
        for number, manifold in enumerate(kinds, first):
            if manifold is not None:
                yield self._part(group, (number,), Free(CotangentBundle(manifold)))
        flat = tuple(i for i, manifold in enumerate(kinds, first) if manifold is None)
        if flat:
            yield self._part(group, flat, None)

    def _part(self, group: Group, numbers: tuple[int, ...], free: Free | None) -> Part:
        settings = self._scheme(group), self._kinetic(group)
        decay, implicit = group["weight_decay"], group.get("method") == "implicit"
        return Part(
            *settings, numbers, free, sign=_sign(group), weight_decay=decay, implicit=implicit
        )

    def _check(self, group: Group, parameter: Tensor) -> None:
        ManifoldOptimizer._check(self, group, parameter)
        scheme, kinetic = self._scheme(group), self._kinetic(group)
        manifold = manifold_of(group, parameter)
        if manifold is None:
            return
        CotangentBundle(manifold)  # refuses one without equations
        if scheme.taken_back or not isinstance(kinetic, QuadraticKinetic):
            msg = (
                f"{type(self).__name__}: expected parameters on no manifold; got one on "
                f"{manifold}. Use HeavyBall, or ConformalHamiltonian with QuadraticKinetic."
            )
            raise ValueError(msg)

    def _stepped(self, group: Group, stack: Stack, g: Tensor) -> Step:
        scheme, free = self._scheme(group), Free(CotangentBundle(stack.motion.manifold))
        x = stack.points()
        b = scheme.damping * stack.kept(self.state, "momentum_buffer", x)
        b = free.manifold.tangent(x, b + _sign(group) * scheme.kick * g)
        for time, damping in scheme.drifts:
            x, b = free.moved(x, b, -time * damping * float(self._kinetic(group).factor(_ONE)))
        return x, {"momentum_buffer": b}

    def _step_flat(self, group: Group, parameters: Tensors) -> None:
        scheme, kinetic = self._scheme(group), self._kinetic(group)
        x = [p.detach() for p in parameters]
        g = [p.grad for p in parameters if p.grad is not None]
        b = [self._momentum(p) for p in parameters]
        foreach, decay, sign = group["foreach"], group["weight_decay"], _sign(group)
        constant = isinstance(kinetic, QuadraticKinetic)
        if foreach is None and constant and scheme.is_sgd and _is_plain(x, g, b):
            _fused(x, g, b, scheme, kinetic, decay=decay, maximize=sign < 0)
            return
        if decay:
            g = list(torch._foreach_add(g, x, alpha=sign * decay))
        run = _apart if foreach is False else _together
        kick, friction = sign * scheme.kick, scheme.damping
        if constant:
            back = float(scheme.returned(kinetic, _ONE))
            run(x, g, b, back, friction, kick, -float(scheme.drift(kinetic, _ONE)))
            return
        back = float(scheme.returned(kinetic, _square(b))) if scheme.taken_back else 0.0
        run(x, g, b, back, friction, kick, 0.0)
        run(x, g, b, -float(scheme.drift(kinetic, _square(b))), friction, 0.0, 0.0)

    def _momentum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if state.get("momentum_buffer") is None:
            state["momentum_buffer"] = torch.zeros_like(parameter.detach())
        buffer: Tensor = state["momentum_buffer"]
        return buffer


def _square(tensors: Tensors) -> Tensor:
    return torch.tensor(norm_of(tensors) ** 2, dtype=torch.float64)


def _sign(group: Group) -> float:
    return -1.0 if group["maximize"] else 1.0


def _is_plain(*lists: Tensors) -> bool:
    """Return whether torch's fused step takes all of these tensors."""
    return all(
        x.is_contiguous() and x.is_floating_point() and not x.is_meta for xs in lists for x in xs
    )


def _fused(
    x: Tensors, g: Tensors, b: Tensors, scheme: Scheme, kinetic: Kinetic, **options: Any
) -> None:
    """Step as SGD of torch does, in one pass through parameters, gradients and momenta."""
    momenta: list[Tensor | None] = [*b]
    sgd(
        *(x, g, momenta),
        weight_decay=options["decay"],
        momentum=scheme.damping,
        lr=scheme.drifts[0][0] * float(kinetic.factor(_ONE)),
        dampening=0.0,
        nesterov=scheme.taken_back > 0,
        maximize=options["maximize"],
        foreach=False,
        fused=True,
    )


def _together(
    x: Tensors, g: Tensors, b: Tensors, back: float, friction: float, kick: float, far: float
) -> None:
    """Let x += back b, b <- friction b + kick g, x += far b, without what changes nothing."""
    if back:
        torch._foreach_add_(x, b, alpha=back)
    if kick == 1 and x[0].device.type == "cpu":  # in one pass; nothing else is gained there
        for one_g, one_b in zip(g, b, strict=True):
            torch.add(one_g, one_b, alpha=friction, out=one_b)
    elif kick:
        torch._foreach_mul_(b, friction)
        torch._foreach_add_(b, g, alpha=kick)
    if far:
        torch._foreach_add_(x, b, alpha=far)


def _apart(
    x: Tensors, g: Tensors, b: Tensors, back: float, friction: float, kick: float, far: float
) -> None:
    """Do the same tensor by tensor."""
    for one_x, one_g, one_b in zip(x, g, b, strict=True):
        if back:
            one_x.add_(one_b, alpha=back)
        if kick == 1:
            torch.add(one_g, one_b, alpha=friction, out=one_b)
        elif kick:
            one_b.mul_(friction).add_(one_g, alpha=kick)
        if far:
            one_x.add_(one_b, alpha=far)
