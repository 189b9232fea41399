"""Noise that is chosen to mislead: plain classifiers beside one that cannot amplify it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import darboux as dx
from reproductions.adversarial_noise.networks import digits
from reproductions.adversarial_noise.pictures import draw_accuracy, draw_digits
from reproductions.adversarial_noise.statements import Judged, judged, statements
from reproductions.adversarial_noise.training import KINDS, NONEXPANSIVE, trained
from reproductions.common.result import Result
from reproductions.common.sizes import parameter_count

_LEAD = (
    "Classifiers of digits (8 × 8 pixels in [0, 1]) of 5 layers and about as many parameters: a "
    "plain residual network, the same trained on attacked images (norm 0.5), and steps of a "
    "gradient flow inside their contractivity radius, for which ‖φ(x) - φ(y)‖ <= ‖x - y‖ whatever "
    "the parameters; it asks its scores for a margin. Attacks are projected gradient descent of "
    "{steps} steps from two random starts, in the Euclidean norm, on {count} held-out digits."
)
_SIZES = (0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 1.0)
_JUDGED = 0.5  # the norm of noise that statements speak of


@dataclass(frozen=True)
class Size:
    """How large the experiment is."""

    epochs: int
    seeds: int
    steps: int  # of an attack
    sizes: tuple[float, ...]
    ahead: int  # points between the plain network and the others under attack, at least


_FULL = Size(epochs=40, seeds=3, steps=40, sizes=_SIZES, ahead=20)
_QUICK = Size(epochs=12, seeds=1, steps=15, sizes=(0.0, _JUDGED, 1.0), ahead=5)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Train three classifiers, attack them, and compare with what is certified.

    Source: slides, adversarial noise; section 2.2.1; Madry et al. 2018; Sherry et al. 2024.
    """
    size = _QUICK if quick else _FULL
    training, held_out = digits(seed)
    runs = {
        kind.name: [
            judged(
                trained(kind, training, epochs=size.epochs, seed=seed + k),
                held_out,
                size.sizes,
                size.steps,
            )
            for k in range(size.seeds)
        ]
        for kind in KINDS
    }
    body = runs[NONEXPANSIVE][0].network.body
    certificate = dx.certify(body, held_out.images[:4].flatten(1), effort="quick")
    return Result(
        title="Adversarial noise",
        lead=_LEAD.format(steps=size.steps, count=len(held_out.images)),
        numbers=_numbers(runs),
        statements=statements(runs, _JUDGED, certificate, ahead=size.ahead),
        figures={
            draw_accuracy(runs, out / "accuracy.png"): (
                "Right answers under noise: means of the runs, and their range; and the share of "
                "digits whose answer provably does not change."
            ),
            draw_digits(runs, held_out, _JUDGED, out / "digits.png"): (
                f"Digits, the same with noise of norm {_JUDGED:g} or less that an attack chose for "
                "each network, and the noise. Numbers are answers, wrong ones with a cross."
            ),
        },
    )


def _numbers(runs: Mapping[str, Sequence[Judged]]) -> dict[str, float]:
    """Return what was measured, the means of the runs."""
    numbers: dict[str, float] = {}
    for name, of in runs.items():
        numbers[f"parameters, {name}"] = parameter_count(of[0].network)
        numbers[f"Lipschitz bound, {name}"] = fmean(its.network.lipschitz() for its in of)
        numbers[f"median certified radius, {name}"] = fmean(float(its.radii.median()) for its in of)
        for k, size in enumerate(of[0].sizes):
            numbers[f"accuracy, attacks of norm {size:g}, {name}"] = fmean(
                its.attacked[k] for its in of
            )
            numbers[f"accuracy, random noise of norm {size:g}, {name}"] = fmean(
                its.random[k] for its in of
            )
            numbers[f"certified at norm {size:g}, {name}"] = fmean(
                its.certified(size) for its in of
            )
    return numbers
