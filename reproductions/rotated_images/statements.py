"""The statements about classifiers of rotated digits and denoisers of rotated photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from darboux.certification import Certificate
from darboux.structure import Averaged, Equivariant
from reproductions.common.extremes import maximum, minimum
from reproductions.common.result import Statement
from reproductions.rotated_images.classifiers import BOTH, EQUIVARIANT, Judged
from reproductions.rotated_images.photographs import BOTH as JOINT
from reproductions.rotated_images.photographs import PLAIN, TURNS, Denoiser

Runs = Mapping[str, Sequence[Judged]]

_ROUNDING = 1e-4  # of logits, relative, in float32
_SAME = 1e-3  # dB


def quarter_turns(found: Runs) -> Statement:
    """Return whether quarter turns do not change what equivariant classifiers say."""
    runs = [*found[EQUIVARIANT], *found[BOTH]]
    wobble = maximum([0.0, *(run.wobble for run in runs)])
    equal = all(run.by_angle[a] == run.by_angle[0] for run in runs for a in (90, 180, 270))
    text = "digits: quarter turns change no answer of an equivariant classifier, in any run"
    measured = f"logits change by {wobble:.1e} of the largest, accuracy by nothing"
    if not equal:
        measured = f"logits change by {wobble:.1e} of the largest, and accuracy changes"
    return Statement(text, measured, holds=equal and wobble < _ROUNDING)


def ahead(found: Runs, first: str, second: str, points: float) -> Statement:
    """Return whether one classifier beats another at random angles in every run."""
    gaps = [a.random - b.random for a, b in zip(found[first], found[second], strict=True)]
    text = (
        f"digits turned at random: {first} is at least {points:g} points ahead of {second}, in "
        "every run"
    )
    measured = ", ".join(f"{gap:+.1f}" for gap in gaps) + " points"
    return Statement(text, measured, holds=bool(gaps) and minimum(gaps) >= points)


def same_psnr(found: Mapping[str, Denoiser]) -> Statement:
    """Return whether quarter turns change the PSNR of the equivariant denoiser by rounding only."""
    mine, other = (_spread(found[name]) for name in (JOINT, PLAIN))
    text = f"photographs: the PSNR of {JOINT} is the same for 0°, 90°, 180° and 270°"
    measured = f"spread {mine:.1e} dB; {PLAIN} {other:.1e} dB"
    return Statement(text, measured, holds=mine < _SAME)


def certified(certificate: Certificate) -> Statement:
    """Return whether one certificate shows both structures of the denoiser, and holds."""
    claims = [row.structure for row in certificate.rows if row.level == "claim"]
    both = all(any(isinstance(c, kind) for c in claims) for kind in (Averaged, Equivariant))
    text = f"photographs: one certificate shows that {JOINT} is both, and holds"
    refuted = len(certificate.refuted)
    measured = f"{len(certificate.rows)} claims and premises attacked, {refuted} refuted"
    return Statement(text, measured, holds=both and certificate.holds)


def _spread(denoiser: Denoiser) -> float:
    values = [denoiser.psnr[angle] for angle in TURNS]
    return maximum(values) - minimum(values)
