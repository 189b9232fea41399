"""Hamiltonian descent: momentum with a kinetic energy that fits the function."""

from __future__ import annotations

from typing import Any, Literal, final

import torch
from torch import Tensor

from darboux.optim._base import (
    Closure,
    Group,
    Parameters,
    evaluated,
    gradients_of,
    is_left_out,
    needed,
    positive,
)
from darboux.optim._conformal import ConformalOptimizer, kinetic_of
from darboux.optim._kinetic import Kinetic, RelativisticKinetic
from darboux.optim._optimizer import manifold_of
from darboux.optim._scheme import Scheme
from darboux.solvers import solve
from darboux.structure._arguments import Count, NonNegative, checked

_WHY = "The implicit method asks for gradients where it ends."


@final
class HamiltonianDescent(ConformalOptimizer):
    """Steps of length ε of θ' = ∇T(p), p' = -∇E(θ) - γp: linear convergence where T fits E.

    - "explicit-1": p ← (p - ε ∇E(θ))/(1 + γε), θ ← θ + ε ∇T(p);
    - "explicit-2": p ← (1 - γε) p - ε ∇E(θ), θ ← θ + ε ∇T(p);
    - "implicit": both ends at once, θ' = θ + ε ∇T(p'), p' = (p - ε ∇E(θ'))/(1 + γε).

    The explicit methods multiply the form dθ ∧ dp by 1/(1 + γε) and 1 - γε, not by e^(-γε);
    `certify` measures it on `step_map`. The implicit one multiplies it by nothing in particular;
    for convex E it never increases T + E. Its equation is solved by Anderson's iteration, which
    wants short steps. On functions like ‖θ‖^B, B > 2, where gradient descent
    and momentum slow down more and more, `PowerKinetic(B/(B-1), ...)` converges linearly.

    The second explicit method is usually told with the drift first; its gradients are taken at
    the same points.

    Shapes: parameters of any shape; on a manifold, with a quadratic T, (*batch, *shape).

    Source: section 6.1; Maddison, Paulin, Teh, O'Donoghue and Doucet 2018, Hamiltonian descent
    methods.

    Args:
        params: parameters, or groups of them: {"params": ..., "kinetic": ..., "lr": ...}.
        lr: ε.
        friction: γ; with γε < 1 for "explicit-2".
        kinetic: T, `RelativisticKinetic(1.0, 1.0)` if None; the norm is that of a whole group.
        method: "explicit-1", "explicit-2" or "implicit".
        max_iter: iterations of the implicit method, each with one call of the closure.
        weight_decay: the factor of ½‖θ‖² in E, for groups without a manifold.
        maximize: whether E is maximised.
        foreach: as in `HeavyBall`.

    Raises:
        TypeError: if an argument is of another type, or the implicit method gets no closure.
        ValueError: if one is out of range, as a negative friction.
        FloatingPointError: by `step`, if a gradient is NaN or infinite: nothing has been changed.
        RuntimeError: by `step`, if a gradient is sparse; `ConvergenceError` if the equation of an
            implicit step is not solved: nothing has been changed.

    Example:
        >>> import torch, darboux as dx
        >>> w = torch.nn.Parameter(torch.tensor([2.0, -3.0]))
        >>> quartic = dx.optim.PowerKinetic(4 / 3, 4 / 3)
        >>> descent = dx.optim.HamiltonianDescent([w], lr=0.3, friction=1.0, kinetic=quartic)
        >>> for _ in range(400):
        ...     descent.zero_grad()
        ...     (w.square().sum() ** 2 / 4).backward()
        ...     descent.step()
        >>> bool(w.norm() < 1e-5)
        True
    """

    @checked
    def __init__(
        self,
        params: Parameters,
        lr: NonNegative = 1e-2,
        friction: NonNegative = 1.0,
        kinetic: Kinetic | None = None,
        *,
        method: Literal["explicit-1", "explicit-2", "implicit"] = "explicit-1",
        max_iter: Count = 50,
        weight_decay: NonNegative = 0.0,
        maximize: bool = False,
        foreach: bool | None = None,
    ) -> None:
        defaults: Group = {
            **{"lr": lr, "friction": friction, "method": method, "max_iter": max_iter},
            **{"kinetic": RelativisticKinetic() if kinetic is None else kinetic},
            **{"weight_decay": weight_decay, "maximize": maximize, "foreach": foreach},
        }
        super().__init__(params, defaults)

    def _scheme(self, group: Group) -> Scheme:
        h, friction = positive(group, "lr"), positive(group, "friction")
        if group["method"] == "explicit-2":
            if friction * h >= 1:
                msg = (
                    f"HamiltonianDescent: expected friction · lr < 1 with explicit-2; got "
                    f'{friction * h:g}. Take method="explicit-1", or a shorter step.'
                )
                raise ValueError(msg)
            return Scheme(1 - friction * h, h, ((h, 1.0),))
        damping = 1 / (1 + friction * h)
        return Scheme(damping, damping * h, ((h, 1.0),))

    def _kinetic(self, group: Group) -> Kinetic:
        return kinetic_of(group)

    def _is_implicit(self) -> bool:
        return bool(self.defaults["method"] == "implicit")

    def _check(self, group: Group, parameter: Tensor) -> None:
        ConformalOptimizer._check(self, group, parameter)
        if "implicit" not in (group["method"], self.defaults["method"]):
            return
        if group["method"] != self.defaults["method"]:
            msg = (
                "HamiltonianDescent: expected the implicit method in all groups or in none; got "
                f"{group['method']!r} in one and {self.defaults['method']!r} in others. All "
                "parameters move until their equations are solved: use two optimisers."
            )
            raise ValueError(msg)
        if manifold_of(group, parameter) is not None:
            msg = (
                "HamiltonianDescent: expected parameters on no manifold with the implicit method; "
                f"got one on {manifold_of(group, parameter)}. Take an explicit one."
            )
            raise ValueError(msg)

    def step(self, closure: Closure | None = None) -> Any:
        """Make one step, after a call of the closure if there is one.

        Raises:
            TypeError: if the implicit method gets no closure.
            RuntimeError: if a gradient is sparse, or the equation of an implicit step not solved.
            ValueError: if a number of a group has left its range.
            FloatingPointError: if a gradient is not finite; nothing has been changed.
        """
        if not self._is_implicit():
            return ConformalOptimizer.step(self, closure)
        again = needed(self, closure, _WHY)
        is_left_out(self, again)  # refuses a gradient scaler
        loss = evaluated(again)
        self._require_numbers()
        equations = [_Equation(self, group) for group in self.param_groups]
        with torch.no_grad():
            try:
                self._solve(equations, again)
            except BaseException:
                for equation in equations:
                    equation.put(equation.start)
                raise
        return loss

    def _solve(self, equations: list[_Equation], closure: Closure) -> None:
        """Solve for the momenta where the step ends, all of them as one row."""
        sizes = [len(equation.momentum) for equation in equations]

        def kicked(row: Tensor) -> Tensor:
            for equation, p in zip(equations, row[0].split(sizes), strict=True):
                equation.put(equation.moved(p))
            evaluated(closure)
            return torch.cat([equation.kicked() for equation in equations])[None]

        guess = torch.cat([equation.momentum for equation in equations])[None]
        settings: Group = {"max_iter": self.defaults["max_iter"], "context": "HamiltonianDescent"}
        end = solve(kicked, guess, method="anderson", **settings)
        for equation, p in zip(equations, end[0].split(sizes), strict=True):
            equation.put(equation.moved(p))
            equation.keep(p)


@final
class _Equation:
    """p' = c p - k ∇E(θ + d(p')) for one group, whose parameters are one vector."""

    def __init__(self, owner: HamiltonianDescent, group: Group) -> None:
        self.owner, self.group = owner, group
        self.scheme, self.kinetic = owner._scheme(group), owner._kinetic(group)
        gradients_of(owner, group["params"])
        self.parameters = [p for p in group["params"] if p.grad is not None]
        self.buffers = [owner._momentum(p) for p in self.parameters]
        self.start = _flat([p.detach() for p in self.parameters])
        self.momentum = -_flat(self.buffers)

    def moved(self, p: Tensor) -> Tensor:
        return self.start + self.scheme.drift(self.kinetic, p.square().sum()) * p

    def kicked(self) -> Tensor:
        """Return the momentum after a kick by the gradients that the closure has left."""
        g = _flat(gradients_of(self.owner, self.parameters))
        g = -g if self.group["maximize"] else g
        g = g + self.group["weight_decay"] * _flat([p.detach() for p in self.parameters])
        return self.scheme.damping * self.momentum - self.scheme.kick * g

    def put(self, vector: Tensor) -> None:
        _write(vector, self.parameters)

    def keep(self, p: Tensor) -> None:
        _write(-p, self.buffers)


def _flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([x.reshape(-1) for x in tensors]) if tensors else torch.zeros(0)


def _write(vector: Tensor, tensors: list[Tensor]) -> None:
    parts = vector.split([x.numel() for x in tensors])
    for x, part in zip(tensors, parts, strict=True):
        x.copy_(part.view_as(x))
