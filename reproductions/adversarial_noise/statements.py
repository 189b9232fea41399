"""Judging classifiers under noise, and the statements about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

import darboux as dx
from reproductions.adversarial_noise.networks import Classifier, margins
from reproductions.adversarial_noise.noise import accuracy, attacked, norms, random_noise
from reproductions.adversarial_noise.training import ATTACKED, NONEXPANSIVE, PLAIN
from reproductions.common.classification import LabelledImages
from reproductions.common.extremes import maximum, minimum
from reproductions.common.result import Statement

_ROUNDING = 1e-5  # of norms and margins in single precision


@dataclass(frozen=True)
class Judged:
    """A classifier under noise of several sizes."""

    network: Classifier
    sizes: tuple[float, ...]  # norms of noise, the first is 0
    attacks: tuple[Tensor, ...]  # the noise that was found for each size
    attacked: tuple[float, ...]  # shares of right answers under it
    random: tuple[float, ...]  # the same under random noise
    radii: Tensor  # norms of noise that provably change nothing, negative where the class is wrong
    inside: int  # attacks that these cover
    broken: int  # those of them that succeeded
    stretch: float  # the largest change of scores over the norm of the noise

    def certified(self, size: float) -> float:
        """Return the share of images whose radius is at least `size`, and above 0."""
        return float((self.radii > max(size, 0.0)).float().mean())

    def at(self, size: float) -> float:
        """Return the share of right answers under attacks of a size that was tried."""
        return self.attacked[self.sizes.index(size)]


def judged(network: Classifier, data: LabelledImages, sizes: Sequence[float], steps: int) -> Judged:
    """Attack a classifier."""
    found = tuple(attacked(network, data, size, steps=steps) for size in sizes)
    radii = network.radii(data)
    covered, broken, stretches = 0, 0, []
    for noise in found:
        with torch.no_grad():
            moved = network(data.images + noise)
            change = (moved - network(data.images)).norm(dim=1) / norms(noise).clamp_min(1e-3)
        size = norms(noise)
        inside = (size > 0) & (size * (1 + _ROUNDING) + _ROUNDING < radii)
        covered += int(inside.sum())
        broken += int((~(margins(moved, data.classes) > 0) & inside).sum())
        stretches.append(float(change.max()))
    return Judged(
        network,
        tuple(sizes),
        found,
        tuple(accuracy(network, data, noise) for noise in found),
        tuple(accuracy(network, data, random_noise(data.images, size)) for size in sizes),
        radii,
        covered,
        broken,
        maximum(stretches),
    )


def statements(
    runs: Mapping[str, Sequence[Judged]],
    size: float,
    certificate: dx.Certificate,
    *,
    ahead: int,
) -> list[Statement]:
    """Return what was put to the test, at noise of one size, for all runs."""
    clean = {name: [100 * its.attacked[0] for its in of] for name, of in runs.items()}
    hit = {name: [100 * its.at(size) for its in of] for name, of in runs.items()}
    bound = runs[NONEXPANSIVE][0].network.lipschitz()
    return [
        Statement(
            "clean: the nonexpansive network is at most 4 points below the plain one, in the mean",
            _means(clean),
            holds=fmean(clean[NONEXPANSIVE]) >= fmean(clean[PLAIN]) - 4,
        ),
        _random(runs[PLAIN], size),
        Statement(
            f"attacks of norm {size:g}: the nonexpansive network is at least {ahead} points above "
            "the plain one, in every run",
            _means(hit),
            holds=all(a >= b + ahead for a, b in zip(hit[NONEXPANSIVE], hit[PLAIN], strict=True)),
        ),
        Statement(
            "so is the plain one that was trained on attacks",
            _means(hit),
            holds=all(a >= b + ahead for a, b in zip(hit[ATTACKED], hit[PLAIN], strict=True)),
        ),
        _unbroken(runs),
        _certified(runs, size),
        _stretch(runs),
        Statement(
            "the certificate of the nonexpansive flow holds, with Lipschitz constant 1",
            f"{certificate.verdict}, at most {bound:g}",
            holds=certificate.holds and bound <= 1,
        ),
    ]


def _random(runs: Sequence[Judged], size: float) -> Statement:
    """Return whether only chosen noise is dangerous."""
    k = runs[0].sizes.index(size)
    chance = [100 * (its.random[0] - its.random[k]) for its in runs]
    chosen = [100 * (its.attacked[0] - its.attacked[k]) for its in runs]
    return Statement(
        f"random noise of norm {size:g} costs the plain network less than 3 points, chosen noise "
        "more than 20",
        f"{maximum(chance):.1f} at most and {minimum(chosen):.1f} at least",
        holds=all(a < 3 < 20 < b for a, b in zip(chance, chosen, strict=True)),
    )


def _unbroken(runs: Mapping[str, Sequence[Judged]]) -> Statement:
    every = [its for of in runs.values() for its in of]
    tried, broken = sum(its.inside for its in every), sum(its.broken for its in every)
    return Statement(
        "no attack changes an answer within the certified radius",
        f"{broken} of {tried} attacks within it",
        holds=broken == 0 < tried,
    )


def _certified(runs: Mapping[str, Sequence[Judged]], size: float) -> Statement:
    """Return whether a bound certifies anything."""
    shares = {name: [100 * its.certified(size) for its in of] for name, of in runs.items()}
    bounds = {name: fmean(its.network.lipschitz() for its in of) for name, of in runs.items()}
    measured = ", ".join(
        f"{name} {fmean(shares[name]):.1f} % (L <= {bounds[name]:.3g})" for name in runs
    )
    return Statement(
        f"at norm {size:g} more than 30 % are certified for the nonexpansive network, none for the "
        "plain ones",
        measured,
        holds=minimum(shares[NONEXPANSIVE]) > 30 and maximum(shares[PLAIN] + shares[ATTACKED]) == 0,
    )


def _stretch(runs: Mapping[str, Sequence[Judged]]) -> Statement:
    most = {name: maximum(its.stretch for its in of) for name, of in runs.items()}
    return Statement(
        "attacks move scores of the nonexpansive network by no more than they move the image",
        ", ".join(f"{name} {value:.3f} times as much" for name, value in most.items()),
        holds=most[NONEXPANSIVE] <= 1 + 1e-3,
    )


def _means(values: Mapping[str, Sequence[float]]) -> str:
    return ", ".join(f"{name} {fmean(each):.1f} %" for name, each in values.items())
