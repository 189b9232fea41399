"""The modified Hamiltonian of backward error analysis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import torch
from torch import Tensor

from darboux.fields import VectorField, halves
from darboux.integrators import Integrator, StepSize, StormerVerlet, SymplecticEuler, Time
from darboux.structure._arguments import Within, checked

Energy = Callable[[Time, Tensor], Tensor]

_Terms = Annotated[int, Within("1 or 2", least=1, most=2)]


# H̃ = H + h c₁ ⟨T_p, V_z⟩ + h² (c₂ ⟨T_p, V_zz T_p⟩ + c₃ ⟨V_z, T_pp V_z⟩). A step is the
# composition of the flows of V and T; with D_F f = {f, F} it acts on functions as
# exp(hD_V) exp(hD_T) where the kick comes first, and [D_F, D_G] = D_{G, F}. The series of
# Baker, Campbell and Hausdorff gives h/2 {T, V} = -h/2 ⟨T_p, V_z⟩ and
# h²/12 ({{V, T}, T} + {{T, V}, V}) = h²/12 (⟨T_p, V_zz T_p⟩ + ⟨V_z, T_pp V_z⟩); the symmetric
# composition of halves of V around T gives h² (1/12 {{V, T}, T} - 1/24 {{T, V}, V}).
_COEFFICIENTS: dict[Integrator, tuple[float, float, float]] = {
    SymplecticEuler(first="kick"): (-1 / 2, 1 / 12, 1 / 12),
    SymplecticEuler(first="drift"): (1 / 2, 1 / 12, 1 / 12),
    StormerVerlet(first="kick"): (0.0, 1 / 12, -1 / 24),
    StormerVerlet(first="drift"): (0.0, -1 / 24, 1 / 12),
}


@checked
def modified_hamiltonian(
    field: VectorField, integrator: Integrator, h: StepSize, *, terms: _Terms = 2
) -> Energy:
    """Return H̃ = H + h H₂ + h² H₃, which a symplectic method keeps better than H.

    A symplectic method follows, up to what is exponentially small, the field of a modified
    Hamiltonian: a series in h. For H = T(p) + V(z), T_p = ∂T/∂p and so on, its terms are

        symplectic Euler, drift first:  h/2 ⟨T_p, V_z⟩ + h²/12 (⟨T_p, V_zz T_p⟩ + ⟨V_z, T_pp V_z⟩),
        symplectic Euler, kick first:   the same with -h/2,
        Störmer-Verlet, kick first:     h² (1/12 ⟨T_p, V_zz T_p⟩ - 1/24 ⟨V_z, T_pp V_z⟩),
        Störmer-Verlet, drift first:    h² (1/12 ⟨V_z, T_pp V_z⟩ - 1/24 ⟨T_p, V_zz T_p⟩).

    Over a given time, symplectic Euler keeps H up to O(h), H̃ up to O(h²) with the term in h
    and O(h³) with both; Störmer-Verlet keeps H up to O(h²) and H̃ up to O(h⁴).

    Shapes: H̃ takes (t, x) with x = (z, p), (batch, 2 features, *space), to (batch,), and is
    differentiable in x, h and the parameters of the field.

    Source: section 2.2.2; Hairer, Lubich and Wanner, Geometric Numerical Integration, IX.

    Args:
        field: a separable autonomous canonical field: its drift is T_p, its kick -V_z.
        integrator: `SymplecticEuler` or `StormerVerlet`.
        h: the step size, a number or a 0-dimensional tensor.
        terms: the power of h up to which the series goes, 1 or 2.

    Raises:
        TypeError: if the field or the integrator is of another kind, by name.
        ValueError: if `terms` is neither 1 nor 2.

    Example:
        >>> import torch, darboux as dx
        >>> method = dx.integrators.SymplecticEuler()
        >>> field = dx.fields.HamiltonianField(
        ...     dx.linear.Dense(1, 1), dx.linear.Dense(1, 1), dx.activations.Identity()
        ... )
        >>> with torch.no_grad():  # the oscillator H = (z² + p²)/2
        ...     for parameter in field.parameters():
        ...         _ = parameter.fill_(float(parameter.ndim == 2))
        >>> x = torch.tensor([[3.0, 4.0]])
        >>> modified_hamiltonian(field, method, 0.1)(0.0, x).detach()  # 12.5 + 0.6 + 0.02
        tensor([13.1208])
    """
    first, along_momentum, along_position = _coefficients(integrator)
    _check_field(field)
    parts: Any = field  # with drift, kick and energy

    def energy(t: Time, x: Tensor) -> Tensor:
        z, p = halves(x)
        speed, force = parts.drift(t, z, p), parts.kick(t, z, p)  # T_p and -V_z
        value = parts.energy(t, x)
        if first:
            value = value - first * h * _inner(speed, force)
        if terms == 1:
            return value
        # -V_zz T_p and -T_pp V_z
        curved = torch.func.jvp(lambda y: parts.kick(t, y, p), (z,), (speed,))[1]
        bent = torch.func.jvp(lambda y: parts.drift(t, z, y), (p,), (force,))[1]
        second = along_position * _inner(force, bent) - along_momentum * _inner(speed, curved)
        return value + h**2 * second

    return energy


def _coefficients(integrator: object) -> tuple[float, float, float]:
    if not isinstance(integrator, SymplecticEuler | StormerVerlet):
        msg = (
            f"modified_hamiltonian: expected SymplecticEuler() or StormerVerlet(); got "
            f"{integrator!r}, whose series is not written down here. Use one of the two."
        )
        raise TypeError(msg)
    return _COEFFICIENTS[integrator]


def _check_field(field: Any) -> None:
    for name in ("canonical", "separable", "autonomous"):
        if not getattr(field, name, False):
            msg = (
                f"modified_hamiltonian: expected a separable autonomous canonical field, H = "
                f"T(p) + V(z); got {type(field).__name__}, which is not {name}. Use "
                "HamiltonianField, SecondOrderField or SeparableHamiltonianField(autonomous=True)."
            )
            raise TypeError(msg)


def _inner(x: Tensor, y: Tensor) -> Tensor:
    """Return ⟨x, y⟩ of every sample, (batch,)."""
    return (x * y).flatten(1).sum(dim=1)
