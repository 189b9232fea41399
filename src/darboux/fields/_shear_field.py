"""The divergence-free field that is a sum of shears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from darboux.activations import Activation
from darboux.fields._field import Time, VectorField
from darboux.fields._layers import largest_slope, require_separable, slope_premises
from darboux.linear import LinearMap, Stencil, StencilMap
from darboux.linear._spectral import norm_bound
from darboux.structure import Premise, lipschitz_field, norm_at_most
from darboux.structure._arguments import checked


@final
@dataclass(frozen=True, eq=False)
class Shear:
    """One unit of a `ShearField`: ż = a σ(b* z + β) with b* a = 0, so that b* z does not move.

    Its flow is the shear z + h a σ(b* z + β): exact, of determinant 1, and undone by -h.

    Source: section 2.4.2.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.ShearField(dx.linear.Dense(4, 3), dx.activations.Tanh())
        >>> shear, z = field.parts()[0], torch.randn(2, 4)
        >>> torch.testing.assert_close(shear.flow(0.0, -0.5, shear.flow(0.0, 0.5, z)), z)
    """

    read: Stencil
    write: Stencil
    bias: Tensor
    activation: Activation
    unit: int

    def __call__(self, t: Time, z: Tensor) -> Tensor:
        """Return a σ(b* z + β), of the shape of z."""
        del t  # autonomous
        k, units = self.unit, self.bias.shape[0]
        weight = self.read.weight[k : k + 1]
        y = Stencil(weight, self.read.origin, self.read.padding_mode).apply(z, self.bias[k : k + 1])
        # an activation may have thresholds of its own for each of the units
        y = self.activation(y.expand(-1, units, *y.shape[2:]))[:, k : k + 1]
        weight = self.write.weight[:, k : k + 1]
        return Stencil(weight, self.write.origin, self.write.padding_mode).apply(y)

    def flow(self, t: Time, h: float | Tensor, z: Tensor) -> Tensor:
        """Return where z is after a duration h."""
        return z + h * self(t, z)


@final
class ShearField(VectorField):
    """The divergence-free field f(z) = Σ_k a_k σ(b_k* z + β_k), a sum of shears.

    Unit k moves along a_k by what it reads along b_k, and b_k* a_k = 0 for all parameters:
    a_k = (u_k v_kᵀ - v_k u_kᵀ) b_k, C skew and bᵀC b = 0. The b_k are the rows of a map. Of a
    circular convolution they are kernels, and so are the a_k: then b_k* a_k = Σ_ij b_i C_ij b_j
    vanishes as a kernel, because convolutions of one channel commute.

    L = max|σ'| ‖a‖ ‖b‖. Each of the `parts()` has an exact flow of determinant 1.

    Shapes: z is (batch, features, *space), the map takes features to units.

    Source: section 2.4.2.

    Args:
        map: b, dense, circular, or with kernels of one tap.
        activation: σ, elementwise.

    Raises:
        ValueError: if there is only one feature, or a kernel with several taps is zero-padded.
        TypeError: if σ mixes channels, or the map is no single kernel.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.ShearField(dx.linear.Dense(4, 8), dx.activations.Tanh())
        >>> jacobian = torch.func.jacrev(lambda z: field(0.0, z[None])[0])(torch.ones(4))
        >>> bool(jacobian.trace().abs() < 1e-6)
        True
    """

    autonomous = True
    divergence_free = True
    exact_parts = True

    @checked
    def __init__(self, map: LinearMap, activation: Activation) -> None:
        super().__init__()
        require_separable("ShearField", activation)
        stencil = _stencil(map)
        units, features = stencil.weight.shape[:2]
        self.map = map
        self.activation = activation
        self.bias = map.bias()
        # entries of size (2M)^(-1/4) make ‖a_k‖ about ‖b_k‖
        noise = torch.randn(2, units, features, dtype=stencil.weight.dtype)
        self.turn = nn.Parameter(noise.to(stencil.weight.device) * (2 * features) ** -0.25)

    def forward(self, t: Time, z: Tensor) -> Tensor:
        """Return f(t, z)."""
        del t  # autonomous
        read = _stencil(self.map)
        return self._write(read).apply(self.activation(read.apply(z, self.bias)))

    def parts(self) -> tuple[Shear, ...]:
        """Return the shears, one for each unit."""
        read = _stencil(self.map)
        write = self._write(read)
        return tuple(
            Shear(read, write, self.bias, self.activation, k) for k in range(len(self.bias))
        )

    def lipschitz(self) -> Tensor:
        """Return L."""
        read = _stencil(self.map)
        factors = norm_bound(read) * norm_bound(self._write(read))
        return largest_slope(self.activation) * factors

    def premises(self) -> tuple[Premise, ...]:
        """Return what the constants rest on."""
        return (*slope_premises(self.activation), norm_at_most(self.map), lipschitz_field(self))

    def why(self) -> str:
        """Return the theorem, in words."""
        return "L = max|σ'| ‖a‖ ‖b‖; b_k* a_k = 0 for every unit (section 2.4.2)"

    def _write(self, read: Stencil) -> Stencil:
        """Return a, (features, units, *kernel): unit by unit (u vᵀ - v uᵀ) b."""
        b = read.weight
        u, v = (turn.reshape(*turn.shape, *(1,) * read.dim) for turn in self.turn)
        a = u * (v * b).sum(dim=1, keepdim=True) - v * (u * b).sum(dim=1, keepdim=True)
        return Stencil(a.transpose(0, 1), read.origin, read.padding_mode)


def _stencil(map: LinearMap) -> Stencil:
    """Return the kernels that units read with, or refuse those that do not commute."""
    if not isinstance(map, StencilMap):
        msg = (
            f"ShearField: expected a map that is one kernel; got {type(map).__name__}. Use Dense, "
            "or Conv with padding_mode='circular'."
        )
        raise TypeError(msg)
    stencil = map.stencil()
    if stencil.weight.shape[1] < 2:
        msg = (
            "ShearField: expected at least 2 features, one to move and one to read; got "
            f"{stencil.weight.shape[1]}. Use a map with more in_features."
        )
        raise ValueError(msg)
    if stencil.padding_mode == "zeros" and any(k > 1 for k in stencil.kernel_size):
        msg = (
            "ShearField: expected a circular kernel, or one tap; got kernel_size "
            f"{stencil.kernel_size} with padding_mode 'zeros', where kernels do not commute at "
            "the border, so that units are no shears. Use padding_mode='circular' or "
            "kernel_size=1."
        )
        raise ValueError(msg)
    return stencil
