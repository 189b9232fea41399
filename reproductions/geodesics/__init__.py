"""Networks as geodesics of Wasserstein space: what weight decay does to the tracks of data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reproductions.common.result import Result
from reproductions.common.tracks import Tracks
from reproductions.geodesics.data import Task, tasks
from reproductions.geodesics.networks import KINDS, RESIDUAL
from reproductions.geodesics.pictures import draw_depths, draw_scores, draw_tracks
from reproductions.geodesics.statements import PLANE, Found, numbers, statements
from reproductions.geodesics.training import Price, Trained, trained
from reproductions.geodesics.transformer import trained_tokens

_LEAD = (
    "Plain networks z → f(z) and ResNets z → z + f(z) of equal blocks, B relu(A z + a) + b, learn "
    "to name classes with decay/2 times the squares of all matrices in the loss; a third kind is "
    "plain and starts near the identity. Images are 24 principal components, so that the first "
    "features are the data. Scores are those of {judged} unseen points: medians of line-shape "
    "scores, with √K for independent steps, and how much of what optimal transport saves over "
    "random pairing the network saves (gain). Means are over depths {depths} and {runs} random "
    "starts, ± their standard error. {shortened}"
)


@dataclass(frozen=True)
class _Size:
    """How large the experiment is."""

    depths: Sequence[int]
    decays: Sequence[float]
    energy: float  # the price of the positive control
    runs: int
    steps: int
    tokens: tuple[int, int]  # layers of the transformer, and steps


_FULL = _Size((5, 10, 20), (0.0, 1e-3, 5e-3, 2e-2), 1e-2, 3, 500, (8, 200))
_QUICK = _Size((5, 10), (0.0, 2e-2), 1e-2, 2, 200, (4, 60))


def run(out: Path, *, quick: bool, seed: int = 0, data: Path | None = None) -> Result:
    """Train plain networks and ResNets with weight decay, and measure the tracks of their data.

    Source: Gai and Zhang 2021 and 2026, on geodesics in Wasserstein space.
    """
    if data is None and not quick:
        raise ValueError(
            "Expected data: a folder with the four IDX files of Fashion-MNIST; got none. Name it "
            "with --data, or use --quick, which takes the spiral and the digits alone."
        )
    size, every = _QUICK if quick else _FULL, tasks(quick=quick, data=data, seed=seed)
    found = _found(size, every, seed)
    plane = _plane(found.networks, size)
    classes = every[0].y_test
    return Result(
        title="Networks as geodesics",
        lead=_LEAD.format(
            judged=len(classes),
            depths=", ".join(map(str, size.depths)),
            runs=size.runs,
            shortened="Trainings are short." if quick else "",
        ),
        numbers=numbers(found),
        statements=statements(found),
        figures={
            draw_tracks(plane, classes, out / "tracks.png"): (
                f"Tracks of points of the spiral through {plane[0].depth} layers, from grey dots "
                "to coloured marks, without weight decay and with the largest."
            ),
            draw_scores(found.networks, out / "scores.png"): (
                "Line-shape scores, as shares of those of independent steps, and transport scores "
                "against weight decay, of networks that name at least 60 % of the points."
            ),
            draw_depths(found.networks, out / "depths.png"): (
                "Above, line-shape scores by the number of layers; below, distances of the "
                "features of each layer from the geodesic between first and last, the range over "
                "starts in grey."
            ),
        },
        tracks={f"{t.kind}, decay {t.price.decay:g}": Tracks.of(t.states, classes) for t in plane},
    )


def _found(size: _Size, every: Sequence[Task], seed: int) -> Found:
    """Train everything."""
    options = {"runs": size.runs, "steps": size.steps, "seed": seed}
    prices = [Price(decay=decay) for decay in size.decays]
    depth, steps = size.tokens
    return Found(
        networks=[
            t
            for task in every
            for kind in KINDS
            for layers in size.depths
            for t in trained(task, kind, layers, prices, **options)
        ],
        priced=[
            t
            for task in every
            if task.name != PLANE
            for t in trained(task, RESIDUAL, 10, [Price(energy=size.energy)], **options)
        ],
        tokens={
            decay: [
                trained_tokens(depth, decay, steps=steps, seed=seed + each)
                for each in range(size.runs - 1)
            ]
            for decay in (size.decays[0], 5e-3)
        },
    )


def _plane(networks: Sequence[Trained], size: _Size) -> list[Trained]:
    """Return the first network of each kind on the spiral, with no decay and with the largest."""
    ends = (size.decays[0], size.decays[-1])
    return [
        next(
            t
            for t in networks
            if (t.task, t.kind, t.depth, t.price.decay) == (PLANE, kind, 10, decay)
        )
        for decay in ends
        for kind in KINDS
    ]
