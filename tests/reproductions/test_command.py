"""``python -m reproductions``: what it prints, what it writes, and the exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from reproductions import EXPERIMENTS, Experiment, Result, Statement
from reproductions.__main__ import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(capsys):
    """A function that calls the command in this process and returns (code, out, err)."""

    def call(*arguments):
        code = main([str(a) for a in arguments])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def refused(run):
    """A function that asserts: exit code 2, one line on stderr, nothing else; and returns it."""

    def call(*arguments):
        code, out, err = run(*arguments)
        last = err.splitlines()[-1]
        assert code == 2
        assert out == ""
        assert last.startswith("Error: ")
        assert "Error" not in err.removesuffix(f"{last}\n")
        return last

    return call


@pytest.fixture
def small(monkeypatch):
    """A tiny experiment in the table; returns what it was called with, and may be told to fail."""
    seen = {"holds": True}

    def experiment(out, *, quick, seed=0):
        if "error" in seen:
            raise seen["error"]
        seen.update(quick=quick, seed=seed)
        (out / "picture.png").write_bytes(b"png")
        return Result(
            title="Sums",
            lead="A sum.",
            numbers={"sum": 2},
            statements=[Statement("1 + 1 = 2", "2.0", holds=seen["holds"])],
            figures={out / "picture.png": "a picture"},
        )

    monkeypatch.setitem(EXPERIMENTS, "small-one", Experiment(experiment, "tiny"))
    return seen


def test_table_is_printed_and_files_are_written(run, small, tmp_path):
    code, out, err = run("small-one", "--out", tmp_path / "s", "--quick", "--seed", 5)
    assert code == 0
    assert out.splitlines() == [
        "Sums",
        "  holds    1 + 1 = 2: 2.0",
        f"Report: {tmp_path / 's' / 'report.html'}",
    ]
    assert err == "Running small-one, quick size ...\n"
    assert (small["quick"], small["seed"]) == (True, 5)
    names = {path.name for path in (tmp_path / "s").iterdir()}
    assert names == {"picture.png", "metrics.json", "report.html"}


@pytest.mark.parametrize("name", ["small-one", "small_one"])
def test_full_size_is_the_default_and_so_is_the_folder(run, small, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert run(name)[0] == 0
    assert (small["quick"], small["seed"]) == (False, 0)
    found = json.loads((tmp_path / "runs" / name / "metrics.json").read_text())
    assert found["numbers"] == {"sum": 2}
    assert found["experiment"] == "small-one"


def test_refuted_statement_gives_exit_code_1(run, small, tmp_path):
    small["holds"] = False
    code, out, _ = run("small-one", "--out", tmp_path / "s")
    assert code == 1
    assert "1 of 1 statements refuted" in out
    assert "1 + 1 = 2: 2.0" in out
    assert f"Report: {tmp_path / 's' / 'report.html'}" in out
    assert "REFUTED" in (tmp_path / "s" / "report.html").read_text()


def test_an_error_of_the_program_gives_exit_code_70_and_a_log(run, small, tmp_path, monkeypatch):
    logs = tmp_path / "logs"
    logs.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(logs))
    small["error"] = RuntimeError("no such thing")
    code, out, err = run("small-one", "--out", tmp_path / "s")
    assert (code, out) == (70, "")
    (log,) = logs.iterdir()
    assert (
        f"RuntimeError: no such thing. This is a fault of the program: please report it with {log}"
        in err
    )
    assert "Traceback" not in err
    assert "Traceback" in log.read_text()
    assert list(tmp_path.iterdir()) == [logs]


def test_a_reader_who_leaves_is_no_error():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "reproductions", "list"]
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_interruption_leaves_nothing(run, small, tmp_path):
    small["error"] = KeyboardInterrupt()
    code, _, err = run("small-one", "--out", tmp_path / "s")
    assert code == 130
    assert "Nothing was written" in err
    assert list(tmp_path.iterdir()) == []


def test_unknown_name_lists_the_known_ones(refused, tmp_path):
    message = refused("pendulum", "--out", tmp_path / "p")
    assert f"{', '.join(EXPERIMENTS)}; got 'pendulum'" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        *([], [""], ["--fast"], ["energy", "--fast"], ["energy", "more"], ["energy", "--out"]),
        *(["energy", "--seed", seed] for seed in ("x", "1.5", "-1", str(2**31), "9" * 5000)),
        *(["energy", "--threads", count] for count in ("x", "0", "-1", "1025", "100000")),
        *(
            ["energy", "--quick=1"],
            ["energy", "--o", "x"],
            ["\x1b[2J"],
            ["en\nergy"],
            ["list", "x"],
        ),
        *(["energy", "--out", place] for place in ("/proc/nowhere/x", "n" * 300, "a\0b")),
        *(["invertible-classifiers", "--data", place] for place in ("nowhere", "a\0b", "n" * 300)),
    ],
    ids=lambda words: " ".join(words).encode("unicode_escape").decode()[:50],
)
def test_hostile_command_line_is_refused_in_one_line(refused, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    assert refused(*arguments).isprintable()
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_existing_output_is_kept(run, refused, small, tmp_path):
    out = tmp_path / "s"
    assert run("small-one", "--out", out, "--seed", 1)[0] == 0
    assert "use --overwrite" in refused("small-one", "--out", out, "--seed", 2)
    assert json.loads((out / "metrics.json").read_text())["seed"] == 1
    assert run("small-one", "--out", out, "--seed", 2, "--overwrite")[0] == 0
    assert json.loads((out / "metrics.json").read_text())["seed"] == 2


def test_foreign_folder_and_file_are_refused(refused, small, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    assert "holds other files" in refused("small-one", "--out", tmp_path, "--overwrite")
    assert "got the file" in refused("small-one", "--out", tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_threads_are_set(run, refused, small, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(torch, "set_num_threads", seen.append)
    assert run("small-one", "--out", tmp_path / "s", "--threads", 3)[0] == 0
    assert seen == [3]
    assert "--threads between 1 and 1024; got 0" in refused("small-one", "--threads", 0)


def test_data_is_passed_on_or_refused_by_name(run, refused, small, tmp_path, monkeypatch):
    reads = Experiment(EXPERIMENTS["small-one"].run, "tiny", "a folder of numbers")
    message = refused("small-one", "--out", tmp_path / "s", "--data", tmp_path)
    assert "Expected no data, for small-one needs none" in message
    assert list(tmp_path.iterdir()) == []

    def with_data(out, *, quick, seed=0, data=None):
        small["data"] = data
        return reads.run(out, quick=quick, seed=seed)

    monkeypatch.setitem(EXPERIMENTS, "small-one", Experiment(with_data, "tiny", reads.data))
    assert run("small-one", "--out", tmp_path / "s", "--data", tmp_path / "d")[0] == 0
    assert small["data"] == tmp_path / "d"


def test_data_that_is_needed_is_asked_for(refused, tmp_path):
    message = refused("invertible-classifiers", "--out", tmp_path / "c")
    assert "four IDX files of Fashion-MNIST; got none. Name it with --data" in message


def test_experiments_are_named_in_the_list_and_in_the_help(run, capsys):
    code, out, _ = run("list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(EXPERIMENTS)
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"{name} " in shown and each.summary in shown for name, each in EXPERIMENTS.items())


WITHOUT = """
import sys
# An entry None makes Python, and find_spec, see no such package.
sys.modules.update(dict.fromkeys(("PIL", "accelerate", "matplotlib", "rich", "typer")))
from reproductions.__main__ import main
main(["list"])
sys.exit(main(sys.argv[1:]))
"""


def test_without_the_workshop_one_sentence_says_what_to_install(tmp_path):
    command = [sys.executable, "-c", WITHOUT, "energy", "--quick", f"--out={tmp_path / 'e'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines() == [
        "Running energy, quick size ...",
        "Error: Expected PIL, accelerate, matplotlib, which reproductions needs; not installed. "
        'Use: pip install "darboux[workshop]".',
    ]
    assert done.returncode == 2
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(EXPERIMENTS)
    assert list(tmp_path.iterdir()) == []


def test_it_runs_from_a_checkout():
    command = [sys.executable, "-m", "reproductions", "list"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(EXPERIMENTS)
