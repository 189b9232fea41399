"""A folder of what people hand to a program: damaged runs, odd pictures, things that are none."""

import json
import os
import shutil
import struct

import numpy as np
import tifffile
import torch
from PIL import Image
from safetensors.torch import save, save_file

from darboux.data import Picture
from darboux.training import DenoiseConfig, build_network, load_tensors, save_tensors

CONFIG = DenoiseConfig(features=8, units=8, depth=2)
ABOUT = {"network": "model", "steps": CONFIG.steps, "seconds": 1.0}


def build(zoo):
    """Fill the folder; names are told in the tables below."""
    _run(zoo / "run")
    for name, config in _configs().items():
        _copy(zoo, f"config-{name}")
        (zoo / f"config-{name}" / "config.json").write_bytes(config)
    for name, change in WEIGHTS.items():
        _copy(zoo, f"weights-{name}")
        change(zoo / f"weights-{name}" / "model.safetensors")
    for name, make in FILES.items():
        make(zoo / name)
    for folder, images in FOLDERS.items():
        (zoo / folder).mkdir()
        for image in images:
            shutil.copy2(zoo / image, zoo / folder / image, follow_symlinks=False)
    (zoo / "secret.png").chmod(0)
    (zoo / "locked").chmod(0o500)


def _run(folder):
    folder.mkdir()
    CONFIG.save(folder / "config.json")
    network = build_network("model", CONFIG)
    save_tensors(folder / "model.safetensors", network.state_dict(), ABOUT)


def _copy(zoo, name):
    shutil.copytree(zoo / "run", zoo / name)


# --- config.json ------------------------------------------------------------------------------

CHANGED = {
    "string": {"depth": "2"},
    "fraction": {"depth": 2.5},
    "negative": {"depth": -1},
    "zero": {"depth": 0},
    "huge": {"depth": 10**9},
    "wide": {"features": 10**6, "units": 10**6},
    "null": {"depth": None},
    "list": {"depth": [2]},
    "bool": {"depth": True},
    "nan": {"sigma": float("nan")},
    "infinite": {"sigma": float("inf")},
    "beyond-floats": {"sigma": 10**400},
    "seed": {"seed": 2**70},
    "loss": {"loss": "evil"},
    "metric": {"metric": 1},
    "channels": {"channels": 2},
    "task": {"task": "evil"},
    "unknown": {"evil": 1},
    "images": {"images": 7},
}


def _configs():
    good = CONFIG.to_dict()
    texts = {name: json.dumps({**good, **change}) for name, change in CHANGED.items()}
    texts |= {"empty": "", "garbage": "\0\1\2", "array": "[]", "nothing": "null", "word": "evil"}
    texts |= {"cut": json.dumps(good)[:40], "deep": "[" * 10**5, "lacking": '{"task": "denoise"}'}
    found = {name: text.encode() for name, text in texts.items()}
    return found | {"utf16": json.dumps(good).encode("utf-16"), "bytes": b"\xff\xfe\xfd"}


CONFIGS = [*CHANGED, "empty", "garbage", "array", "nothing", "word", "cut", "deep", "lacking"]
CONFIGS += ["utf16", "bytes"]


# --- model.safetensors ------------------------------------------------------------------------


def _tensors(edit):
    def change(path):
        tensors, about = load_tensors(path)
        name = next(iter(tensors))
        edit(tensors, name)
        save_tensors(path, tensors, about)

    return change


def _bytes(edit):
    def change(path):
        path.write_bytes(edit(path.read_bytes()))

    return change


def _metadata(metadata):
    def change(path):
        path.write_bytes(save(load_tensors(path)[0], metadata))

    return change


def _about(**changes):
    about = {name: value for name, value in {**ABOUT, **changes}.items() if value is not ...}
    return _metadata({"darboux": json.dumps(about)})


def _replace(make):
    def change(path):
        path.unlink()
        make(path)

    return change


WEIGHTS = {
    "empty": _bytes(lambda b: b""),
    "short": _bytes(lambda b: b[:5]),
    "cut": _bytes(lambda b: b[:-10]),
    "longer": _bytes(lambda b: b + b"evil"),
    "garbage": _bytes(lambda b: os.urandom(300)),
    "header": _bytes(lambda b: b"\xff" * 8 + b[8:]),
    "json": _bytes(lambda b: b[:8] + b"{" * 20 + b[28:]),
    "pickle": _bytes(lambda b: b"\x80\x04cos\nsystem\n."),
    "shape": _tensors(lambda t, n: t.update({n: torch.zeros(3)})),
    "lacking": _tensors(lambda t, n: t.pop(n)),
    "unknown": _tensors(lambda t, n: t.update(evil=torch.zeros(1))),
    "none": _tensors(lambda t, n: t.clear()),
    "nan": _tensors(lambda t, n: t.update({n: t[n] * torch.nan})),
    "infinite": _tensors(lambda t, n: t.update({n: t[n] / 0})),
    "integers": _tensors(lambda t, n: t.update({n: t[n].to(torch.int8)})),
    "booleans": _tensors(lambda t, n: t.update({n: t[n] > 0})),
    "complex": _tensors(lambda t, n: t.update({n: t[n].to(torch.complex64)})),
    "foreign": _metadata({}),
    "about": _metadata({"darboux": "evil"}),
    "about-list": _metadata({"darboux": "[]"}),
    "network": _about(network=...),
    "seconds": _about(seconds="x"),
    "folder": _replace(lambda path: path.mkdir()),
    "dangling": _replace(lambda path: path.symlink_to("nowhere")),
    "loop": _replace(lambda path: path.symlink_to(path.name)),
    "device": _replace(lambda path: path.symlink_to("/dev/zero")),
    "fifo": _replace(os.mkfifo),
}


# --- pictures, and what is none ---------------------------------------------------------------


def _png(width, height, bits=8):
    """Return the header of a picture that would be large, and little else."""
    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + bytes(40)


def _grey(*shape):
    return lambda path: Picture(torch.linspace(0, 1, shape[0] * shape[1]).view(1, *shape)).save(
        path
    )


def _cut(path):
    _grey(40, 40)(path)
    path.write_bytes(path.read_bytes()[:60])


def _tiff(array, **options):
    return lambda path: tifffile.imwrite(path, array, **options)


def _pillow(mode, **options):
    return lambda path: Image.new(mode, (9, 9)).save(path, **options)


def _animation(path):
    frames = [Image.new("L", (9, 9), grey) for grey in (0, 99)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def _plain(content):
    return lambda path: path.write_bytes(content)


FILES = {
    "good.png": _grey(20, 24),
    "other.png": _grey(21, 22),
    "tiny.png": _grey(1, 1),
    "empty.png": _plain(b""),
    "text.png": _plain(b"evil"),
    "page.png": _plain(b"<html><script>alert(1)</script></html>"),
    "noise.png": lambda path: path.write_bytes(os.urandom(500)),
    "cut.png": _cut,
    "zero.png": _plain(_png(0, 0)),
    "bomb.png": _plain(_png(10**9, 10**9)),
    "wide.png": _plain(_png(2**31 - 1, 1)),
    "deep.png": _plain(_png(99, 99, 16)),
    "bits.png": _plain(_png(9, 9, 77)),
    "cut.jpg": _plain(b"\xff\xd8\xff\xe0"),
    "cmyk.jpg": _pillow("CMYK"),
    "lab.tif": _pillow("LAB"),
    "gif.png": _pillow("P", format="GIF"),
    "moving.webp": _animation,
    "cut.tif": _plain(b"II*\0\x08\0\0\0"),
    "loop.tif": _plain(b"II*\0\x08\0\0\0\0\0\x08\0\0\0"),
    "nan.tif": _tiff(np.full((9, 9), np.nan, np.float32)),
    "infinite.tif": _tiff(np.full((9, 9), np.inf, np.float32)),
    "stack.tif": _tiff(np.zeros((5, 9, 9), np.uint8)),
    "complex.tif": _tiff(np.zeros((9, 9), np.complex64)),
    "signed.tif": _tiff(np.zeros((9, 9), np.int16)),
    "long.tif": _tiff(np.full((9, 9), 2**31, np.uint32)),
    "big.tif": _tiff(np.full((9, 9), 1e30, np.float32)),
    "cut.ppm": _plain(b"P6 9 9 255\n"),
    "huge.pgm": _plain(b"P5 999999999 999999999 255\n"),
    "words.pgm": _plain(b"P2 a b c\n"),
    "cut.bmp": _plain(b"BM"),
    "cut.webp": _plain(b"RIFF\0\0\0\0WEBP"),
    "dangling.png": lambda path: path.symlink_to("nowhere.png"),
    "loop.png": lambda path: path.symlink_to(path.name),
    "device.png": lambda path: path.symlink_to("/dev/zero"),
    "memory.png": lambda path: path.symlink_to("/proc/self/mem"),
    "fifo.png": os.mkfifo,
    "secret.png": _grey(9, 9),
    "notes.txt": _plain(b"precious"),
    "tensors.safetensors": lambda path: save_file({"w": torch.ones(1)}, path),
}

PICTURES = ("good.png", "other.png", "tiny.png", "secret.png")

NO_PICTURES = [
    *(name for name in FILES if name not in PICTURES),
    *(
        "nowhere.png",
        "good.png/below.png",
        "n" * 300 + ".png",
        "a\0b.png",
        "ü 名\n.png",
        "\x1b[2J.png",
    ),
]

FOLDERS = {
    "pictures": ["good.png", "other.png"],
    "damaged": ["good.png", "cut.png"],
    "small": ["good.png", "tiny.png"],
    "texts": ["notes.txt"],
    "links": ["dangling.png"],
    "nothing": [],
    "locked": [],
}
