"""The statements about the density of the digits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from darboux.data import DIGIT_LEVELS
from darboux.density import quantize
from reproductions.common.result import Statement
from reproductions.digits_density.measures import Bits
from reproductions.digits_density.training import Schedule


@dataclass(frozen=True)
class Size:
    """How large the experiment is, and what is asked for."""

    schedule: Schedule  # of the training
    margin: float  # to the trivial density, in bits per dimension
    pixels: float  # margin to independent pixels


@dataclass(frozen=True)
class Images:
    """Levels of the digits, and of samples."""

    training: Tensor  # to learn from
    validation: Tensor  # to choose by
    test: Tensor  # to judge by
    samples: Tensor  # of the flow, in [0, 1] but for a few pixels, before they are made levels

    @property
    def drawn(self) -> Tensor:
        """The levels of the samples."""
        return quantize(self.samples, DIGIT_LEVELS)


def better(own: Bits, name: str, value: float, *, margin: float) -> Statement:
    """Return whether the flow takes fewer bits than a simple density, by a margin."""
    error = math.hypot(own.images_error, own.draws_error)
    return Statement(
        f"at least {margin:g} bits per dimension better than {name}",
        f"{own.mean:.3f} ± {error:.3f} against {value:.3f}",
        holds=own.mean <= value - margin,
    )


def exactly(undone: Tensor, levels: Tensor) -> Statement:
    """Return whether every digit comes back from its latents."""
    wrong = int((undone != levels).sum())
    text = f"every level of {len(levels)} test digits comes back from the latents"
    return Statement(text, f"{wrong} of {levels.numel()} are wrong", holds=wrong == 0)


def inside(samples: Tensor) -> Statement:
    """Return whether the density wastes little outside of the levels."""
    share = float(((samples < 0) | (samples >= 1)).double().mean())
    text = "at most 2 % of the pixels of samples lie outside of [0, 1)"
    return Statement(text, f"{share:.2%}", holds=share <= 0.02)


def alike(images: Images) -> Statement:
    """Return whether the average sample looks like the average digit."""
    sample, digit = (x.double().mean(dim=0) for x in (images.drawn, images.test))
    error = float((sample - digit).abs().mean())
    text = "the mean sample is the mean test digit up to one level of 16, on average over pixels"
    return Statement(text, f"{error:.2f} levels", holds=error <= 1)


def no_copies(far: Tensor, test_far: Tensor) -> Statement:
    """Return whether samples are as far from the training digits as digits are from each other."""
    here, there = float(far.median()), float(test_far.median())
    return Statement(
        "samples are no copies: no nearer to the training digits than test digits are",
        f"median distance {here:.1f} levels against {there:.1f}; smallest {float(far.min()):.1f}",
        holds=here >= there and float(far.min()) > 0,
    )
