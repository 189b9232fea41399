"""Fields that are scaled by learned gates."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from darboux.activations import Activation, ReLU
from darboux.structure import Claims, Gap
from darboux.structure._arguments import checked
from darboux.structure._module import Module
from darboux.symmetry._feature import Feature
from darboux.symmetry._nonlinear.common import (
    equivariant_claim,
    joined,
    one_function,
    size_runs,
    split_fields,
)
from darboux.symmetry._representations.standard import trivial


@final
class GatedActivation(Module):
    """The activation x_f -> sigmoid(γ_f) x_f with one invariant gate γ_f per field.

    A gate does not move under the group, so scaling a field by it commutes with every
    representation. Trivial fields need none; they pass through an activation of their own. The
    map has no global Lipschitz constant: its slope in γ_f grows with ‖x_f‖.

    Shapes: (batch, channels + gates, *space) -> (batch, channels, *space); the gates, one for
    each field that is not trivial, come last.

    Source: section 5.1.3; Weiler and others 2018, 3D steerable CNNs.

    Args:
        feature: the type of the result; `source` is that of x.
        activation: for trivial fields; ReLU if None.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if the activation is no single function of one real variable.

    Example:
        >>> from darboux.symmetry import SO2
        >>> gated = GatedActivation(Feature(SO2(), ["0", "1"]))
        >>> gated.source.channels, gated(torch.tensor([[-1.0, 2.0, 4.0, 0.0]]))
        (4, tensor([[0., 1., 2.]]))
    """

    @checked
    def __init__(self, feature: Feature, *, activation: Activation | None = None) -> None:
        super().__init__()
        self.activation = ReLU() if activation is None else activation
        one_function("GatedActivation", self.activation)
        one = trivial(feature.group)
        gated = [field != one for field in feature.fields]
        self.target = feature
        self.source = Feature(feature.group, [*feature.fields, *[one] * sum(gated)])
        # size 0 stands for a trivial field, so that runs do not mix the two kinds
        marks = [f.size if gate else 0 for f, gate in zip(feature.fields, gated, strict=True)]
        self.marks = size_runs(marks)

    def forward(self, x: Tensor) -> Tensor:
        """Return the fields, scaled by their gates."""
        self.source.check(x)
        factors = torch.sigmoid(x[:, self.target.channels :])
        runs = tuple((count, max(size, 1)) for count, size in self.marks)
        parts, start = [], 0
        for part, (count, size) in zip(
            split_fields(x[:, : self.target.channels], runs), self.marks, strict=True
        ):
            if size:
                gate = factors[:, start : start + count].unsqueeze(2)
                parts.append((part * gate).flatten(1, 2))
                start += count
            else:
                parts.append(self.activation(part.flatten(1, 2)))
        return joined(parts)

    def claims(self) -> Claims:
        """Return `Equivariant`, and that there is no Lipschitz constant."""
        reason = "gates are invariant, and numbers commute with every ρ(g)"
        gap = Gap(
            "",
            "sigmoid(γ) x has no global Lipschitz constant: its slope in γ grows with ‖x‖; use "
            "NormActivation",
        )
        return Claims((equivariant_claim(self.source, self.target, reason),), (gap,))

    def extra_repr(self) -> str:
        """Return the feature."""
        return repr(self.target)
