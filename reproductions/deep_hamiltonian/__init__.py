"""A trained Hamiltonian network of 1000 layers: nothing explodes and no gradient vanishes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from reproductions.common.result import Result, Statement
from reproductions.deep_hamiltonian.networks import accuracy_of
from reproductions.deep_hamiltonian.pictures import draw_classes, draw_sensitivity
from reproductions.deep_hamiltonian.sensitivity import Sensitivity, sensitivity
from reproductions.deep_hamiltonian.training import (
    FEATURES,
    HORIZON,
    Size,
    Trained,
    gradient_norms,
    trained_network,
)

_EPS = torch.finfo(torch.float64).eps
_SAMPLES = 8
_PLAIN = ("nn.Linear's weights", "Glorot's weights")
_LEAD = (
    "A Hamiltonian network learns the swiss roll with few layers, is prolonged to many at the "
    "same T and trained on. Each layer is symplectic, so the norm of every Jacobian ∂z_K/∂z_k is "
    "at least 1: gradients do not vanish, however deep the network. In a plain network they do."
)


_FULL = Size(coarse=20, times=50, steps=600, more=10, accuracy=0.95)
_QUICK = Size(coarse=16, times=4, steps=250, more=5, accuracy=0.7)


def run(out: Path, *, quick: bool, seed: int = 0) -> Result:
    """Train, prolong, train on, and measure ‖∂z_K/∂z_k‖ for every k.

    Source: section 2.1.2; Haber and Ruthotto 2017; Chang et al. 2018.
    """
    size = _QUICK if quick else _FULL
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trained = trained_network(size)
        plain = {name: plain_layers(size.layers, name=name) for name in _PLAIN}
    data, points = trained.held_out, trained.held_out.lifted(FEATURES)
    samples = points[:: len(points) // _SAMPLES][:_SAMPLES]
    found = sensitivity([layer for _, layer in trained.deep.flow.maps()], samples)
    others = {name: sensitivity(layers, samples) for name, layers in plain.items()}
    return Result(
        title=f"A Hamiltonian network of {size.layers} layers",
        lead=_LEAD,
        numbers={**_numbers(trained, size), **_norms(found, others)},
        statements=[
            _finite(trained),
            *_symplectic(found),
            _trains(trained),
            _learned(trained, size.accuracy),
            _vanishes(_PLAIN[0], others[_PLAIN[0]]),
        ],
        figures={
            draw_sensitivity(found, others, out / "sensitivity.png"): (
                "‖∂z_K/∂z_k‖ over the layer k: all samples of the Hamiltonian network (left), and "
                "beside plain tanh networks of the same depth (right)."
            ),
            draw_classes(trained.deep, data, trained.losses, trained.more, out / "classes.png"): (
                "The learned classes with the held-out points, and the training loss; the "
                "prolonged network goes on where the coarse one ended."
            ),
        },
    )


def _numbers(trained: Trained, size: Size) -> dict[str, float]:
    """Return what training came to."""
    coarse = accuracy_of(trained.coarse, trained.held_out, FEATURES)
    slopes = gradient_norms(trained.deep, trained.data)
    return {
        "layers": size.layers,
        "T": HORIZON,
        f"held-out accuracy, {size.coarse} layers": coarse,
        f"held-out accuracy, prolonged to {size.layers} layers": trained.prolonged,
        "held-out accuracy, trained on": trained.accuracy(),
        f"training loss, {size.coarse} layers": trained.losses[-1],
        "training loss, prolonged": trained.more[0],
        "training loss, trained on": trained.loss(),
        "gradient norm, first layer": float(slopes[0]),
        "gradient norm, last layer": float(slopes[-1]),
    }


def _norms(found: Sensitivity, others: Mapping[str, Sensitivity]) -> dict[str, float]:
    """Return the sizes of Jacobians."""
    return {
        "smallest norm of a Jacobian": float(10 ** found.log_norms[:-1].min()),
        "largest norm of a Jacobian": float(10 ** found.log_norms.max()),
        **{f"log10 ‖∂z_K/∂z_0‖, {n}": float(s.log_norms[0].max()) for n, s in others.items()},
    }


def plain_layers(layers: int, *, name: str) -> list[nn.Module]:
    """Return the layers z' = tanh(Wz + b) of a plain network, in float64."""
    found: list[nn.Module] = []
    for _ in range(layers):
        linear = nn.Linear(FEATURES, FEATURES)
        if name == "Glorot's weights":
            nn.init.xavier_normal_(linear.weight)
            nn.init.zeros_(linear.bias)
        found.append(nn.Sequential(linear, nn.Tanh()).double())
    return found


def _finite(trained: Trained) -> Statement:
    """Return whether output and gradients are finite, and every layer gets a gradient."""
    slopes = gradient_norms(trained.deep, trained.data)
    with torch.no_grad():
        scores = trained.deep(trained.held_out.lifted(FEATURES))
    measured = (
        f"scores up to {float(scores.abs().max()):.3g}, gradients of layers from "
        f"{float(slopes.min()):.2g} to {float(slopes.max()):.2g}"
    )
    sure = bool(scores.isfinite().all()) and bool(slopes.isfinite().all()) and bool(slopes.all())
    return Statement("output and gradients are finite, in every layer", measured, holds=sure)


def _symplectic(found: Sensitivity) -> list[Statement]:
    """Return what symplecticity says of the Jacobians: D with DᵀJD = J has ‖D‖ >= 1."""
    layers = len(found.log_norms) - 1
    rounding = 16 * layers * FEATURES * _EPS
    least, defect = float(10 ** found.log_norms[:-1].min()), found.symplectic_defect()
    return [
        Statement(
            "‖∂z_K/∂z_k‖₂ >= 1 for every k < K",
            f"smallest {least:.8g}",
            holds=least >= 1 - rounding,
        ),
        Statement(
            "∂z_K/∂z_0 is symplectic",
            f"|DᵀJD - J| = {defect:.1e} ‖D‖²",
            holds=defect <= rounding,
        ),
    ]


def _trains(trained: Trained) -> Statement:
    first, last = trained.more[0], trained.loss()
    measured = f"loss {first:.4g} before, {last:.4g} after {len(trained.more)} steps"
    return Statement("training goes on at full depth", measured, holds=last < first)


def _learned(trained: Trained, least: float) -> Statement:
    text = f"held-out accuracy is above {100 * least:.0f} %"
    return Statement(text, f"{100 * trained.accuracy():.2f} %", holds=trained.accuracy() > least)


def _vanishes(name: str, found: Sensitivity) -> Statement:
    """Return whether the Jacobian of a plain network vanishes with its depth."""
    whole = float(found.log_norms[0].max())
    text = f"in a plain tanh network with {name} it vanishes"
    return Statement(text, f"‖∂z_K/∂z_0‖ = 10^{whole:.1f}", holds=whole < -8)
