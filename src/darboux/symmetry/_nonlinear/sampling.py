"""Fields as band-limited functions on a group of the plane, and their samples."""

from __future__ import annotations

import math
from collections import Counter

import torch
from torch import Tensor

from darboux.structure._arguments import checked
from darboux.symmetry._feature import Feature
from darboux.symmetry._groups.cyclic import Cyclic, Dihedral
from darboux.symmetry._groups.group import Element, Group
from darboux.symmetry._groups.planar import O2, SO2
from darboux.symmetry._limits import Frequency
from darboux.symmetry._representations.representation import Representation
from darboux.symmetry._representations.standard import from_matrices


@checked
def band_limited(group: Group, degree: Frequency) -> list[Representation]:
    """Return the field of band-limited functions on a group, as a list of one.

    It has every irreducible representation of frequency up to K as often as its dimension over
    its commutant: once for rotations, and twice for rotations with reflections.

    Args:
        group: SO2(), O2(), Cyclic(n) or Dihedral(n).
        degree: K, from 0 to 1024; below n/2 for the finite ones.

    Raises:
        TypeError: for other groups.
        ValueError: if K is out of range.

    Example:
        >>> band_limited(O2(), 1)[0].content
        ('0+', '0-', '1', '1')
    """
    planar(group)
    order = group.n if isinstance(group, (Cyclic, Dihedral)) else None
    if order is not None and 2 * degree >= order:
        msg = (
            f"band_limited: expected a degree below n/2 = {order / 2:g}; got {degree}. Use regular "
            "fields."
        )
        raise ValueError(msg)
    names = [name for name in group.irreps(degree) for _ in range(_most(group, name))]
    size = sum(group.size(name) for name in names)
    basis = torch.eye(size, dtype=torch.float64, device="cpu")
    return [Representation(group, f"functions up to {degree}", tuple(names), basis)]


def planar(group: Group) -> None:
    """Refuse groups without samples."""
    if not isinstance(group, (SO2, O2, Cyclic, Dihedral)):
        msg = (
            "Expected SO2(), O2(), Cyclic(n) or Dihedral(n), which have equispaced samples; got "
            f"{group!r}. Use NormActivation or GatedActivation."
        )
        raise TypeError(msg)


def frequency(name: str) -> int:
    """Return the frequency of an irreducible representation by its name."""
    return int(name.rstrip("+-"))


def synthesis(field: Representation, samples: int) -> Tensor:
    """Return F with FᵀF = I, whose rows give the values of a field at equispaced elements."""
    # A part i has the value √(d_i/M) ⟨e_i, ψ_i(h)⁻¹ v_i⟩ at the element h, so g v has the value
    # of v at g⁻¹h: elements among the M samples permute the values. Unit vectors e_i of equal
    # parts are orthogonal. Functions that the mirror image leaves are sampled on rotations alone.
    _check(field, samples)
    counts = Counter(field.content)
    group = field.group
    lines = counts["0-"] == 0 and all(count == 1 for count in counts.values())
    flips = [False] if lines or isinstance(group, (SO2, Cyclic)) else [False, True]
    steps = [(k, flip) for flip in flips for k in range(samples)]
    seen: Counter[str] = Counter()
    columns = []
    for name in field.content:
        size = group.size(name)
        rows = _rows(name, samples)[[k + samples * flip for k, flip in steps]]
        columns.append(rows[:, :size, seen[name]] * (size / len(steps)) ** 0.5)
        seen[name] += 1
    return torch.cat(columns, dim=1) @ field.basis.T


def restricted(feature: Feature, samples: int) -> Feature:
    """Return the feature of the elements that permute the samples: the common subgroup."""
    group = feature.group
    order = math.gcd(group.n, samples) if isinstance(group, (Cyclic, Dihedral)) else samples
    mirrored = isinstance(group, (O2, Dihedral))
    smaller = Dihedral(order) if mirrored else Cyclic(order)
    if smaller == group:
        return feature
    steps = [(k, flip) for flip in ([False, True] if mirrored else [False]) for k in range(order)]
    elements = [_element(group, k, order, flip=flip) for k, flip in steps]
    kinds = dict.fromkeys(feature.fields)
    made = {
        kind: from_matrices(smaller, [kind.matrix(g) for g in elements], name=kind.name)
        for kind in kinds
    }
    return Feature(smaller, [made[field] for field in feature.fields])


def _element(group: Group, step: int, order: int, *, flip: bool) -> Element:
    """Return the rotation by 2π·step/order, before it the reflection, as an element."""
    if isinstance(group, (Cyclic, Dihedral)):
        return step * group.n // order + (group.n if flip else 0)
    angle = 2 * math.pi * step / order
    return (angle, flip) if isinstance(group, O2) else angle


def _rows(name: str, samples: int) -> Tensor:
    """Return ψ(h) for all rotations by 2πk/samples, then with the reflection before."""
    group = Dihedral(samples)
    plain = name if name in group.irreps(0) else "0+"
    return group.irrep_table(str(frequency(name)) if frequency(name) else plain)


def _most(group: Group, name: str) -> int:
    """Return how often functions on the group hold an irreducible representation."""
    return group.size(name) if isinstance(group, (O2, Dihedral)) else 1


def _check(field: Representation, samples: int) -> None:
    """Refuse fields that are no band-limited functions, and too few samples."""
    group = field.group
    planar(group)
    for name, count in Counter(field.content).items():
        nyquist = isinstance(group, (Cyclic, Dihedral)) and 2 * frequency(name) == group.n
        if count > _most(group, name) or nyquist:
            msg = (
                f"Expected fields that are band-limited functions on {group.describe()}: frequency "
                f"{name} at most {0 if nyquist else _most(group, name)} times; got "
                f"{field.name} with {count}. Use band_limited(group, degree), or regular fields."
            )
            raise ValueError(msg)
    degree = max(frequency(name) for name in field.content)
    if samples < 2 * degree + 1:
        msg = (
            f"Expected samples >= 2K + 1 = {2 * degree + 1} for functions of frequency up to K = "
            f"{degree}, since fewer do not determine them; got {samples}. Use more."
        )
        raise ValueError(msg)
