"""Networks that contract, and how that is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, final

import torch
from torch import Tensor, nn

from darboux.activations import Activation, LipSwish
from darboux.bijections._layered import Layered, does_what_we_wrote
from darboux.linear import Conv, Dense, NormControl, Shrunk, StencilMap
from darboux.linear._shrunk import kept_stencil
from darboux.linear._sizes import Taps
from darboux.linear._stencil import Padding
from darboux.structure import Claim, Claims, Kind, Lipschitz, Premise, claims_of
from darboux.structure._arguments import Count, Natural, Positive, Within, checked
from darboux.structure._claim import merge_premises
from darboux.structure._module import Module
from darboux.structure._rules import departure, overridden

Order = Annotated[float, Within("a number from 1 to ∞", least=1, infinite=True)]

_USE = (
    "Use ContractiveNetwork(..., constant=0.9), or keep the norms of the layers below 1 with "
    "darboux.linear.Shrunk or Spectral."
)

_ROUNDING = 2.0**-30  # of a thousand constants, rounded down and multiplied


@checked
@dataclass(frozen=True)
class Contraction:
    """|f(x) - f(y)|_p <= L |x - y|_p for all x, y, and how that is known.

    In finite dimension every norm serves Banach's theorem, so x + f(x) is invertible if L < 1.
    Every eigenvalue of f' is at most L in absolute value, too, whatever the norm.

    Source: sections 4.1.2 and 4.3.2, equation (45).

    Args:
        constant: L.
        order: p, 2 for the Euclidean norm.
        kind: how it is known.
        reason: why, in words.
        premises: on what it rests.

    Example:
        >>> Contraction(0.9, 2.0, Kind.CONSTRUCTION, "scaled").constant
        0.9
    """

    constant: Annotated[float, Within("a number of 0 or more", least=0, infinite=True)]
    order: Order
    kind: Kind
    reason: str
    premises: Sequence[Premise] = ()


def contraction_of(network: nn.Module) -> Contraction:
    """Return what is proved of a network: by its ``contraction()``, else by its claims."""
    own = getattr(network, "contraction", None)
    what = "InvertibleResidual: expected a proved Lipschitz constant < 1; got"
    reason = _departed(network, "contraction" if callable(own) else "claims")
    if reason:
        raise ValueError(f"{what} none ({reason}). {_USE}")
    found = own() if callable(own) else _claimed(network)
    if found.kind is Kind.MEASURED:
        raise ValueError(f"{what} {found.constant:.6g}, which was only measured. {_USE}")
    if not found.constant < 1 - _ROUNDING:
        raise ValueError(f"{what} {found.constant:.6g} ({found.reason}). {_USE}")
    known: Contraction = found
    return known


def constant_of(network: nn.Module) -> float:
    """Return the constant of `contraction_of`, in a tenth of the time for parts of ours."""
    if type(network) is ContractiveNetwork:
        parts = (network, *network.maps, *network.activations)
        if all(does_what_we_wrote(part) for part in parts):
            constant = math.prod(_plain_constant(part) for part in parts[1:])
            if 0 <= constant < 1 - _ROUNDING:
                return constant
    return contraction_of(network).constant


def _plain_constant(part: nn.Module) -> float:
    """Return what a part claims as its Lipschitz constant, ∞ where that takes more than a look."""
    if isinstance(part, Shrunk):
        return part.norm
    if isinstance(part, Activation) and type(part).claims is Activation.claims:
        return max(map(abs, part.slopes()))
    return math.inf


def _departed(network: nn.Module, method: str) -> str:
    """Return why what a class says by a method is not true of the object, "" if it is."""
    for cls in type(network).__mro__:
        if method in vars(cls):
            return departure(network, cls) or overridden(type(network), cls, {"prepare"})
    return ""


def _claimed(network: nn.Module) -> Contraction:
    claims = claims_of(network)
    claim = claims.find(Lipschitz)
    if claim is None:
        known = "; ".join(f"{gap.path}: {gap.reason}" for gap in claims.gaps) or "it claims none"
        msg = f"InvertibleResidual: expected a proved Lipschitz constant < 1; got none ({known})."
        raise ValueError(f"{msg} {_USE}")
    assert isinstance(claim.structure, Lipschitz)
    return Contraction(claim.structure.constant, 2.0, claim.kind, claim.reason, claim.premises)


Map = Callable[[Tensor], Tensor]


@final
class ContractiveNetwork(Module):
    """A network f(x) = A_n σ(... σ(A_1 x + b_1) ...) + b_n with Lip(f) <= c for all parameters.

    Each A_i is shrunk to the norm (c/Π s_i)^{1/n}, s_i the steepest slopes of the activations
    between, so that the product of all constants is c; maps that are small enough stay as they
    are. That is a theorem about the architecture, and holds during training, too.

    Shapes: (batch, channels + context, *space) -> (batch, channels, *space).

    Source: sections 4.1.2 and 4.3.2, equation (47).

    Args:
        channels: of x and of f(x).
        hidden: channels between the layers.
        constant: c > 0.
        activation: makes the activations, one for each place.
        dim: spatial axes, 0 for dense features.
        kernel_size: taps of the convolutions per axis.
        padding_mode: "zeros" or "circular".
        context_features: further channels of the input.
        by: how norms are kept, see `darboux.linear.Shrunk`.

    Raises:
        ValueError: if the constant is not positive, a size makes no sense, or an activation
            has no Lipschitz constant.

    Example:
        >>> network = ContractiveNetwork(2, [16, 16], constant=0.9)
        >>> network.claims().find(Lipschitz).structure.constant <= 0.9
        True
    """

    channels: int
    dim: int

    @checked
    def __init__(
        self,
        channels: Count,
        hidden: Sequence[Count],
        *,
        constant: Positive = 0.9,
        activation: Callable[[], nn.Module] = LipSwish,
        dim: Annotated[int, Within("0, 1, 2 or 3 spatial axes", least=0, most=3)] = 0,
        kernel_size: Taps | Sequence[Taps] = 3,
        padding_mode: Padding = "zeros",
        context_features: Natural = 0,
        by: NormControl = "rows",
    ) -> None:
        super().__init__()
        self.channels, self.dim = channels, dim
        self.constant = float(constant)
        self.activations = nn.ModuleList(activation() for _ in hidden)
        norm = share("ContractiveNetwork", self.constant, list(self.activations))
        sizes = [channels + context_features, *hidden, channels]

        def layer(a: int, b: int) -> StencilMap:
            if dim == 0:
                return Dense(a, b)
            return Conv(a, b, kernel_size=kernel_size, dim=dim, padding_mode=padding_mode)

        self.maps = nn.ModuleList(Shrunk(layer(a, b), norm=norm, by=by) for a, b in pairwise(sizes))
        self.biases = nn.ParameterList(map.bias() for map in self._maps())

    def forward(self, x: Tensor) -> Tensor:
        """Return f(x)."""
        return self.prepare()(x)

    def prepare(self) -> Map:
        """Return f with its norms computed once, for many x with the same parameters."""
        maps = self._maps()
        shifts = [m.shift(bias) for m, bias in zip(maps, self.biases, strict=True)]
        return Layered([kept_stencil(m) for m in maps], shifts, list(self.activations))

    def claims(self) -> Claims:
        """Return that the network is Lipschitz with c, for all parameters."""
        members: list[Claim] = []
        for k, part in enumerate((*self.maps, *self.activations)):
            known = claims_of(part)
            claim = known.find(Lipschitz)
            if claim is None:
                j = k - len(self.maps)
                path = f"maps.{k}" if j < 0 else f"activations.{j}"
                return Claims(gaps=tuple(gap.under(path) for gap in known.gaps))
            members.append(claim)
        constant = math.prod(_constant(claim) for claim in members)
        count = len(self.maps)
        reason = f"{count} maps of norm <= {self._maps()[0].norm:.6g}, and slopes, multiply"
        kind = min(claim.kind for claim in members)
        return Claims((Claim(Lipschitz(constant), kind, reason, merge_premises(tuple(members))),))

    def extra_repr(self) -> str:
        """Return the constant."""
        return f"constant={self.constant:g}"

    def _maps(self) -> list[Shrunk]:
        return [map for map in self.maps if isinstance(map, Shrunk)]


def share(name: str, constant: float, activations: Sequence[nn.Module]) -> float:
    """Return (c/Π s_i)^{1/n}, rounded down: the norm of each of the n maps."""
    steepness = 1.0
    for activation in activations:
        claim = claims_of(activation).find(Lipschitz)
        if claim is None:
            msg = (
                f"{name}: expected activations with a Lipschitz constant; got "
                f"{type(activation).__name__}, which claims none. Use darboux.activations."
            )
            raise ValueError(msg)
        steepness *= _constant(claim)
    count = len(activations) + 1
    rounding = 1 - 4 * (count + 1) * torch.finfo(torch.float64).eps
    return float((constant / steepness) ** (1 / count)) * rounding


def _constant(claim: Claim) -> float:
    assert isinstance(claim.structure, Lipschitz)
    return claim.structure.constant
