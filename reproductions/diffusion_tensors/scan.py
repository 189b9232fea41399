"""The scan of a brain that comes with dipy: 10 × 10 × 10 voxels, 64 directions, b = 1000."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import torch

from reproductions.diffusion_tensors.acquisition import Scan

NAME = "small_64D"


def small_scan() -> Scan:
    """Return dipy's small_64D, a batch of one.

    Raises:
        ModuleNotFoundError: if dipy is not installed.
    """
    if find_spec("dipy") is None:
        msg = (
            "Expected dipy, whose scan small_64D diffusion-tensors reads; not installed. Use: "
            'pip install "darboux[diffusion]", or --quick, which simulates all of its data.'
        )
        raise ModuleNotFoundError(msg, name="dipy")
    from dipy.data import get_fnames
    from dipy.io.gradients import read_bvals_bvecs
    from dipy.io.image import load_nifti

    image, values, vectors = get_fnames(name=NAME)
    signals, _ = load_nifti(image)
    weights, directions = read_bvals_bvecs(str(values), str(vectors))
    return Scan(
        torch.from_numpy(np.asarray(signals, dtype=np.float32))[None],
        torch.from_numpy(directions[1:].astype(np.float32)),
        torch.from_numpy(weights[1:].astype(np.float32)) / 1000,  # s/mm² to ms/µm²
    )
