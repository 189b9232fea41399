"""One palette: its colours stay apart for every eye, and pictures use no others."""

import itertools
import re

import numpy as np
from matplotlib.colors import to_rgb

from darboux._palette import COLOURS, DASHES, MARKS, line, marked

# Machado, Oliveira and Fernandes 2009: what the three kinds of dichromats see, in linear RGB
SEEN = {
    "all cones": np.eye(3),
    "no red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = [
    [0.4124, 0.3576, 0.1805],
    [0.2126, 0.7152, 0.0722],
    [0.0193, 0.1192, 0.9505],
]
WHITE = np.array([0.9505, 1.0, 1.089])
OTHER = re.compile(
    r"#[0-9a-fA-F]{6}\b|\b(?:\w*colors?|c)=[\"'](?!none|white|black)\w+[\"']", re.ASCII
)


def lab(colour, matrix):
    """Return CIE L*a*b* of a colour as it is seen."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(np.clip(TO_XYZ @ np.clip(matrix @ linear, 0, 1) / WHITE, 1e-6, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_colours_stay_apart_for_every_eye():
    """Two colours 10 apart in L*a*b* are told apart at a glance."""
    for eye, matrix in SEEN.items():
        for first, second in itertools.combinations(COLOURS, 2):
            distance = np.linalg.norm(lab(first, matrix) - lab(second, matrix))
            assert distance > 10, f"{first} and {second}, {eye}: {distance:.1f}"


def test_curves_differ_without_colour():
    assert len(set(DASHES)) == len(set(MARKS)) == len(COLOURS) == 6
    assert marked(2) == {**line(2), "marker": MARKS[2], "markersize": 4}


def test_pictures_use_no_other_colours(sources):
    """Pages have style sheets of their own."""
    pages = {"reproductions/common/report.py"}
    wrong = [
        f"{name}: {match.group()}"
        for name, path in sources.items()
        if name.startswith("reproductions/") and name not in pages
        for match in OTHER.finditer(path.read_text(encoding="utf-8"))
    ]
    assert not wrong, f"take a colour of reproductions.common.figures: {wrong}"
