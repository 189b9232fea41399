"""That a network contracts: the number, the norm, and how that is known."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from darboux.structure import Kind, Lipschitz, Premise, claims_of

_USE = (
    "Use ContractiveNetwork(..., constant=0.9), or keep the norms of the layers below 1 with "
    "darboux.linear.Shrunk or Spectral."
)


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

    constant: float
    order: float
    kind: Kind
    reason: str
    premises: tuple[Premise, ...] = ()


def contraction_of(network: nn.Module) -> Contraction:
    """Return what is proved of a network: by its ``contraction()``, else by its claims.

    Args:
        network: f.

    Raises:
        ValueError: if no constant below 1 is proved.

    Example:
        >>> from darboux.activations import Sigmoid
        >>> contraction_of(Sigmoid()).constant
        0.25
    """
    own = getattr(network, "contraction", None)
    found = _claimed(network) if own is None else own()
    what = "InvertibleResidual: expected a proved Lipschitz constant < 1; got"
    if found.kind is Kind.MEASURED:
        raise ValueError(f"{what} {found.constant:.6g}, which was only measured. {_USE}")
    if not found.constant < 1:
        raise ValueError(f"{what} {found.constant:.6g} ({found.reason}). {_USE}")
    known: Contraction = found
    return known


def _claimed(network: nn.Module) -> Contraction:
    claims = claims_of(network)
    claim = claims.find(Lipschitz)
    if claim is None:
        known = "; ".join(f"{gap.path}: {gap.reason}" for gap in claims.gaps) or "it claims none"
        msg = f"InvertibleResidual: expected a proved Lipschitz constant < 1; got none ({known})."
        raise ValueError(f"{msg} {_USE}")
    assert isinstance(claim.structure, Lipschitz)
    return Contraction(claim.structure.constant, 2.0, claim.kind, claim.reason, claim.premises)
