"""All methods on all problems: their numbers tuned, their images judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import fmean

import torch
from torch import Tensor, nn

from darboux.training import psnr
from reproductions.image_reconstruction.data import BRAIN, PHANTOM, tuning_image
from reproductions.image_reconstruction.methods import NEUMANN, UNROLLED, Method, tuned
from reproductions.image_reconstruction.networks import Neumann, Unrolled
from reproductions.image_reconstruction.problems import Problem
from reproductions.image_reconstruction.training import Setting, for_problem

_SEED = 3  # of the noise of test data


@dataclass(frozen=True)
class Judged:
    """What the methods made of one problem."""

    problem: Problem
    weights: Mapping[str, float]
    images: dict[str, dict[str, Tensor]] = field(default_factory=dict)  # by method and image
    scores: dict[str, dict[str, float]] = field(default_factory=dict)  # dB, the same way
    seconds: dict[str, float] = field(default_factory=dict)  # of an image, by method

    def on_photographs(self) -> dict[str, float]:
        """Return the mean PSNR of each method on photographs."""
        return {
            method: fmean(v for k, v in of.items() if k not in (PHANTOM, BRAIN))
            for method, of in self.scores.items()
        }


def judged(
    problem: Problem,
    methods: Mapping[str, Method],
    images: Mapping[str, Tensor],
    setting: Setting,
    *,
    seed: int,
) -> Judged:
    """Tune methods, train networks for the problem, and reconstruct all images."""
    image = tuning_image(setting.side)
    weights = {
        name: tuned(method, problem, image) if setting.tunes else method.start
        for name, method in methods.items()
        if not method.like
    }
    weights |= {name: weights[of.like] for name, of in methods.items() if of.like}
    calls: dict[str, Callable[[Tensor], Tensor]] = {
        name: _with(method, problem, weights[name]) for name, method in methods.items()
    }
    for name, network in _networks(problem, setting).items():
        calls[name] = for_problem(network, problem, setting, seed=seed)
    found = Judged(problem, weights)
    for name, call in calls.items():
        begin = time.process_time()
        made = {k: call(problem.data(x, seed=_SEED)) for k, x in images.items()}
        found.seconds[name] = (time.process_time() - begin) / len(images)
        found.images[name] = made
        found.scores[name] = {k: psnr(x, images[k]) for k, x in made.items()}
    return found


def _with(method: Method, problem: Problem, weight: float) -> Callable[[Tensor], Tensor]:
    return lambda y: method.call(problem, y, weight)


def _networks(problem: Problem, setting: Setting) -> dict[str, nn.Module]:
    if not setting.learning:
        return {}
    torch.manual_seed(0)
    sizes = {"steps": setting.steps, "width": setting.width}
    return {
        UNROLLED: Unrolled(problem.physics, **sizes),
        NEUMANN: Neumann(problem.physics, **sizes),
    }
