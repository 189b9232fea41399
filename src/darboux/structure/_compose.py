"""Claims of compositions, residual sums and averages."""

from __future__ import annotations

from collections.abc import Sequence

from darboux.structure._claim import Claim, Claims, Gap, Structure, closure, merge_premises
from darboux.structure._equivariance import Equivariant
from darboux.structure._metric import Averaged, Lipschitz

_NamedClaims = Sequence[tuple[str, Claims]]


def composition(parts: _NamedClaims) -> Claims:
    """Compose the claims of maps that are applied one after another, first map first.

    A family survives if every part has it, directly or by implication; the kind is
    the weakest among the parts. Where a family that some parts have is lost, the
    first part without it is named as a gap; but not where a weaker family is left with
    another value, as for a ReLU (averaged) between maps with other Lipschitz constants than 1.

    Args:
        parts: (name, claims) in the order of application.

    Example:
        >>> from darboux.structure import Claim, Claims, Kind, Lipschitz
        >>> two = Claims((Claim(Lipschitz(2.0), Kind.BOUND, "norm"),))
        >>> composition([("a", two), ("b", two)]).claims[0].structure
        Lipschitz(constant=4.0)
    """
    gaps = [gap.under(name) for name, claims in parts for gap in claims.gaps]
    if len(parts) == 1:
        return Claims(parts[0][1].claims, tuple(gaps))
    found: list[Claim] = []
    lost: list[tuple[type[Structure], Gap]] = []
    for family in _families(parts):
        claim, gap = _chain_family(family, parts)
        if claim is not None:
            found.append(claim)
        elif gap is not None:
            lost.append((family, gap))
    gaps += [gap for family, gap in lost if not _is_beside(family, found, parts)]
    return Claims(strongest(found), _unique(gaps))


def residual(inner: Claims, *, scale: float) -> Claims:
    """Claims of x + s·φ(x): Lipschitz with 1 + |s| c, and equivariant where φ keeps the type.

    Example:
        >>> from darboux.structure import Claim, Kind, Lipschitz
        >>> two = Claims((Claim(Lipschitz(2.0), Kind.BOUND, "norm"),))
        >>> residual(two, scale=0.5).claims[0].structure
        Lipschitz(constant=2.0)
    """
    claim = inner.find(Lipschitz)
    gaps = tuple(gap.under("inner") for gap in inner.gaps)
    kept = endomorphism(inner)
    if claim is None:
        return Claims(kept, gaps or (Gap("inner", "no Lipschitz constant is known"),))
    constant = _lipschitz(claim)
    reason = f"triangle inequality: 1 + |{scale:g}|·{constant:.6g}; {claim.reason}"
    bound = Lipschitz(1 + abs(scale) * constant)
    return Claims((Claim(bound, claim.kind, reason, claim.premises), *kept), gaps)


def endomorphism(inner: Claims) -> tuple[Claim, ...]:
    """Return the claim that φ commutes with a group, where it keeps the type of its features.

    Then x + s φ(x), and whatever else is made of x and φ(x) entry by entry, does, too.

    Example:
        >>> endomorphism(Claims())
        ()
    """
    claim = inner.find(Equivariant)
    if claim is None or not isinstance(claim.structure, Equivariant):
        return ()
    same, shifts = claim.structure.source == claim.structure.target, claim.structure.translations
    return (claim,) if same and (shifts is None or shifts[0] == shifts[1]) else ()


def average(parts: _NamedClaims, *, weights: Sequence[float]) -> Claims:
    """Claims of Σ w_i φ_i(x), w_i >= 0, Σ w_i = 1: constants and α average.

    Example:
        >>> from darboux.structure import Claim, Kind, Lipschitz
        >>> two = Claims((Claim(Lipschitz(2.0), Kind.BOUND, "norm"),))
        >>> average([("a", two), ("b", two)], weights=(0.5, 0.5)).claims[0].structure
        Lipschitz(constant=2.0)
    """
    gaps = [gap.under(name) for name, claims in parts for gap in claims.gaps]
    found = []
    for family, key, word in (
        (Lipschitz, _lipschitz, "triangle inequality: the mean of the constants"),
        (Averaged, _alpha, "convex combination of averaged maps: the mean of the α"),
    ):
        members = [claims.find(family) for _, claims in parts]
        known = [member for member in members if member is not None]
        if len(known) < len(members):
            lost = next(part for part, m in zip(parts, members, strict=True) if m is None)
            stop = _stop(lost[0], family, lost[1])
            gaps += [stop] if known and stop is not None else []
            continue
        value = sum(w * key(m) for w, m in zip(weights, known, strict=True))
        kind = min(member.kind for member in known)
        found.append(Claim(family(value), kind, word, merge_premises(tuple(known))))
    alike = [c for c in (claims.find(Equivariant) for _, claims in parts) if c is not None]
    if len(alike) == len(parts) and all(c.structure == alike[0].structure for c in alike):
        kind = min(claim.kind for claim in alike)
        premises = merge_premises(tuple(alike))
        found.append(Claim(alike[0].structure, kind, alike[0].reason, premises))
    return Claims(strongest(found), _unique(gaps))


def _lipschitz(claim: Claim) -> float:
    assert isinstance(claim.structure, Lipschitz)
    return claim.structure.constant


def _alpha(claim: Claim) -> float:
    assert isinstance(claim.structure, Averaged)
    return claim.structure.alpha


def _families(parts: _NamedClaims) -> list[type[Structure]]:
    """Return every class of structure that some part has, in order of appearance."""
    seen: dict[type[Structure], None] = {}
    for _, claims in parts:
        for claim in claims:
            seen.update((type(structure), None) for structure in closure(claim.structure))
    return list(seen)


def _chain_family(family: type[Structure], parts: _NamedClaims) -> tuple[Claim | None, Gap | None]:
    members: list[Claim] = []
    for name, claims in parts:
        member = claims.find(family)
        if member is None:
            return None, _stop(name, family, claims)
        members.append(member)
    whole: Structure | None = members[0].structure
    assert whole is not None
    for (name, _), member in zip(parts[1:], members[1:], strict=True):
        before, whole = whole, member.structure.after(whole)
        if whole is None:
            why = member.structure.why_not(before)
            return None, Gap(name, f"{family.__name__} stops here: {why}") if why else None
    kind = min(member.kind for member in members)
    return Claim(whole, kind, _reason(members), merge_premises(tuple(members))), None


def _stop(name: str, family: type[Structure], claims: Claims) -> Gap | None:
    """Return the gap of a part without a family, unless its own gaps say why it has nothing."""
    if claims.gaps and not claims.claims:
        return None
    return Gap(name, f"{family.__name__} stops here: this part has none")


def _is_beside(family: type[Structure], found: Sequence[Claim], parts: _NamedClaims) -> bool:
    """Return whether what is left of a lost family differs from what the family implies."""
    members = [member for _, claims in parts if (member := claims.find(family)) is not None]
    weaker = {s for member in members for s in closure(member.structure)[1:]}
    left = [claim.structure for claim in found]
    return any(type(s) is type(other) and s != other for s in weaker for other in left)


def _reason(members: Sequence[Claim]) -> str:
    reasons = list(dict.fromkeys(member.reason for member in members))
    shown = "; ".join(reasons[:3]) + ("; ..." if len(reasons) > 3 else "")
    return f"composition of {len(members)} maps: {shown}"


def strongest(claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """Drop claims that another one implies with evidence at least as strong."""
    kept: list[Claim] = []
    for i, claim in enumerate(claims):
        implied = any(
            other.structure.at_least(claim.structure)
            and other.kind >= claim.kind
            and (other.structure != claim.structure or j < i)
            for j, other in enumerate(claims)
            if j != i
        )
        if not implied:
            kept.append(claim)
    return tuple(kept)


def _unique(gaps: Sequence[Gap]) -> tuple[Gap, ...]:
    return tuple(dict.fromkeys(gaps))
