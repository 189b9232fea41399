"""The options of ``darboux train denoise``: one type for each setting of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from darboux.cli._options import setting

_DATA, _TRAINING, _NETWORK = "Images and noise", "Training", "Network"

Images = Annotated[Path | None, setting("images", "Folder of training images.", panel=_DATA)]

HeldOut = Annotated[Path | None, setting("held_out", "Folder of images to judge by.", panel=_DATA)]

Sigma = Annotated[
    float | None,
    setting("sigma", "Standard deviation of the noise, on the scale 0 ... 255.", panel=_DATA),
]

Channels = Annotated[int | None, setting("channels", "1 for grey, 3 for colour.", panel=_DATA)]

Steps = Annotated[int | None, setting("steps", "Training steps of each network.", panel=_TRAINING)]

Batch = Annotated[
    int | None, setting("batch", "Patches per step, over all processes.", panel=_TRAINING)
]

Patch = Annotated[int | None, setting("patch", "Side of the patches in pixels.", panel=_TRAINING)]

Rate = Annotated[float | None, setting("lr", "Highest learning rate.", panel=_TRAINING)]

TwinRate = Annotated[float | None, setting("twin_lr", "The same for the twin.", panel=_TRAINING)]

Loss = Annotated[str | None, setting("loss", "mse, l1 or charbonnier.", panel=_TRAINING)]

Seed = Annotated[
    int | None, setting("seed", "Of the weights, the patches and their noise.", panel=_TRAINING)
]

EvalEvery = Annotated[
    int | None, setting("eval_every", "Steps between evaluations (checkpoints).", panel=_TRAINING)
]

Twin = Annotated[
    bool | None, setting("twin", "Train the network without its structure, too.", panel=_TRAINING)
]

Features = Annotated[
    int | None, setting("features", "Channels of the feature space.", panel=_NETWORK)
]

Units = Annotated[int | None, setting("units", "Channels inside each step.", panel=_NETWORK)]

Depth = Annotated[int | None, setting("depth", "Number of gradient steps.", panel=_NETWORK)]

Shuffle = Annotated[
    int | None, setting("shuffle", "Side of the blocks that become channels.", panel=_NETWORK)
]

KernelSize = Annotated[int | None, setting("kernel_size", "Side of the kernels.", panel=_NETWORK)]

Threshold = Annotated[
    float | None, setting("threshold", "Initial thresholds of the clips.", panel=_NETWORK)
]

Fraction = Annotated[
    float | None, setting("fraction", "Share of the longest contractive step.", panel=_NETWORK)
]

Metric = Annotated[
    str | None, setting("metric", "How steps are bounded: rows or norm.", panel=_NETWORK)
]
