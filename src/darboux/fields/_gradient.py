"""The gradient field of equation (16), in three metrics."""

from __future__ import annotations

from typing import Any, Literal, final

import torch
from torch import Tensor

from darboux.activations import Activation
from darboux.fields._field import Constant, Time, VectorField
from darboux.fields._kept import is_kept, kept
from darboux.fields._layers import largest_slope, pulled_back, require_conservative, slope_premises
from darboux.linear import LinearMap
from darboux.linear._linear_map import REMEMBERED
from darboux.structure import (
    Equivariant,
    Kind,
    Premise,
    adjoint_of,
    cocoercive_field,
    entries_at_most,
    gradient_of_energy,
    norm_at_most,
    rows_at_most,
)
from darboux.structure._arguments import checked

Metric = Literal["rows", "entries", "norm"]


@final
class GradientField(VectorField):
    """The gradient field f(z) = -A* T⁻¹ σ(A z + b) = -∇V(z), V(z) = 1ᵀ T⁻¹ γ(A z + b).

    Three choices of the positive diagonal T:

    - ``metric="rows"``: T = ``map.row_bound()``, so A A* <= T and ‖A* T⁻¹ A‖ <= 1. With
      slopes in [0, L] the potential is L-smooth and convex, and ν̄ = -1/L **for all
      parameters** (Baillon and Haddad): steps need no norm.
    - ``metric="entries"``: T = ``map.entry_bound()``, at least as large and so a slower field,
      with the same theorem; for dense maps it costs much less.
    - ``metric="norm"``: T = 1, equation (16) as printed, ν̄ = -1/(L ‖A‖²).

    With smallest slope l and ‖A x‖ >= μ ‖x‖, ν <= -l μ² (divided by max T for the others).

    Shapes: z is (batch, in_features, *space); A maps in_features to any number.

    Source: section 2.1.1, equation (16) and theorem 2.1; section 2.2.1 for ν̄.

    Args:
        map: the linear map A.
        activation: σ, elementwise, or the gradient of another potential Γ(A z + b): then the
            rows of one field take their maximum, so that T⁻¹ σ is a gradient, too.
        metric: "rows", "entries" or "norm".

    Raises:
        TypeError: if σ has no potential.
        ValueError: if the metric is unknown.

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> field.cocoercivity()
        -1.0
    """

    autonomous = True
    passive = True  # V does not rise

    @checked
    def __init__(self, map: LinearMap, activation: Activation, *, metric: Metric = "rows") -> None:
        super().__init__()
        require_conservative("GradientField", activation)
        self.map = map
        self.activation = activation
        self.metric = metric
        self.bias = map.bias()

    def forward(self, t: Time, z: Tensor) -> Tensor:
        """Return f(t, z)."""
        return -self.gradient(t, z)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is copied and pickled: all but what is found out again."""
        return {k: v for k, v in vars(self).items() if not k.startswith(REMEMBERED)}

    def prepare(self) -> PreparedGradientField:
        """Return the field with its metric computed once."""
        return kept(self, self._prepared)

    def _prepared(self) -> PreparedGradientField:
        return PreparedGradientField(self, self.scale())

    def energy(self, t: Time, z: Tensor) -> Tensor:
        """Return the potential V(z), (batch,): a Lyapunov function, summed over space."""
        del t  # autonomous
        return self.potential(z, self.scale())

    def gradient(self, t: Time, z: Tensor) -> Tensor:
        """Return ∇V."""
        del t  # autonomous
        return self.potential_slope(z, self.scale())

    def steer(self, t: Time, z: Tensor, g: Tensor) -> Tensor:
        """Return S g, f = S∇V with S = -I."""
        del t, z
        return -g

    def potential(self, z: Tensor, scale: Tensor | None) -> Tensor:
        """Return V(z), (batch,), with a given diagonal of T⁻¹."""
        potential = self.activation.antiderivative(self.map.affine(z, self.bias))
        if scale is not None:
            potential = potential * _like_channels(scale, potential)
        return potential.flatten(1).sum(dim=1)

    def potential_slope(self, z: Tensor, scale: Tensor | None) -> Tensor:
        """Return ∇V(z) with a given diagonal of T⁻¹."""
        y = self.activation(self.map.affine(z, self.bias))
        return self.map.adjoint(y) if scale is None else self.map.scaled_adjoint(y, scale)

    def scale(self) -> Tensor | None:
        """Return the diagonal of T⁻¹, (out_features,), or None for T = 1."""
        if self.metric == "norm":
            return None
        return inverse_rows(self._rows())

    def _rows(self) -> Tensor:
        """Return T, equal on what the activation mixes."""
        rows = self.map.row_bound() if self.metric == "rows" else self.map.entry_bound()
        return self.activation.tie(rows)

    def lipschitz(self) -> Constant:
        """Return L."""
        slope = largest_slope(self.activation)
        return slope * self.map.norm_bound().square() if self.metric == "norm" else slope

    def equivariant(self) -> Equivariant | None:
        """Return what f commutes with."""
        return pulled_back(self.map.equivariant(), self.activation)

    def one_sided_lipschitz(self) -> Constant:
        """Return a bound of ν."""
        lower, _ = self.activation.slopes()
        if lower == 0:
            return 0.0
        if lower < 0:  # -A*T⁻¹DA <= |l| A*T⁻¹A
            rows = self.map.norm_bound().square() if self.metric == "norm" else 1.0
            return -lower * rows
        smallest = self.map.lower_bound().square()
        return -lower * (smallest if self.metric == "norm" else smallest / self._rows().max())

    def cocoercivity(self) -> Constant | None:
        """Return ν̄, or None."""
        if not self.is_cocoercive():
            return None
        _, upper = self.activation.slopes()
        return -1 / (upper * self.map.norm_bound() ** 2) if self.metric == "norm" else -1 / upper

    def is_cocoercive(self) -> bool:
        """Return whether there is a ν̄."""
        lower, upper = self.activation.slopes()
        return lower >= 0 and upper > 0

    def cocoercivity_kind(self) -> Kind:
        """Return how ν̄ is known."""
        return Kind.BOUND if self.metric == "norm" else Kind.CONSTRUCTION

    def premises(self) -> tuple[Premise, ...]:
        """Return what the constants rest on."""
        sizes = {"rows": rows_at_most, "entries": entries_at_most, "norm": norm_at_most}
        size = sizes[self.metric](self.map)
        slopes = slope_premises(self.activation)
        gradient = (*slopes, adjoint_of(self.map), size, gradient_of_energy(self))
        return (*gradient, cocoercive_field(self)) if self.is_cocoercive() else gradient

    def why(self) -> str:
        """Return the theorem, in words."""
        if self.metric == "norm":
            return "convex potential: ν̄ = -1/(L‖A‖²) (section 2.2.1)"
        return "convex potential, AA* <= T: ν̄ = -1/L for all parameters (2.2.1)"


def inverse_rows(rows: Tensor) -> Tensor:
    """Return T⁻¹ from T >= A A*."""
    # It is used in the dtype of z, so it is rounded down by two units of float32
    # beforehand: then A A* <= T still holds for the rounded diagonal.
    return (1 - 2 * torch.finfo(torch.float32).eps) / rows


def _like_channels(scale: Tensor, y: Tensor) -> Tensor:
    """Return a channel vector shaped to multiply y, in the dtype of y."""
    return scale.to(y.dtype).reshape(-1, *(1,) * (y.ndim - 2))


@final
class PreparedGradientField:
    """A `GradientField` with a fixed diagonal T⁻¹: what `GradientField.prepare` returns.

    It has what integrators ask of a gradient form, f = S∇V with S = -I, so that all stages
    of a discrete gradient share one norm, too.

    Shapes: as for the field.

    Source: sections 2.1.1 and 2.2.2.

    Args:
        field: the field.
        scale: the diagonal, as `GradientField.scale` returns it.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> z = torch.ones(2, 4)
        >>> bool((PreparedGradientField(field, field.scale())(0.0, z) == field(0.0, z)).all())
        True
    """

    autonomous = True
    conservative = False
    passive = True

    def __init__(self, field: GradientField, scale: Tensor | None) -> None:
        self.field = field
        self.scale = scale
        self._activation = field.activation.prepare()
        self._affine = field.map.prepare(field.bias)
        minus = -field.bias.new_ones(field.map.out_features) if scale is None else -scale
        self._pull = field.map.prepare_adjoint(minus)
        self._cocoercivity: float | None = None

    def cocoercivity(self) -> Constant | None:
        """Return ν̄ of the field: a number that is kept where the field keeps this preparation."""
        if self._cocoercivity is None:
            found = self.field.cocoercivity()
            # someone may have held this for longer than the parameters were so
            current = is_kept(self.field, self) and self.field.prepare() is self
            if found is None or not current:
                return found
            self._cocoercivity = float(found)
        return self._cocoercivity

    def __call__(self, t: Time, z: Tensor) -> Tensor:
        """Return f(t, z)."""
        del t  # autonomous
        return self._pull(self._activation(self._affine(z)))

    def energy(self, t: Time, z: Tensor) -> Tensor:
        """Return the potential V(z), (batch,)."""
        del t  # autonomous
        return self.field.potential(z, self.scale)

    def gradient(self, t: Time, z: Tensor) -> Tensor:
        """Return ∇V."""
        return -self(t, z)

    def steer(self, t: Time, z: Tensor, g: Tensor) -> Tensor:
        """Return S g = -g."""
        del t, z
        return -g

    def supply(self, t: Time, z: Tensor) -> None:
        """Return that nothing flows in."""
        del t, z
