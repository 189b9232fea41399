"""Descent as a port-Hamiltonian system, whose parts adapt their friction to their motion."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from darboux.integrators import GonzalezGradient
from darboux.integrators._integrator import Time
from darboux.optim._base import (
    BaseOptimizer,
    Closure,
    Group,
    Parameters,
    is_left_out,
    needed,
    require_numbers,
)
from darboux.optim._closure_energy import ClosureEnergy, shared
from darboux.structure._arguments import Count, NonNegative, Positive, checked

_METHOD = GonzalezGradient()
_WHY = "The equation for a step evaluates it again."


class EnergyBalance(NamedTuple):
    """What became of the energy in one step: change = -dissipated, after `supplied` came in."""

    change: float  # H after the step minus H before it, with the loss of this step
    dissipated: float  # what went into friction, >= 0
    supplied: float  # by which another loss than that of the step before raised H, 0 at first


@final
class PortHamiltonianDescent(BaseOptimizer):
    """Descent by the motion of a port-Hamiltonian system in the landscape of the loss.

    Each parameter θ_i is a part with a momentum p_i and a reservoir of energy η_i²/2. The loss
    is one more part, which stores E(θ), and all are interconnected so that no power is lost,
    ⟨u, y⟩ = 0: the loss drives part i by the force -∂E/∂θ_i, and gets its velocity v_i = p_i/m.
    With H = E(θ) + Σ_i ‖p_i‖²/(2m) + η_i²/2,

        θ̇_i = v_i,
        ṗ_i = -∂E/∂θ_i - (γ + √a η_i) v_i,
        η̇_i = √a ‖v_i‖² - ρ η_i,
        dH/dt = -Σ_i γ ‖v_i‖² + ρ η_i² <= 0.

    The reservoir is a friction √a η_i of the part's own: it grows where the part moves fast, by
    the energy that it takes from the motion, and leaks away where it is slow. A step is that of
    `darboux.integrators.GonzalezGradient`, which keeps the balance of H for every step size up
    to the tolerance of its solver; `balance` has it measured.

    `step` needs a closure, as in `DiscreteGradientDescent`.

    Shapes: parameters have any shape; one dtype and device for all.

    Source: section 6.4.1; van der Schaft and Jeltsema 2014 for interconnection.

    Args:
        params: parameters, or groups of them with numbers of their own.
        lr: the step size h.
        mass: m.
        friction: γ.
        gain: a, how much friction motion brings about.
        leak: ρ, how fast that goes away.
        max_eval: evaluations of the loss for each step, after which it is refused.

    Raises:
        TypeError: if an argument is of another type, or `step` gets no closure.
        ValueError: if a number is out of range, or parameters differ in dtype or device.
        ConvergenceError: by `step`, if its equation is not solved, or solved where H is larger;
            nothing has been changed then.
        FloatingPointError: by `step`, if the loss is not finite.
        RuntimeError: by `step`, if the loss reads parameters in a way that is not seen.

    Example:
        >>> import torch, darboux as dx
        >>> x = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
        >>> descent = dx.optim.PortHamiltonianDescent([x], lr=0.5)
        >>> for _ in range(40):
        ...     _ = descent.step(lambda: (torch.arange(1.0, 4.0) * x * x).sum())
        >>> bool(x.abs().max() < 0.01)
        True
        >>> abs(descent.balance.change + descent.balance.dissipated) < 1e-12
        True
    """

    balance: EnergyBalance | None  # of the last step
    _step_supports_amp_scaling = True

    @checked
    def __init__(
        self,
        params: Parameters,
        lr: Positive,
        *,
        mass: Positive = 1.0,
        friction: NonNegative = 1.0,
        gain: NonNegative = 1.0,
        leak: NonNegative = 1.0,
        max_eval: Count = 10_000,
    ) -> None:
        numbers = {"lr": lr, "mass": mass, "friction": friction, "gain": gain, "leak": leak}
        super().__init__(params, {**numbers, "max_eval": max_eval})

    def _begin(self) -> None:
        BaseOptimizer._begin(self)
        self._forget()
        self.register_load_state_dict_post_hook(_forgetting)

    def _forget(self) -> None:
        self.balance = None
        self._last: float | None = None  # E after the last step

    def step(self, closure: Closure | None = None) -> Any:
        """Make one step, and return the loss before it.

        Raises:
            TypeError: if there is no closure.
            ValueError: if a number of a group is negative, NaN or infinite.
            ConvergenceError: if the step is refused; nothing has been changed.
            FloatingPointError: if the loss is not finite.
        """
        closure = needed(self, closure, _WHY)
        is_left_out(self, closure)  # refuses a gradient scaler
        parts = [(p, g) for g in self.param_groups for p in g["params"] if p.requires_grad]
        for group in self.param_groups:
            _require_physical(group)
        loss = ClosureEnergy(
            self, [p for p, _ in parts], closure, max_eval=shared(self, "max_eval")
        )
        with torch.no_grad():
            position, before = loss.begin(sloped=True)
            field = _System(loss, [group for _, group in parts], position)
            z = torch.cat([position, self._kept(parts, position)], dim=1)
            after = _METHOD.step(field, 0.0, 1.0, z)
            spent = field.dissipated(_METHOD.gradient(field, 0.0, 1.0, z, after))
            energies = field.energy(0.0, torch.cat([z, after])).tolist()
            loss.require_lower(energies[1], energies[0], z, "H")
            supplied = 0.0 if self._last is None else before - self._last
            self._last = loss(after[:, : position.shape[1]]).item()
            self.balance = EnergyBalance(energies[1] - energies[0], spent, supplied)
            self._keep(parts, loss, after, position.shape[1])
        return position.new_tensor(before)

    def _kept(self, parts: list[tuple[Tensor, Any]], like: Tensor) -> Tensor:
        """Return momenta and reservoirs as a row."""
        momenta = [self.state[p].get("momentum", torch.zeros_like(p)) for p, _ in parts]
        reservoirs = [self.state[p].get("reservoir", like.new_zeros(())) for p, _ in parts]
        return torch.cat([x.reshape(-1) for x in momenta + reservoirs])[None]

    def _keep(
        self, parts: list[tuple[Tensor, Any]], loss: ClosureEnergy, z: Tensor, n: int
    ) -> None:
        loss.write(z[:, :n])
        momenta, reservoirs = loss.parts(z[0, n : 2 * n]), z[0, 2 * n :]
        for (p, _), momentum, reservoir in zip(parts, momenta, reservoirs, strict=True):
            self.state[p].update(momentum=momentum.clone(), reservoir=reservoir.clone())


def _forgetting(optimizer: torch.optim.Optimizer) -> None:
    assert isinstance(optimizer, PortHamiltonianDescent)
    optimizer._forget()


def _require_physical(group: Group) -> None:
    require_numbers(group, "lr", "mass", "friction", "gain", "leak")
    if group["mass"] == 0:
        raise ValueError("Expected mass to be a positive number; got 0.")


class _System:
    """z' = (J(z) - R) ∇H(z) of rows z = (θ, p, η), in units of each part's step size."""

    conservative, passive = False, True

    def __init__(self, loss: ClosureEnergy, groups: list[Any], like: Tensor) -> None:
        self.loss = loss
        self.sizes = [p.numel() for p in loss.parameters]
        self.n = sum(self.sizes)
        self.lr, self.mass, self.friction, gain, self.leak = (
            like.new_tensor([group[name] for group in groups])
            for name in ("lr", "mass", "friction", "gain", "leak")
        )
        self.root = gain.sqrt()
        self.part = torch.arange(len(groups), device=like.device).repeat_interleave(
            torch.tensor(self.sizes, device=like.device)
        )

    def energy(self, t: Time, z: Tensor) -> Tensor:
        del t
        position, momentum, reservoir = self._split(z)
        kinetic = (momentum.square() / self.mass[self.part]).sum(dim=1)
        return self.loss(position) + 0.5 * (kinetic + reservoir.square().sum(dim=1))

    def gradient(self, t: Time, z: Tensor) -> Tensor:
        del t
        position, momentum, reservoir = self._split(z)
        slopes = self.loss.gradient(position)
        return torch.cat([slopes, momentum / self.mass[self.part], reservoir], dim=1)

    def steer(self, t: Time, z: Tensor, g: Tensor) -> Tensor:
        """Return h (J(z) - R) g."""
        del t
        force, velocity, tension = self._split(g)
        turn = self.root[self.part] * self._split(z)[1] / self.mass[self.part]
        braked = self.friction[self.part] * velocity + turn * tension[:, self.part]
        filled = torch.zeros_like(tension).index_add(1, self.part, turn * velocity)
        h = self.lr[self.part]
        return torch.cat(
            [h * velocity, -h * (force + braked), self.lr * (filled - self.leak * tension)], dim=1
        )

    def supply(self, t: Time, z: Tensor) -> None:
        del t, z

    def dissipated(self, g: Tensor) -> float:
        """Return h ⟨g, R g⟩."""
        _, velocity, tension = self._split(g)
        motion = ((self.lr * self.friction)[self.part] * velocity.square()).sum()
        return (motion + (self.lr * self.leak * tension.square()).sum()).item()

    def _split(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        position, momentum, reservoir = z.split([self.n, self.n, len(self.sizes)], dim=1)
        return position, momentum, reservoir
