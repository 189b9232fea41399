"""Data to learn from: photographs, folders of images, random noisy patches; digits, half-moons.

Images are float32 tensors (channels, H, W) with values in [0, 1]; several of them are a
dictionary from name to image, because their sizes differ. Noise has its standard deviation
σ in the same units, so what the literature calls "σ = 25" is 25/255 here.
"""

from darboux.data.digits import DIGIT_LEVELS, digits
from darboux.data.ellipsoids import ellipsoids
from darboux.data.folder import image_folder
from darboux.data.half_moons import half_moons
from darboux.data.idx import idx_images
from darboux.data.noise import noisy
from darboux.data.patches import Patches
from darboux.data.photographs import HELD_OUT, TRAINING, photographs
from darboux.data.picture import Picture, grey

__all__ = [
    "DIGIT_LEVELS",
    "HELD_OUT",
    "TRAINING",
    "Patches",
    "Picture",
    "digits",
    "ellipsoids",
    "grey",
    "half_moons",
    "idx_images",
    "image_folder",
    "noisy",
    "photographs",
]
