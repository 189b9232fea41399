"""Activations of every entry, where they commute with the group."""

from __future__ import annotations

from typing import final

from torch import Tensor

from darboux.activations import Activation
from darboux.structure import Claims
from darboux.structure._arguments import checked
from darboux.structure._module import Module
from darboux.symmetry._feature import Feature
from darboux.symmetry._nonlinear.common import equivariant_claim, one_function


@final
class Pointwise(Module):
    """An activation of every entry of a feature whose fields allow it.

    σ(ρ(g) x) = ρ(g) σ(x) entry by entry holds for every σ where ρ(g) permutes channels, and for
    odd σ where it also changes signs; for other fields it fails, whatever σ is.

    Shapes: (batch, channels, *space) -> the same.

    Source: section 5.1.3.

    Args:
        feature: the type of x.
        activation: σ, the same function on every channel.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if a field mixes components or changes signs that σ does not, or if σ is no
            single function of one real variable.

    Example:
        >>> import torch
        >>> from darboux.activations import ReLU
        >>> from darboux.symmetry import Cyclic
        >>> Pointwise(Feature(Cyclic(3), ["regular"]), ReLU())(torch.tensor([[-1.0, 2.0, 0.5]]))
        tensor([[0.0000, 2.0000, 0.5000]])
    """

    @checked
    def __init__(self, feature: Feature, activation: Activation) -> None:
        super().__init__()
        one_function("Pointwise", activation)
        _refuse_mixing(feature, activation)
        self.feature = feature
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Return σ(x)."""
        self.feature.check(x)
        y: Tensor = self.activation(x)
        return y

    def claims(self) -> Claims:
        """Return what the activation claims, and `Equivariant`."""
        kind = "permutes the channels"
        if not self.feature.permutes:
            kind += " up to signs, and the activation is odd"
        known = self.activation.claims()
        found = equivariant_claim(self.feature, self.feature, f"every ρ(g) {kind}")
        return Claims((*known.claims, found), known.gaps)

    def extra_repr(self) -> str:
        """Return the feature."""
        return repr(self.feature)


def _refuse_mixing(feature: Feature, activation: Activation) -> None:
    """Refuse fields with which the activation does not commute."""
    for k, field in enumerate(feature.fields):
        if field.permutes or (field.signs and activation.odd):
            continue
        what = "mixes its components"
        if field.signs:
            what = f"changes signs, which {type(activation).__name__} does not follow"
        msg = (
            "Pointwise: expected fields whose channels the group permutes; got field "
            f"{k}, {field.name} of {feature.group.describe()}, which {what}. Use NormActivation, "
            "GatedActivation or FourierActivation, or regular fields."
        )
        raise ValueError(msg)
