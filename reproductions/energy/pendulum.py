"""The pendulum, and its energy along the steps of a method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from darboux.diagnostics import modified_hamiltonian
from darboux.fields import SeparableHamiltonianField
from darboux.flow import Flow
from darboux.integrators import Integrator

START = (2.0, 0.0)


def pendulum() -> SeparableHamiltonianField:
    """Return the field of H(z, p) = ½p² - cos z.

    Source: section 2.2.2.

    Example:
        >>> pendulum()(0.0, torch.tensor([[1.0, 2.0]]))
        tensor([[ 2.0000, -0.8415]])
    """
    return SeparableHamiltonianField(_kinetic, _potential, autonomous=True, even_kinetic=True)


def _kinetic(t: Tensor, p: Tensor) -> Tensor:
    del t
    return 0.5 * p.square().sum(dim=1)


def _potential(t: Tensor, z: Tensor) -> Tensor:
    del t
    return -z.cos().sum(dim=1)


@dataclass(frozen=True, eq=False)
class Track:
    """The pendulum from (2, 0), followed by a method with equal steps."""

    name: str  # of the method
    integrator: Integrator  # the method
    h: float  # the step size
    steps: int  # their number

    @cached_property
    def states(self) -> Tensor:
        """(z_k, p_k), (K+1, 2), float64."""
        flow = Flow(pendulum(), self.integrator, horizon=self.h * self.steps, steps=self.steps)
        with torch.no_grad():
            return flow.trajectory(torch.tensor([START], dtype=torch.float64))[:, 0]

    @property
    def times(self) -> Tensor:
        """t_k, (K+1,)."""
        return self.h * torch.arange(self.steps + 1, dtype=torch.float64)

    @cached_property
    def errors(self) -> Tensor:
        """H(z_k, p_k) - H(z_0, p_0), (K+1,)."""
        return deviation(pendulum().energy, self.states)

    @property
    def worst(self) -> float:
        """The largest |H(z_k, p_k) - H(z_0, p_0)|."""
        return float(self.errors.abs().max())

    def drift(self) -> float:
        """Return what the mean error gains over all times, twice the gain between the halves.

        The means are tapered by sin², which leaves next to nothing of an oscillation.
        """
        half = len(self.errors) // 2
        taper = torch.hann_window(half, periodic=False, dtype=torch.float64)
        first, second = self.errors[:half] @ taper, self.errors[-half:] @ taper
        return float(2 * (second - first) / taper.sum())

    def modified_errors(self, *, terms: int) -> Tensor:
        """Return how far the modified Hamiltonian is from where it began, (K+1,)."""
        energy = modified_hamiltonian(pendulum(), self.integrator, self.h, terms=terms)
        return deviation(energy, self.states)


def deviation(energy: Callable[[float, Tensor], Tensor], states: Tensor) -> Tensor:
    """Return energy(z_k) - energy(z_0), (K+1,)."""
    with torch.no_grad():
        values = energy(0.0, states)
    return values - values[0]
