"""The page of ``make demo``: reconstructions with the networks of a denoising run."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import nn

from darboux.training import DenoiseConfig, RunFolder, build_network
from reproductions.common.report import to_html
from reproductions.common.result import Result
from reproductions.image_reconstruction import compared
from reproductions.image_reconstruction.data import unseen_images
from reproductions.image_reconstruction.methods import AVERAGED, FREE, WEAKLY, minimised, priors
from reproductions.image_reconstruction.problems import problems
from reproductions.image_reconstruction.theory import CT30, SHOWN
from reproductions.image_reconstruction.training import Setting

PAGE = "reconstruction.html"
_FOURIER = "Fourier, 1/4 of the lines"
_WEIGHT = 0.005  # what tuning finds
_SETTING = Setting(
    side=96,
    measured=64,
    denoising=0,  # the run has done it
    learning=0,
    iterations=100,
    long=300,
    problems=(CT30, _FOURIER),
    images=(SHOWN,),
)


def main(run: Path) -> int:
    """Write the page into the folder of the run, and return the exit code."""
    trained = networks(run)
    with TemporaryDirectory() as folder:
        result = compared(Path(folder), _SETTING, trained)
        page = to_html(result.title, {"image-reconstruction": result})
    (run / PAGE).write_text(page.replace("</body>", f"{_certificate()}</body>"), encoding="utf-8")
    sys.stdout.write(f"{_summary(result)}\nReport: {run / PAGE}\n")
    return 0 if result.holds else 1


def networks(run: Path) -> dict[str, nn.Module]:
    """Return the denoiser of a run and its twin."""
    folder = RunFolder(run)
    config = folder.load_config()
    assert isinstance(config, DenoiseConfig)
    found = {}
    for name, file in ((AVERAGED, "model"), (FREE, "twin")):
        found[name] = build_network(file, config)
        folder.load_weights(file, found[name])
        found[name].eval().requires_grad_(requires_grad=False)
    return found


def _certificate() -> str:
    """Return a section with the certificate of one reconstruction."""
    problem = problems(_SETTING.side)[_FOURIER]
    y = problem.data(unseen_images(_SETTING.side)[SHOWN], seed=3)
    made = minimised(priors()[WEAKLY], problem, y, _WEIGHT)
    head = f"<h2>The certificate of one reconstruction: {WEAKLY}, {problem.name}</h2>"
    return f'{head}<div class="scroll">{made.certificate.to_html()}</div>'


def _summary(result: Result) -> str:
    held = len(result.statements) - len(result.refuted)
    return f"{held} of {len(result.statements)} statements about reconstructions hold."


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
