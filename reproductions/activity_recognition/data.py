"""Motions of a smart watch: BasicMotions, or simple motions that are made up."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Generator, Tensor

NAME = "BasicMotions"
INTERVAL = 0.1  # seconds between two samples
_GYROSCOPE = slice(3, 6)  # dimensions of a recording; the first three are accelerations


class Motions(NamedTuple):
    """Recordings of angular velocities and what was done."""

    velocities: Tensor  # (count, samples, 3), radians a second in the frame of the watch
    classes: Tensor  # (count,), int64


def recorded(folder: Path, *, split: str) -> Motions:
    """Return the recordings of ``BasicMotions_TRAIN.ts`` or ``BasicMotions_TEST.ts``.

    Raises:
        ValueError: if the file is missing or holds something else.
    """
    path = folder / f"{NAME}_{split}.ts"
    if not path.is_file():
        msg = f"Expected a folder with {NAME}_TRAIN.ts and {NAME}_TEST.ts; got no {path}."
        raise ValueError(msg)
    lines = path.read_text(encoding="utf-8").splitlines()
    header = [line.split() for line in lines if line.startswith("@")]
    labels = next((words[2:] for words in header if words[0] == "@classLabel"), [])
    rows = [line.split(":") for line in lines if line and line[0] not in "#@"]
    if not rows or any(len(row) != 7 or row[-1] not in labels for row in rows):
        msg = f"Expected recordings of six dimensions and a class that is named above; see {path}."
        raise ValueError(msg)
    values = [[[float(x) for x in part.split(",")] for part in row[:-1]] for row in rows]
    classes = [labels.index(row[-1]) for row in rows]
    return Motions(torch.tensor(values)[:, _GYROSCOPE].mT.contiguous(), torch.tensor(classes))


def made_up(count: int, *, samples: int, generator: Generator | None = None) -> Motions:
    """Draw motions of four kinds, each at a speed that changes, about axes that vary a little.

    They turn about one axis or the other, about both in turn, or hardly at all.
    """
    classes = torch.arange(count) % 4
    pace = 1 + 0.5 * torch.rand(count, 1, generator=generator)
    bend = 0.3 * torch.rand(count, 1, generator=generator)
    t = torch.linspace(0, 1, samples)
    clock = 2 * math.pi * 2 * pace * (t + bend * torch.sin(2 * math.pi * t) / (2 * math.pi))
    wave, later = clock.sin(), clock.cos()
    nothing = torch.zeros_like(wave)
    kinds = torch.stack(
        [
            torch.stack([wave, nothing, nothing], -1),
            torch.stack([nothing, wave, nothing], -1),
            torch.stack([wave, later, nothing], -1),
            0.1 * torch.stack([wave, wave, wave], -1),
        ]
    )
    speed = 1 + bend * torch.cos(2 * math.pi * t)
    velocities = 3 * speed[..., None] * kinds[classes, torch.arange(count)]
    return Motions(velocities + 0.2 * torch.randn(velocities.shape, generator=generator), classes)
