"""Density of the handwritten digits in bits per dimension, with samples."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from darboux.data import DIGIT_LEVELS, digits
from darboux.density import NormalizingFlow, dequantize, quantize
from reproductions.common.result import Result
from reproductions.common.sizes import parameter_count
from reproductions.digits_density.measures import (
    Bits,
    bits_of,
    gaussian_bits,
    independent_bits,
    nearest,
)
from reproductions.digits_density.pictures import SHOWN, draw_digits, draw_training
from reproductions.digits_density.statements import (
    Images,
    Size,
    alike,
    better,
    exactly,
    inside,
    no_copies,
)
from reproductions.digits_density.training import Learned, Schedule, learned

_TRIVIAL = math.log2(DIGIT_LEVELS)
_SAMPLES = 500
_LEAD = (
    "A multi-scale flow of spline couplings learns the density of scikit-learn's digits, 8 x 8 "
    "pixels with 17 levels, from {training} images that are dequantised anew in every step; "
    "{validation} further ones choose when to stop, and {test} others judge. Dropout of 0.2 and "
    "weight decay of 1e-4 hold it back from learning them by heart. Bits per dimension "
    "are an upper bound of what the best code for the density takes, since noise fills the "
    "levels. A density that knows nothing takes log2 17 = {trivial:.2f}."
)


_FULL = Size(
    Schedule(couplings=4, hidden=48, rounds=50, steps=80, rate=2e-3, patience=8),
    margin=2.1,
    pixels=0.5,
)
_QUICK = Size(
    Schedule(couplings=3, hidden=24, rounds=8, steps=25, rate=5e-3, patience=8),
    margin=1.8,
    pixels=0.3,
)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Train a flow of the digits, and measure bits per dimension beside simple densities.

    Source: section 4.2.3; Alpaydin and Kaynak 1998 for the digits.
    """
    size = _QUICK if quick else _FULL
    training, validation, test = digits("training"), digits("validation"), digits("test")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = learned(size.schedule, training, validation)
        images = Images(training, validation, test, found.flow().sample((_SAMPLES,)))
        own, fit = bits_of(found.flow, images.test), bits_of(found.flow, images.training)
        normal = gaussian_bits(images.training, images.test)
        undone = _undone(found.flow, images.test)
    pixels = independent_bits(images.training, images.test)
    far, which = nearest(images.drawn, images.training)
    test_far, _ = nearest(images.test, images.training)
    references = {"independent pixels": pixels, "normal law": normal, "test images": own.mean}
    distances = {"test digits": test_far, "samples": far}
    return Result(
        title="Density of the digits",
        lead=_lead(images),
        numbers={
            **_numbers(own, fit, found),
            "bits per dimension, independent pixels": pixels,
            "bits per dimension, normal law": normal,
            "bits per dimension, log2 17": _TRIVIAL,
            "median distance of test digits to the training digits": float(test_far.median()),
            "median distance of samples to the training digits": float(far.median()),
        },
        costs={"processor seconds of training": found.seconds},
        statements=[
            better(own, "log2 17", _TRIVIAL, margin=size.margin),
            better(own, "independent pixels", pixels, margin=size.pixels),
            better(own, "a normal law", normal, margin=size.pixels),
            exactly(undone, images.test),
            inside(images.samples),
            alike(images),
            no_copies(far, test_far),
        ],
        figures={
            draw_digits(
                images.test, images.drawn, images.training[which], out / "digits.png"
            ): f"The first {SHOWN} test digits; the first {SHOWN} samples, none left out; and "
            "the training digit that is nearest to each of them.",
            draw_training(found, references, distances, out / "training.png"): (
                "Bits per dimension over the training, with the round that was chosen; and how "
                "far samples and test digits are from the training digits."
            ),
        },
    )


def _lead(images: Images) -> str:
    """Return what is shown."""
    return _LEAD.format(
        training=len(images.training),
        validation=len(images.validation),
        test=len(images.test),
        trivial=_TRIVIAL,
    )


def _undone(flow: NormalizingFlow, levels: Tensor) -> Tensor:
    """Return the levels that come back from the latents."""
    with torch.no_grad():
        z, _ = flow.bijection.forward_and_log_det(dequantize(levels, DIGIT_LEVELS))
        return quantize(flow.bijection.inverse_and_log_det(z)[0], DIGIT_LEVELS)


def _numbers(own: Bits, fit: Bits, found: Learned) -> dict[str, float]:
    """Return what was measured of the flow."""
    return {
        "bits per dimension, test images": own.mean,
        "standard error, choice of the images": own.images_error,
        "standard error, dequantisation": own.draws_error,
        "bits per dimension, test images, mean of dequantisations inside the log": own.bound,
        "bits per dimension, training images": fit.mean,
        "bits per dimension, validation images": min(found.validation),
        "steps": len(found.validation) * found.steps,
        "steps that were chosen": found.best,
        "parameters": parameter_count(found.flow),
    }
