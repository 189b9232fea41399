"""Data to learn from: photographs, folders of images, noisy patches; scans, digits, half-moons.

Images are float32 tensors (channels, H, W) with values in [0, 1]; several of them are a
dictionary from name to image, because their sizes differ. Noise has its standard deviation
σ in the same units, so what the literature calls "σ = 25" is 25/255 here.
"""

from darboux._workshop import require as _require

_require("darboux.data", "PIL", "tifffile")

from darboux.data._bundled import DIGIT_LEVELS, HELD_OUT, TRAINING, digits, photographs
from darboux.data._folder import image_folder
from darboux.data._idx import idx_images
from darboux.data._patches import Patches, noisy
from darboux.data._pictures import Picture, grey
from darboux.data._scans import brain_slice, shepp_logan
from darboux.data._synthetic import ellipsoids, half_moons

__all__ = [
    "DIGIT_LEVELS",
    "HELD_OUT",
    "TRAINING",
    "Patches",
    "Picture",
    "brain_slice",
    "digits",
    "ellipsoids",
    "grey",
    "half_moons",
    "idx_images",
    "image_folder",
    "noisy",
    "photographs",
    "shepp_logan",
]
