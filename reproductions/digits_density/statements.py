"""What the density of the digits puts to the test."""

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
    """How large the experiment is, and what is asked for.

    Args:
        schedule: of the training.
        margin: to the trivial density, in bits per dimension.
        pixels: margin to independent pixels.

    Example:
        >>> schedule = Schedule(couplings=1, hidden=4, rounds=2, steps=3, rate=1e-3, patience=1)
        >>> Size(schedule, margin=1.5, pixels=0.2).margin
        1.5
    """

    schedule: Schedule
    margin: float
    pixels: float


@dataclass(frozen=True)
class Images:
    """Levels of the digits, and of samples.

    Args:
        training: to learn from.
        validation: to choose by.
        test: to judge by.
        samples: of the flow, in [0, 1] but for a few pixels, before they are made levels.

    Example:
        >>> import torch
        >>> Images(*torch.zeros(4, 1, 1, 8, 8)).drawn.shape
        torch.Size([1, 1, 8, 8])
    """

    training: Tensor
    validation: Tensor
    test: Tensor
    samples: Tensor

    @property
    def drawn(self) -> Tensor:
        """The levels of the samples."""
        return quantize(self.samples, DIGIT_LEVELS)


def better(own: Bits, name: str, value: float, *, margin: float) -> Statement:
    """Return whether the flow takes fewer bits than a simple density, by a margin.

    Args:
        own: of the flow.
        name: of the simple density.
        value: its bits per dimension.
        margin: what is asked for.

    Example:
        >>> own = Bits(mean=2.0, images_error=0.01, draws_error=0.0, bound=1.9)
        >>> better(own, "log2 17", 4.09, margin=1.5).holds
        True
    """
    error = math.hypot(own.images_error, own.draws_error)
    return Statement(
        f"at least {margin:g} bits per dimension better than {name}",
        f"{own.mean:.3f} ± {error:.3f} against {value:.3f}",
        holds=own.mean <= value - margin,
    )


def exactly(undone: Tensor, levels: Tensor) -> Statement:
    """Return whether every digit comes back from its latents.

    Args:
        undone: levels that came back.
        levels: those that went there.

    Example:
        >>> import torch
        >>> exactly(torch.ones(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)).measured
        '128 of 128 are wrong'
    """
    wrong = int((undone != levels).sum())
    text = f"every level of {len(levels)} test digits comes back from the latents"
    return Statement(text, f"{wrong} of {levels.numel()} are wrong", holds=wrong == 0)


def inside(samples: Tensor) -> Statement:
    """Return whether the density wastes little outside of the levels.

    Args:
        samples: pixels, in [0, 1) where they stand for levels.

    Example:
        >>> import torch
        >>> inside(torch.tensor([0.5, 1.5])).holds
        False
    """
    share = float(((samples < 0) | (samples >= 1)).double().mean())
    text = "at most 2 % of the pixels of samples lie outside of [0, 1)"
    return Statement(text, f"{share:.2%}", holds=share <= 0.02)


def alike(images: Images) -> Statement:
    """Return whether the average sample looks like the average digit.

    Args:
        images: samples and test digits.

    Example:
        >>> import torch
        >>> alike(Images(*torch.zeros(4, 5, 1, 8, 8))).measured
        '0.00 levels'
    """
    sample, digit = (x.double().mean(dim=0) for x in (images.drawn, images.test))
    error = float((sample - digit).abs().mean())
    text = "the mean sample is the mean test digit up to one level of 16, on average over pixels"
    return Statement(text, f"{error:.2f} levels", holds=error <= 1)


def no_copies(far: Tensor, test_far: Tensor) -> Statement:
    """Return whether samples are as far from the training digits as digits are from each other.

    Args:
        far: distances of samples to the nearest training digit.
        test_far: the same of test digits.

    Example:
        >>> import torch
        >>> no_copies(torch.zeros(3), torch.ones(3)).holds
        False
    """
    here, there = float(far.median()), float(test_far.median())
    return Statement(
        "samples are no copies: no nearer to the training digits than test digits are",
        f"median distance {here:.1f} levels against {there:.1f}; smallest {float(far.min()):.1f}",
        holds=here >= there and float(far.min()) > 0,
    )
