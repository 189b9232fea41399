"""Batch normalisation of fields."""

from __future__ import annotations

from typing import Annotated, final

import torch
from torch import Tensor, nn

from darboux.structure import Claim, Claims, Gap, Kind, Lipschitz
from darboux.structure._arguments import Positive, Within, checked
from darboux.structure._constants import HasConstants
from darboux.structure._module import Module
from darboux.symmetry._feature import Feature
from darboux.symmetry._nonlinear.common import equivariant_claim, exact, value, working

_Share = Annotated[float, Within("a number above 0, up to 1", above=0, most=1)]


@final
class FieldNorm(Module, HasConstants):
    """Batch normalisation of every field as a whole.

    x_f -> a_f (x_f - P_f m) / √(v_f + ε) + U_f b, where P_f = U_f U_fᵀ projects on the
    invariant vectors of the field, m is the mean over batch and pixels, and v_f the mean of
    ‖x_f - P_f m‖²/d over both. One learned scale a_f per field and one b per invariant vector
    are all that equivariance leaves. In evaluation the running statistics make it affine.

    Shapes: (batch, channels, *space) -> the same.

    Source: section 5.1.3; Ioffe and Szegedy 2015.

    Args:
        feature: the type of x.
        momentum: the weight of a new batch in the running statistics, in (0, 1].
        eps: ε > 0.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if one is out of range, or x has other channels than the feature.

    Example:
        >>> from darboux.symmetry import SO2
        >>> norm = FieldNorm(Feature(SO2(), ["0", "1"]))
        >>> norm(torch.tensor([[1.0, 3.0, 4.0], [3.0, 3.0, -4.0]])).detach().round(decimals=3)
        tensor([[-1.0000,  0.8490,  1.1310],
                [ 1.0000,  0.8490, -1.1310]])
    """

    vectors: Tensor
    field: Tensor
    running_mean: Tensor
    running_square: Tensor

    @checked
    def __init__(self, feature: Feature, *, momentum: _Share = 0.1, eps: Positive = 1e-5) -> None:
        super().__init__()
        self.feature, self.momentum, self.eps = feature, momentum, eps
        invariants, fields = feature.invariants(), len(feature.fields)
        sizes = torch.tensor(feature.sizes, device="cpu")
        self.hold("vectors", exact(invariants))
        self.hold("field", torch.arange(fields, device="cpu").repeat_interleave(sizes))
        self.scale = nn.Parameter(torch.ones(fields))
        self.shift = nn.Parameter(torch.zeros(invariants.shape[1]))
        self.running_mean = nn.Buffer(torch.zeros(invariants.shape[1]))
        self.running_square = nn.Buffer(torch.ones(fields))

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised fields; in training also update the running statistics."""
        self.feature.check(x)
        if self.training:
            mean, square = self._statistics(x)
            self._remember(mean.detach(), square.detach())
        else:
            mean, square = self.running_mean, self.running_square
        weight, bias = self._affine(mean, square)
        axes = (-1, *(1,) * (x.ndim - 2))
        return x * weight.to(x.dtype).reshape(axes) + bias.to(x.dtype).reshape(axes)

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return weight and bias per channel, (channels,), that evaluation applies."""
        return self._affine(self.running_mean, self.running_square)

    def claims(self) -> Claims:
        """Return `Equivariant`; in evaluation also `Lipschitz`."""
        reason = "statistics are invariant, and numbers and invariant shifts commute with ρ(g)"
        found = equivariant_claim(self.feature, self.feature, reason)
        if self.training:
            gap = Gap("", "in training the result depends on the whole batch; use eval()")
            return Claims((found,), (gap,))
        largest = float(self.affine()[0].detach().double().abs().max())
        bound = largest * (1 + 4 * torch.finfo(self.scale.dtype).eps)
        why = f"a_f/√(v_f + ε) is at most {bound:.6g} with the running statistics"
        return Claims((Claim(Lipschitz(bound), Kind.BOUND, why), found))

    def extra_repr(self) -> str:
        """Return feature and options."""
        return f"{self.feature!r}, momentum={self.momentum:g}, eps={self.eps:g}"

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return Uᵀm, (invariants,), and v, (fields,)."""
        wide = x.to(working(x.dtype))
        axes = [0, *range(2, x.ndim)]
        variance, mean = torch.var_mean(wide, axes, correction=0)
        vectors = value(self.vectors, mean.dtype)
        invariant = vectors.T @ mean
        # the mean square about P m, without the cancellation of E‖x‖² - ‖P m‖²
        rest = variance + (mean - vectors @ invariant).square()
        zeros = torch.zeros_like(self.scale, dtype=rest.dtype)
        total = zeros.index_add(0, self.field, rest)
        return invariant, total / zeros.index_add(0, self.field, torch.ones_like(rest))

    def _remember(self, mean: Tensor, square: Tensor) -> None:
        """Move the running statistics towards those of a batch."""
        with torch.no_grad():
            self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
            self.running_square.lerp_(square.to(self.running_square), self.momentum)

    def _affine(self, mean: Tensor, square: Tensor) -> tuple[Tensor, Tensor]:
        """Return x -> w x + c per channel with given statistics."""
        vectors = value(self.vectors, mean.dtype)
        weight = (self.scale.to(square.dtype) * (square + self.eps).rsqrt())[self.field]
        return weight, vectors @ self.shift.to(mean.dtype) - weight * (vectors @ mean)
