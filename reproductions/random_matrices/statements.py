"""The statements about singular values of Jacobians."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from reproductions.common.extremes import maximum, minimum
from reproductions.common.result import Statement
from reproductions.random_matrices.plain import Spectrum
from reproductions.random_matrices.stable import (
    CONTRACTIVE,
    GAUSSIAN,
    HAMILTONIAN,
    ORTHOGONAL,
    RESNET,
    SKEW,
    Fitted,
    tanh_network,
)

_ROUNDING = 1e-11


@dataclass(frozen=True)
class Bars:
    """What is asked for."""

    distance: float  # of shares of singular values from the law, at most
    cut: float  # the same for ReLU: how many slopes are 0 varies from layer to layer
    spread: float  # relative error of E λ²/(E λ)², at most
    edge: tuple[float, float]  # the largest singular value over that of the law
    learned: float  # the accuracy of each network


def lawful(found: Sequence[Spectrum], bars: Bars) -> list[Statement]:
    """Return whether random networks of finite width follow the law of infinite ones."""
    said = []
    for case in dict.fromkeys(each.case for each in found):
        its = [each for each in found if each.case == case]
        limit = bars.cut if case.name == "ReLU" else bars.distance
        distances = ", ".join(f"{each.distance:.3f}" for each in its)
        depths = ", ".join(str(each.layers) for each in its)
        said.append(
            Statement(
                f"{case.words}: shares of singular values differ from the law by {limit} at most",
                f"{distances} for {depths} layers",
                holds=all(each.distance <= limit for each in its),
            )
        )
    ratios = [each.moments[1] / each.law.second for each in found]
    tops = [each.largest / each.law.edge**0.5 for each in found]
    return [
        *said,
        Statement(
            "E λ²/(E λ)² = 1 + L(E φ'⁴/(E φ'²)² - 1 + s), s = 1 (Gaussian) or 0 (orthogonal), "
            f"to {bars.spread:.0%}",
            f"{minimum(ratios):.2f} to {maximum(ratios):.2f} times that",
            holds=all(abs(ratio - 1) <= bars.spread for ratio in ratios),
        ),
        Statement(
            f"the largest singular value is {bars.edge[0]} to {bars.edge[1]} times that of the law",
            f"{minimum(tops):.2f} to {maximum(tops):.2f} times",
            holds=all(bars.edge[0] <= top <= bars.edge[1] for top in tops),
        ),
    ]


def isometric(found: Sequence[Spectrum], flat: torch.Tensor) -> list[Statement]:
    """Return whether orthogonal weights keep all singular values near 1 where slopes are near 1."""
    deep = max(each.layers for each in found)
    ratio = {e.case.words: _condition(e.found) for e in found if e.layers == deep}
    near, others = ratio.pop("tanh, orthogonal"), ratio
    off = float((flat - 1).abs().max())
    return [
        Statement(
            "linear, orthogonal: every singular value is 1, up to rounding",
            f"off by {off:.1e}",
            holds=off <= _ROUNDING,
        ),
        Statement(
            f"of {deep} layers, tanh with orthogonal weights alone keeps the largest singular "
            "value below twice the upper quartile (dynamical isometry)",
            f"{near:.2f}; {', '.join(f'{name} {value:.3g}' for name, value in others.items())}",
            holds=near < 2 and all(value > 2 for value in others.values()),
        ),
    ]


def trained(found: Mapping[str, Fitted], layers: int, bars: Bars) -> list[Statement]:
    """Return what training changes, and what it cannot."""
    return [
        _leaves(found, layers),
        _pairs(found[HAMILTONIAN]),
        _contracts(found[CONTRACTIVE]),
        _narrow(found),
        Statement(
            f"each network classifies {bars.learned:.0%} of held-out digits",
            ", ".join(f"{name} {its.accuracies[1]:.1%}" for name, its in found.items()),
            holds=all(its.accuracies[1] >= bars.learned for its in found.values()),
        ),
    ]


def _leaves(found: Mapping[str, Fitted], layers: int) -> Statement:
    """Return whether plain networks begin near the law and leave it."""
    pairs = {}
    for name, gaussian in ((GAUSSIAN, True), (ORTHOGONAL, False)):
        case = tanh_network(gaussian=gaussian)
        each = found[name].start[-1], found[name].end[-1]
        pairs[name] = [Spectrum(case, layers, values).distance for values in each]
    return Statement(
        "plain tanh networks begin near the law and leave it: training doubles the distance",
        "; ".join(f"{name} {a:.3f} -> {b:.3f}" for name, (a, b) in pairs.items()),
        holds=all(b >= 2 * a for a, b in pairs.values()),
    )


def _pairs(its: Fitted) -> Statement:
    """Return whether singular values of a symplectic Jacobian come in pairs s, 1/s."""
    values = torch.cat([its.start, its.end]).flatten(0, 1)
    off = float((values * values.flip(-1) - 1).abs().max())
    return Statement(
        "Hamiltonian: singular values come in pairs s, 1/s, at every layer, trained or not",
        f"products off by {off:.1e}; from {float(values.min()):.3g} to {float(values.max()):.3g}",
        holds=off <= _ROUNDING,
    )


def _contracts(its: Fitted) -> Statement:
    """Return whether no singular value of a contractive flow exceeds 1."""
    tops = float(its.start.max()), float(its.end.max())
    return Statement(
        "contractive: no singular value exceeds 1, at every layer, trained or not",
        f"{tops[0]:.4f} at most before training, {tops[1]:.4f} after",
        holds=all(top <= 1 + _ROUNDING for top in tops),
    )


def _narrow(found: Mapping[str, Fitted]) -> Statement:
    """Return whether stable flows keep singular values together."""
    ratios = {name: _condition(found[name].end[-1]) for name in found}
    plain, stable = (GAUSSIAN, ORTHOGONAL), (RESNET, SKEW, HAMILTONIAN)
    return Statement(
        "after training the largest singular value over the upper quartile is larger for both "
        "plain networks than for ResNet, antisymmetric and Hamiltonian ones",
        ", ".join(f"{name} {value:.3g}" for name, value in ratios.items()),
        holds=all(ratios[a] > ratios[b] for a in plain for b in stable),
    )


def _condition(values: torch.Tensor) -> float:
    """Return the largest singular value over the upper quartile, the geometric mean of networks.

    The smallest one does not serve: ReLU makes half of all 0.
    """
    tops, quarters = values[:, 0], values[:, values.shape[1] // 4]
    return float((tops.log() - quarters.clamp_min(1e-300).log()).mean().exp())
