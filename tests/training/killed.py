"""Runs that are killed, that fill the disk, or that meet in one folder: a program for a test.

    python killed.py FOLDER CONFIG short|long

It trains the settings of CONFIG once undisturbed, then again and again in processes that end
early, and resumes each. It prints, as JSON, how many there were of each kind and what went wrong.
Processes are forked, so that PyTorch is imported once.
"""

import errno
import json
import os
import random
import signal
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from conftest import Verdict

from darboux.training import DenoiseConfig, MetricsLog, RunFolder, load_tensors, train_denoiser
from darboux.training import _run as run
from darboux.training._trainer import Trainer

GENUINE = {name: getattr(os, name) for name in ("write", "fsync", "replace", "unlink", "mkdir")}


def forked(action, said=os.devnull):
    """Return a new process that does something; what it raises goes to a file."""
    process = os.fork()
    if process:
        return process
    code = 0
    try:
        action()
    except BaseException as error:
        Path(said).write_text(f"{type(error).__name__}: {error}")
        code = 1
    os._exit(code)


def ended(process):
    """Return how a process ended: its code, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def result(out):
    """Return all that a run is to give again: weights, log, metrics, names of files."""
    folder = RunFolder(out)
    weights = [load_tensors(folder.weights(name))[0] for name in ("model", "twin")]
    lines = [line | {"seconds": 0} for line in MetricsLog(folder.log).lines()]
    metrics = json.loads(folder.metrics.read_text()) | {"seconds": 0}
    return weights, lines, metrics, sorted(os.listdir(out))


def differs(one, other):
    """Return what differs between two results; on one machine, not one bit may."""
    names = [
        name
        for mine, theirs in zip(one[0], other[0], strict=True)
        for name in mine
        if not torch.equal(mine[name], theirs[name])
    ]
    return names + [k for k in (1, 2, 3) if one[k] != other[k]]


def interrupted(limit, stop):
    """Make the calls that change files count down; the last one ends the process, half done."""
    count = iter(range(limit))

    def wrapped(name):
        def call(*args, **options):
            if next(count, None) is None:
                if name == "write":
                    GENUINE["write"](args[0], args[1][: len(args[1]) // 2])
                stop()
            value = GENUINE[name](*args, **options)
            if name == "replace" and next(count, None) is None:  # done, and not made durable
                stop()
            return value

        return call

    for name in GENUINE:
        setattr(os, name, wrapped(name))


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def full(room):
    """Make the disk take so many bytes more."""

    def write(handle, content):
        nonlocal room
        taken = min(room, len(content))
        if not taken and len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room -= taken
        return GENUINE["write"](handle, content[:taken])

    os.write = write


class Trials:
    """Runs that end early, and what came of them."""

    def __init__(self, folder, config):
        self.folder, self.config, self.number = folder, config, 0
        self.wrong, self.counts = [], {}
        self.out = self.fresh()
        train_denoiser(config, self.out)  # in this process: the forked ones need not import again
        self.expected = result(self.out)
        self.fresh()
        before = time.monotonic()
        assert ended(self.train()) == 0, (self.folder / "said").read_text()
        self.seconds = time.monotonic() - before

    def fresh(self):
        self.number += 1
        self.out = self.folder / str(self.number)
        return self.out

    def train(self, prepare=lambda: None, **options):
        def action():
            prepare()
            train_denoiser(options.pop("config", self.config), self.out, **options)

        return forked(action, options.pop("said", self.folder / "said"))

    def resumes(self, what, expected_code, code):
        """Note what is wrong about a run that ended so, and about its continuation."""
        kind, _, _ = what.partition(" ")
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if code not in expected_code:
            self.wrong.append(f"{what}: ended with {code}: {(self.folder / 'said').read_text()}")
        if ended(self.train(resume=True)) != 0:
            self.wrong.append(f"{what}: not resumed: {(self.folder / 'said').read_text()}")
        elif found := differs(self.expected, result(self.out)):
            self.wrong.append(f"{what}: other results: {found[:5]}")

    def kill_at(self, point):
        self.fresh()
        code = ended(self.train(lambda: interrupted(point, killed)))
        self.resumes(f"point {point}", (-signal.SIGKILL,), code)

    def kill_after(self, seconds):
        self.fresh()
        process = self.train()
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
        self.resumes(f"moment {seconds:.3f} s", (-signal.SIGKILL, 0), ended(process))

    def fill_after(self, room):
        self.fresh()
        code = ended(self.train(lambda: full(room)))
        said = (self.folder / "said").read_text()
        if "No space is left on the disk for" not in said or "--resume" not in said:
            self.wrong.append(f"disk {room}: {said}")
        if left := [name for name in os.listdir(self.out) if name.endswith(".part")]:
            self.wrong.append(f"disk {room}: left {left}")
        MetricsLog(self.out / "metrics.jsonl").lines()
        self.resumes(f"disk {room}", (1,), code)

    def both(self):
        """Two runs of other seeds into one folder; the first to come goes on undisturbed."""
        self.fresh()
        other, said = replace(self.config, seed=self.config.seed + 1), self.folder / "other"
        first = self.train(lambda: slowed(0.2))
        while not (self.out / "config.json").exists():
            time.sleep(0.01)
        for resume in (False, True):
            second = self.train(
                config=other if not resume else self.config, resume=resume, said=said
            )
            if ended(second) == 0:
                self.wrong.append("both: two runs wrote to one folder")
        holder = f"process {first} on {socket.gethostname()} holds"
        if "BlockingIOError" not in said.read_text() or holder not in said.read_text():
            self.wrong.append(f"both: {said.read_text()}")
        os.kill(first, signal.SIGKILL)
        self.resumes("both", (-signal.SIGKILL,), ended(first))

    def race(self):
        """Two runs begin in the same moment."""
        self.fresh()
        others = [self.train(said=self.folder / f"said{k}") for k in (0, 1)]
        codes = sorted(ended(process) for process in others)
        self.resumes("race", ([0, 1],), codes)


def slowed(seconds):
    """Make every training step take that many seconds more."""
    one_step = Trainer._one_step

    def step(trainer):
        time.sleep(seconds)
        return one_step(trainer)

    Trainer._one_step = step


def points(trials):
    """Return how many calls of a run change files."""
    trials.fresh()
    counted = trials.folder / "counted"

    def action():
        calls = []
        for name, genuine in GENUINE.items():

            def call(*args, name=name, genuine=genuine, **options):
                calls.extend([name] * (2 if name == "replace" else 1))
                return genuine(*args, **options)

            setattr(os, name, call)
        train_denoiser(trials.config, trials.out)
        counted.write_text(str(len(calls)))

    assert ended(forked(action)) == 0
    return int(counted.read_text())


def main(folder, config, length):
    torch.set_num_threads(1)
    run.certify_denoiser = lambda *args, **kwargs: Verdict()
    run.tune_total_variation = lambda images, *, sigma: 0.1
    trials = Trials(Path(folder), DenoiseConfig.load(config))
    count, generator = points(trials), random.Random(0)
    bytes_written = sum(file.stat().st_size for file in (trials.folder / "1").iterdir())
    short = length == "short"
    for point in (3, count // 3, count - 3) if short else range(count):
        trials.kill_at(point)
    for _ in range(1 if short else 20):
        trials.kill_after(generator.uniform(0.05, 1) * trials.seconds)
    for k in (5,) if short else range(14):
        trials.fill_after(k * bytes_written // 14)
    trials.both()
    for _ in range(0 if short else 10):
        trials.race()
    sys.stdout.write(json.dumps({"counts": trials.counts, "points": count, "wrong": trials.wrong}))


if __name__ == "__main__":
    main(*sys.argv[1:])
