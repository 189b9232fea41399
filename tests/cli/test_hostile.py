"""Whatever is typed: no traceback, exit code 2, one line that says why, and nothing lost."""

import os
import subprocess
import sys

import pytest

from tests.cli import zoo as made

TRAIN = ("train", "denoise", "--out", "@new", "--images", "@pictures", "--held-out", "@pictures")
DENOISE = ("denoise", "@run", "@good.png", "--out", "@new.png")
CERTIFY = ("certify", "@run")

NO_NUMBER = ["", "x", "nan", "1,5", "--", "\x1b[2J", "9" * 5000]
NO_COUNT = [*NO_NUMBER, "1.5", "1e3", "inf", "-1", "0", "9" * 30, str(2**64)]
NO_SIZE = [*NO_NUMBER, "inf", "-inf", "-1", "0", "1e400", "-1e-300"]

COUNTS = ("batch", "patch", "features", "units", "depth", "shuffle", "kernel-size")
UNBOUNDED = ("steps", "eval-every")  # a long training is no mistake
SIZES = ("sigma", "lr", "twin-lr", "threshold", "fraction")

NO_FOLDER = [
    *("@nowhere", "@notes.txt", "@good.png/below", "@nothing", "@texts", "@links", "@damaged"),
    *("@loop.png", "@device.png", "@fifo.png", "@" + "n" * 300, "@a\0b", "@\x1b[2J", ""),
]
# Where nothing can be written, by nobody.
NO_PLACE = [
    "@notes.txt/below/x",
    "@" + "n" * 300 + "/x",
    "@a\0b/x",
    "/proc/nowhere/x",
    "@loop.png/x",
]


def cases():
    """Yield command lines, all of them refused; "@" stands for the folder of odd things."""
    yield from (("evil",), ("--evil",), ("-x",), ("",), ("train", "evil"), ("train", "--evil"))
    yield from (("train", "denoise", "--evil"), ("train", "denoise", "extra"), ("--version=x",))
    yield from (("denoise",), ("denoise", "@run"), ("denoise", "@run", "@good.png"), ("certify",))
    yield from ((*DENOISE, "extra"), (*CERTIFY, "extra"), (*DENOISE, "--evil"), ("certify", "-x"))
    yield from ((*TRAIN, flag) for flag in ("--out", "--images", "--steps", "--loss", "--threads"))
    yield from (("\x1b[2J",), ("tràin",), ("train", "\0"), ("certify", "--effort"), ("Train",))
    yield from _trainings()
    yield from _runs()
    yield from _denoising()
    yield from _certifying()
    yield from _forbidden()


def _trainings():
    for name in COUNTS:
        yield from ((*TRAIN, f"--{name}", value) for value in NO_COUNT)
    for name in UNBOUNDED:
        yield from ((*TRAIN, f"--{name}", value) for value in NO_COUNT[:-2])
    for name in SIZES:
        yield from ((*TRAIN, f"--{name}", value) for value in NO_SIZE)
    yield from ((*TRAIN, "--warmup", value) for value in (*NO_NUMBER, "1", "-0.1", "inf"))
    seeds = (*NO_NUMBER, "1.5", "-1", str(2**31), str(2**32), str(2**63), str(2**64), "9" * 400)
    yield from ((*TRAIN, "--seed", value) for value in seeds)
    yield from ((*TRAIN, "--threads", value) for value in (*NO_COUNT, "100000"))
    yield from ((*TRAIN, "--channels", value) for value in ("0", "2", "4", "-1", "x", "1.0"))
    for name in ("loss", "metric", "effort"):
        yield from ((*TRAIN, f"--{name}", value) for value in ("", "evil", "MSE", "\0", "0"))
    for name in ("images", "held-out"):
        yield from ((*TRAIN, f"--{name}", value) for value in NO_FOLDER)
    yield from ((*TRAIN, "--held-out", "@small"), (*TRAIN, "--images", "@small"))
    yield from ((*TRAIN, "--twin=x"), (*TRAIN, "--resume=x"), (*TRAIN, "--no-resume"))
    yield from (
        (*TRAIN, "--patch", "22"),
        (*TRAIN, "--kernel-size", "4"),
        (*TRAIN, "--shuffle", "7"),
    )
    for place in ("@run", "@pictures", "@texts", "@notes.txt", "@loop.png", "@fifo.png", *NO_PLACE):
        yield (*TRAIN, "--out", place)
    for name in made.CONFIGS:
        yield (*TRAIN, "--out", f"@config-{name}", "--resume")
    yield (*TRAIN, "--out", "@run", "--resume", "--depth", "3")


def _runs():
    runs = [
        "nowhere",
        "notes.txt",
        "nothing",
        "pictures",
        "good.png/x",
        "loop.png",
        "a\0b",
        "n" * 300,
    ]
    runs += [f"config-{name}" for name in made.CONFIGS]
    runs += [f"weights-{name}" for name in made.WEIGHTS]
    for run in runs:
        yield ("denoise", f"@{run}", "@good.png", "--out", "@new.png")
        yield ("certify", f"@{run}", "--effort", "quick")


def _denoising():
    for name in made.NO_PICTURES:
        yield ("denoise", "@run", f"@{name}", "--out", "@new.png")
    yield from (("denoise", "@run", f"@{name}", "--out", "@new") for name in ("texts", "nothing"))
    yield from ((*DENOISE, "--noise", value) for value in (*NO_SIZE, "1e300", "1e40", "-0.0"))
    wrong = ("0 0", "1 0", "nan 1", "0 nan", "0 inf", "-inf 0", "x 1", "1", "0 1e300", "-1e30 1e30")
    yield from ((*DENOISE, "--levels", *value.split()) for value in wrong)
    names = (
        "new",
        "new.xyz",
        "new.gif",
        "new.pdf",
        ".png",
        "new.png.",
        "n" * 300 + ".png",
        "a\0.png",
    )
    for name in (*names, "notes.txt", "good.png", "other.png", "run/model.safetensors"):
        yield ("denoise", "@run", "@good.png", "--out", f"@{name}")
    for place in NO_PLACE:
        yield ("denoise", "@run", "@good.png", "--out", f"{place}.png")
    yield ("denoise", "@run", "@good.png", "--out", "@good.png", "--overwrite")
    yield ("denoise", "@run", "@good.png", "--out", "@run/model.safetensors", "--overwrite")
    yield ("denoise", "@run", "@pictures", "--out", "@pictures", "--overwrite")
    yield ("denoise", "@run", "@pictures", "--out", "@notes.txt", "--overwrite")


def _forbidden():
    """What may not be read or written, where that holds for us."""
    if os.geteuid() != 0:
        yield ("denoise", "@run", "@secret.png", "--out", "@new.png")
        yield ("denoise", "@run", "@good.png", "--out", "@locked/new.png")
        yield (*CERTIFY, "--json", "@locked/new.json")
        yield (*TRAIN, "--out", "@locked/new")


def _certifying():
    yield from ((*CERTIFY, "--effort", value) for value in ("", "heroic", "QUICK", "\0", "1"))
    for flag in ("--json", "--html"):
        yield from ((*CERTIFY, flag, place) for place in NO_PLACE)
        yield from ((*CERTIFY, flag, f"@{place}") for place in ("run", "nothing", "a\0b"))
        yield from (
            (*CERTIFY, flag, f"@run/{name}") for name in ("config.json", "model.safetensors")
        )


CASES = list(dict.fromkeys(cases()))


def name_of(case):
    short = (word if len(word) < 30 else f"{word[:12]}...{len(word)}" for word in case)
    return " ".join(short).replace("@", "").encode("unicode_escape").decode()


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    made.build(folder)
    return folder


def everything(folder):
    """Return every file, with its size and when it was written."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            state = os.lstat(os.path.join(place, name))
            found[place, name] = state.st_size, state.st_mtime_ns
    return found


def test_there_are_enough():
    assert len(CASES) >= 365


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_hostile_command_line_is_refused_in_one_line(refused, zoo, case):
    before = everything(zoo)
    words = [f"{zoo}/{word[1:]}" if word.startswith("@") else word for word in case]
    error = refused(*words)
    assert "Traceback" not in error
    assert error.rstrip("\n").isprintable()
    assert everything(zoo) == before


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in CASES if "\0" not in "".join(c)][7::60], ids=name_of)
def test_so_it_is_for_the_program_itself(zoo, case):
    before = everything(zoo)
    words = [f"{zoo}/{word[1:]}" if word.startswith("@") else word for word in case]
    command = [sys.executable, "-m", "darboux", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert everything(zoo) == before
