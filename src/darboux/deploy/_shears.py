"""Frozen steps of separable fields: shears with fixed numbers."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from darboux.deploy._fields import affine_layers, stencil_of_map
from darboux.deploy._layers import ChannelScale, layer, scaled_rows
from darboux.deploy._registry import maps_in, refused
from darboux.fields import CoupledField, HamiltonianField, SecondOrderField, VectorField
from darboux.integrators._integrator import add_scaled
from darboux.integrators._shears import Shears
from darboux.linear import LinearMap, Stencil, Transposed
from darboux.structure._arguments import checked
from darboux.structure._module import Module
from darboux.structure._rules import by_class


@checked
@by_class(refused, parts=maps_in)
def shear_layers(field: VectorField) -> tuple[nn.Module, nn.Module]:
    """Return drift and kick of a separable field as plain layers of p and of z.

    A field of one's own joins in by ``shear_layers.register``.

    Raises:
        TypeError: if nobody taught it this field.

    Example:
        >>> import darboux as dx
        >>> field = dx.fields.SecondOrderField(dx.linear.Dense(2, 3), dx.activations.Tanh())
        >>> [type(part).__name__ for part in shear_layers(field)]
        ['Identity', 'Sequential']
    """
    msg = (
        f"freeze: expected a separable field that freeze knows; got {type(field).__name__}. Teach "
        "it with darboux.deploy.shear_layers.register."
    )
    raise TypeError(msg)


@shear_layers.register
def _(field: HamiltonianField) -> tuple[nn.Module, nn.Module]:
    sigma_z = field.activation if field.activation_z is None else field.activation_z
    return (
        _gradient(field.map_p, field.bias_p, field.activation, sign=1.0),
        _gradient(field.map_z, field.bias_z, sigma_z, sign=-1.0),
    )


@shear_layers.register
def _(field: SecondOrderField) -> tuple[nn.Module, nn.Module]:
    return nn.Identity(), _gradient(field.map, field.bias, field.activation, sign=-1.0)


@shear_layers.register
def _(field: CoupledField) -> tuple[nn.Module, nn.Module]:
    stencil, sigma = stencil_of_map(field.map), field.activation
    shift = None if field.bias_p is None else field.map.shift(field.bias_p)
    return (
        _layer(stencil, shift, sigma, sign=1.0),
        _layer(stencil.adjoint(), Transposed(field.map).shift(field.bias_z), sigma, sign=-1.0),
    )


def _gradient(map: LinearMap, bias: Tensor | None, sigma: nn.Module, *, sign: float) -> nn.Module:
    """Return ±A*σ(Az + b)."""
    stencil, shift = stencil_of_map(map), None if bias is None else map.shift(bias)
    inner, middle, scale = affine_layers(stencil, shift, sigma)
    outer = stencil if scale is None else scaled_rows(stencil, scale)
    return nn.Sequential(inner, middle, layer(scaled_rows(outer.adjoint(), sign)))


def _layer(stencil: Stencil, bias: Tensor | None, sigma: nn.Module, *, sign: float) -> nn.Module:
    """Return ±σ(Az + b)."""
    inner, middle, scale = affine_layers(stencil, bias, sigma)
    factor = torch.tensor([sign]) if scale is None else sign * scale
    return nn.Sequential(inner, middle, ChannelScale(factor.to(stencil.weight)))


@final
class FrozenShears(Module):
    """One step z += w h drift(p), p += w h kick(z), ... with fixed numbers.

    Shapes: the state (z, p) is (batch, 2 features, *space), kept.

    Args:
        layers: drift and kick.
        shears: the method.
        h: the step size.

    Example:
        >>> from darboux.integrators import SymplecticEuler
        >>> layers = nn.Identity(), ChannelScale(torch.tensor([-1.0]))
        >>> FrozenShears(layers, SymplecticEuler().shears, h=0.5)(torch.tensor([[1.0, 0.0]]))
        tensor([[ 1.0000, -0.5000]])
    """

    @checked
    def __init__(self, layers: tuple[nn.Module, nn.Module], shears: Shears, *, h: float) -> None:
        super().__init__()
        self.drift, self.kick = layers
        self.schedule = tuple((s.moves == "drift", s.weight * h) for s in shears.autonomous)

    def forward(self, x: Tensor) -> Tensor:
        """Return the state after the step."""
        z, p = x.chunk(2, dim=1)
        for is_drift, size in self.schedule:
            if is_drift:
                z = add_scaled(z, self.drift(p), size)
            else:
                p = add_scaled(p, self.kick(z), size)
        return torch.cat([z, p], dim=1)
