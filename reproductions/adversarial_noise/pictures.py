"""The pictures: accuracies under noise, and attacked digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from reproductions.adversarial_noise.statements import Judged
from reproductions.adversarial_noise.training import NONEXPANSIVE
from reproductions.common.classification import LabelledImages
from reproductions.common.figures import (
    SOFT,
    canvas,
    grey,
    label,
    legend,
    line,
    marked,
    save,
    side_label,
)

_SHOWN = 8  # digits


def draw_accuracy(runs: Mapping[str, Sequence[Judged]], path: Path) -> Path:
    """Draw accuracies over the norm of noise: the means over the runs, and their range."""
    figure, ((chosen, chance),) = canvas(1, 2, side=(4.2, 3.4))
    for k, (name, of) in enumerate(runs.items()):
        sizes = of[0].sizes
        for axes, values in (
            (chosen, [its.attacked for its in of]),
            (chance, [its.random for its in of]),
        ):
            shares = 100 * torch.tensor(values)
            axes.plot(sizes, shares.mean(dim=0), **marked(k), label=name)
            low, high = shares.amin(dim=0), shares.amax(dim=0)
            axes.fill_between(sizes, low, high, color=line(k)["color"], alpha=0.2, linewidth=0)
    fine = torch.linspace(0, float(sizes[-1]), 200)
    proved = [
        100 * sum(its.certified(float(s)) for its in runs[NONEXPANSIVE]) / len(runs[NONEXPANSIVE])
        for s in fine
    ]
    chosen.plot(fine, proved, **line(3), label=f"{NONEXPANSIVE}, certified")
    for axes, title in ((chosen, "noise chosen by an attack"), (chance, "random noise")):
        axes.set_ylim(0, 101)
        label(axes, title, "norm of the noise", "right answers, %" if axes is chosen else "")
    legend(figure, chosen)
    return save(figure, path)


def draw_digits(
    runs: Mapping[str, Sequence[Judged]], data: LabelledImages, size: float, path: Path
) -> Path:
    """Draw digits, and noise on them that changes answers, with the answers above."""
    figure, rows = canvas(1 + 2 * len(runs), _SHOWN, side=(1.1, 1.2))
    for axes, image, of in zip(rows[0], data.images, data.classes, strict=False):
        grey(axes, image)
        axes.set_title(f"{int(of)}", fontsize=9)
    side_label(rows[0][0], "digits", size=8)
    for k, (name, of_runs) in enumerate(runs.items()):
        its = of_runs[0]
        noise = its.attacks[its.sizes.index(size)][:_SHOWN]
        with torch.no_grad():
            answers = its.network(data.images[:_SHOWN] + noise).argmax(dim=1)
        for j in range(_SHOWN):
            above, below = rows[1 + 2 * k][j], rows[2 + 2 * k][j]
            wrong = int(answers[j]) != int(data.classes[j])
            grey(above, data.images[j] + noise[j])
            above.set_title(
                f"{int(answers[j])}" + (" ✗" if wrong else ""),
                fontsize=9,
                color="black" if wrong else SOFT,
            )
            grey(below, noise[j], low=-0.25, high=0.25)
        side_label(rows[1 + 2 * k][0], f"{name}:\nattacked", size=8)
        side_label(rows[2 + 2 * k][0], "noise,\nwhite = 0.25", size=8)
    return save(figure, path)
