"""A field whose weights evolve on a manifold along the depth."""

from __future__ import annotations

import math
from typing import Literal, final

import torch
from torch import Tensor, nn

from darboux.activations import Activation
from darboux.fields._field import Prepared, Time, VectorField
from darboux.fields._layers import largest_slope, require_conservative, slope_premises
from darboux.linear._orthonormal import gram_defect
from darboux.manifolds import HomogeneousSpace
from darboux.solvers._transforms import without_autocast
from darboux.structure import Kind, Premise
from darboux.structure._arguments import Count, Positive, checked

Form = Literal["gradient", "residual"]


@final
class EvolvingField(VectorField):
    """A field with orthonormal weights that move along the depth, equations (58) and (59).

    ż = -θᵀσ(θ z + b) ("gradient") or ż = σ(θ z + b) ("residual"), θ̇ = M(t) θ with M(t) = M_k
    on [t_k, t_{k+1}): θ_{k+1} = exp(h M_k) θ_k, h = horizon/steps, exactly. The M_k are
    learned, by any optimiser, and θ never leaves the manifold: M_k is the generator of the
    tangent vector at θ_k that a free parameter is projected to, and another one, of unit
    length, leads from a fixed random point to θ_0.

    As ‖θ‖ = 1 all constants are free: L = max|σ'|, and ν̄ = -1/L for "gradient" with slopes in
    [0, L], so that steps h <= 2/L of Euler's method are nonexpansive whatever is learned.

    Shapes: z is (batch, p, *space), θ is (n, p) with θᵀθ = 1.

    Source: section 6.2.1, equations (58) and (59).

    Args:
        manifold: of θ: ``SO(n)``, ``Stiefel(n, p)`` or ``Grassmann(n, p)``.
        activation: σ, elementwise.
        steps: the number K of pieces; as many as the flow has steps.
        horizon: T.
        form: "gradient", or "residual" for square θ.

    Raises:
        TypeError: if σ is not elementwise.
        ValueError: if points of the manifold are no matrices with orthonormal columns, or θ is
            not square where it has to be.

    Example:
        >>> import torch, darboux as dx
        >>> weights = dx.manifolds.Stiefel(6, 4)
        >>> field = dx.fields.EvolvingField(weights, dx.activations.Tanh(), steps=3)
        >>> flow = dx.Flow(field, dx.integrators.Euler(), steps=3)
        >>> flow(torch.zeros(2, 4)).shape, flow.claims().find(dx.Lipschitz).structure
        (torch.Size([2, 4]), Lipschitz(constant=1.0))
    """

    @checked
    def __init__(
        self,
        manifold: HomogeneousSpace,
        activation: Activation,
        *,
        steps: Count,
        horizon: Positive = 1.0,
        form: Form = "gradient",
    ) -> None:
        super().__init__()
        require_conservative("EvolvingField", activation)
        start = manifold.random_point(dtype=torch.get_default_dtype())
        _require_orthonormal(manifold, start, form)
        self.weights_on = manifold
        self.activation = activation
        self.form, self.step = form, horizon / steps
        self.start = nn.Buffer(start)
        self.ways = nn.Parameter(0.1 * torch.randn(steps + 1, *manifold.shape))
        self.bias = nn.Parameter(start.new_zeros(manifold.shape[0]))

    def weights(self) -> Tensor:
        """Return θ_0, ..., θ_K, (K+1, n, p)."""
        return self._pieces()[0]

    def forward(self, t: Time, z: Tensor) -> Tensor:
        """Return f(t, z)."""
        return self.prepare()(t, z)

    def prepare(self) -> Prepared:
        """Return the field with all θ_k computed once."""
        thetas, ways = self._pieces()  # in float32 at least, whatever is around
        return lambda t, z: self._slope(self._weight(thetas, ways, t), z)

    def lipschitz(self) -> float:
        """Return L = max|σ'|."""
        return largest_slope(self.activation)

    def one_sided_lipschitz(self) -> float:
        """Return a bound of ν: 0 for a gradient field with slopes >= 0."""
        lower, _ = self.activation.slopes()
        return 0.0 if self.form == "gradient" and lower >= 0 else self.lipschitz()

    def cocoercivity(self) -> float | None:
        """Return ν̄ = -1/L for a gradient field with slopes in [0, L]."""
        lower, upper = self.activation.slopes()
        convex = self.form == "gradient" and lower >= 0 and upper > 0
        return -1 / upper if convex else None

    def cocoercivity_kind(self) -> Kind:
        """The same ν̄ serves all parameters."""
        return Kind.CONSTRUCTION

    def premises(self) -> tuple[Premise, ...]:
        """Return what the constants rest on."""
        return slope_premises(self.activation)

    def why(self) -> str:
        """Return the theorem, in words."""
        return "orthonormal weights, ‖θ‖ = 1, and slopes in [0, L]: ν̄ = -1/L (2.2.1, 6.2.1)"

    def _pieces(self) -> tuple[Tensor, Tensor]:
        """Return the θ_k and the M_k θ_k, k = 0, ..., K, of which the last stands still."""
        start = _wide(self.start)
        theta, ways, thetas = self._moved(start, self._way(start, 0), 1.0), [], []
        for k in range(1, len(self.ways)):
            thetas.append(theta)
            ways.append(self._way(theta, k))
            theta = self._moved(theta, ways[-1], self.step)
        ways.append(torch.zeros_like(ways[-1]))
        return torch.stack([*thetas, theta]), torch.stack(ways)

    def _way(self, theta: Tensor, k: int) -> Tensor:
        with without_autocast(theta):
            return self.weights_on.project(theta, _wide(self.ways[k]))

    def _moved(self, theta: Tensor, way: Tensor, size: float | Tensor) -> Tensor:
        with without_autocast(theta):
            return self.weights_on.polish(self.weights_on.along(theta, size * way))

    def _weight(self, thetas: Tensor, ways: Tensor, t: Time) -> Tensor:
        """Return θ(t), (n, p), or one for each sample that has a time of its own."""
        position, last = t / self.step, len(thetas) - 1
        if isinstance(position, Tensor):
            position = position.reshape(-1, 1, 1) if position.ndim else position
            which = position.detach().floor().clamp(0, last).long()
            size = self.step * (position - which)
            which = which.reshape(-1) if which.ndim else which
            return self._moved(thetas[which], ways[which], size)
        k = min(max(math.floor(position + _SAME), 0), last)
        if abs(position - k) <= _SAME:
            return thetas[k]
        return self._moved(thetas[k], ways[k], self.step * (position - k))

    def _slope(self, theta: Tensor, z: Tensor) -> Tensor:
        columns = z.flatten(2) if z.ndim > 2 else z.unsqueeze(2)
        theta = theta.to(z.dtype)
        values = self.activation(theta @ columns + self.bias.unsqueeze(1))
        if self.form == "gradient":
            values = -theta.mT @ values
        return values.reshape(z.shape)


_NEAR = 1e-4  # how far from orthonormal a random point may be

_SAME = 1e-12  # how far times of one step may be apart, in steps


def _wide(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _require_orthonormal(manifold: HomogeneousSpace, theta: Tensor, form: Form) -> None:
    shape = tuple(theta.shape)
    matrices = len(shape) == 2 and not theta.is_complex()
    if not (matrices and (theta.is_meta or float(gram_defect(theta).abs().max()) < _NEAR)):
        msg = (
            "EvolvingField: expected a manifold of matrices with orthonormal columns; got "
            f"{manifold!r}. Use SO(n), Stiefel(n, p) or Grassmann(n, p)."
        )
        raise ValueError(msg)
    if form == "residual" and shape[0] != shape[1]:
        msg = (
            f"EvolvingField: expected square weights for form='residual'; got {shape} on "
            f"{manifold!r}. Use SO({shape[1]}), or form='gradient'."
        )
        raise ValueError(msg)
