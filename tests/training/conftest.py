"""Small images, small settings, one run of them, and a certificate that takes no time."""

from dataclasses import replace

import pytest
import torch

from darboux.data import Picture
from darboux.training import DenoiseConfig, train_denoiser

SMALL = DenoiseConfig(
    steps=6,
    batch=4,
    patch=8,
    eval_every=2,
    features=8,
    units=8,
    depth=2,
    seed=5,
)


class Verdict:
    """Stands in for a certificate where the certificate is not what is tested."""

    def __init__(self):
        self.verdict = "holds"

    def to_json(self):
        return "{}"

    def to_html(self):
        return "<p>verdict</p>"


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Folders of small training and held-out images."""
    generator = torch.Generator().manual_seed(1)
    made = {}
    for name, count in (("training", 3), ("held-out", 2)):
        made[name] = tmp_path_factory.mktemp(name)
        for k in range(count):
            coarse = torch.rand(1, 1, 5, 6, generator=generator)
            smooth = torch.nn.functional.interpolate(coarse, (20 + k, 28), mode="bicubic")
            Picture(smooth[0].clamp(0, 1)).save(made[name] / f"{k} <i>&.png")
    return made


@pytest.fixture(scope="session")
def small(folders):
    """Settings of a run of a few steps on the small images."""
    images, held_out = str(folders["training"]), str(folders["held-out"])
    return replace(SMALL, images=images, held_out=held_out)


@pytest.fixture(scope="session")
def reference(small, tmp_path_factory):
    """An uninterrupted run, certified at once: its folder, and what it returned."""
    out = tmp_path_factory.mktemp("reference") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("darboux.training._run.certify_denoiser", lambda *a, **k: Verdict())
        return out, train_denoiser(small, out)


@pytest.fixture
def quick(monkeypatch):
    """Replace certification and curves, which have their own tests and take seconds."""
    verdict = Verdict()
    monkeypatch.setattr("darboux.training._run.certify_denoiser", lambda *a, **k: verdict)
    monkeypatch.setattr("darboux.training._report.curves_svg", lambda *a, **k: ("", ""))
    return verdict


@pytest.fixture(scope="session")
def command_line():
    """A function that writes settings as arguments of the command line."""

    def arguments(config, out):
        values = {k: v for k, v in config.to_dict().items() if k not in ("task", "twin")}
        values["sigma"] = 255 * values["sigma"]
        options = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
        return ["train", "denoise", f"--out={out}", *options]

    return arguments
