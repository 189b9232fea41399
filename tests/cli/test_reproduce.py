"""``darboux reproduce``: what it prints, what it writes, and the exit codes."""

import json

import pytest
import torch

from reproductions import EXPERIMENTS, Result, Statement
from reproductions.common.table import Experiment


@pytest.fixture
def small(monkeypatch):
    """A tiny experiment in the table; returns what it was called with, and may be told to fail."""
    seen = {"holds": True}

    def run(out, *, quick, seed=0):
        seen.update(quick=quick, seed=seed)
        (out / "picture.png").write_bytes(b"png")
        statement = Statement("1 + 1 = 2", "2.0", holds=seen["holds"])
        figures = {out / "picture.png": "a picture"}
        return Result(
            title="Sums", lead="A sum.", numbers={"sum": 2}, statements=[statement], figures=figures
        )

    monkeypatch.setitem(EXPERIMENTS, "small", Experiment(run, "tiny"))
    return seen


def test_table_is_printed_and_files_are_written(run, small, tmp_path):
    result = run("reproduce", "small", "--out", tmp_path / "s", "--quick", "--seed", 5)
    assert result.code == 0, result.err
    assert result.out.splitlines() == [
        "Sums",
        "  holds    1 + 1 = 2: 2.0",
        f"Report: {tmp_path / 's' / 'report.html'}",
    ]
    assert (small["quick"], small["seed"]) == (True, 5)
    names = {path.name for path in (tmp_path / "s").iterdir()}
    assert names == {"picture.png", "numbers.json", "report.html"}


def test_full_size_is_the_default_and_so_is_the_folder(run, small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("reproduce", "small").code == 0
    assert (small["quick"], small["seed"]) == (False, 0)
    assert json.loads((tmp_path / "runs/small/numbers.json").read_text())["numbers"] == {"sum": 2}


def test_refuted_statement_gives_exit_code_1(run, small, tmp_path):
    small["holds"] = False
    result = run("reproduce", "small", "--out", tmp_path / "s")
    assert result.code == 1
    assert "1 of 1 statements refuted" in result.out
    assert "1 + 1 = 2: 2.0" in result.out
    assert "REFUTED" in (tmp_path / "s" / "report.html").read_text()


def test_unknown_name_lists_the_known_ones(refused, tmp_path):
    message = refused("reproduce", "pendulum", "--out", tmp_path / "p")
    assert f"{', '.join(EXPERIMENTS)}; got 'pendulum'" in message
    assert list(tmp_path.iterdir()) == []


def test_existing_output_is_kept(run, refused, small, tmp_path):
    out = tmp_path / "s"
    assert run("reproduce", "small", "--out", out, "--seed", 1).code == 0
    assert "use --overwrite" in refused("reproduce", "small", "--out", out, "--seed", 2)
    assert json.loads((out / "numbers.json").read_text())["seed"] == 1
    assert run("reproduce", "small", "--out", out, "--seed", 2, "--overwrite").code == 0
    assert json.loads((out / "numbers.json").read_text())["seed"] == 2


def test_foreign_folder_and_file_are_refused(refused, small, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    assert "holds other files" in refused("reproduce", "small", "--out", tmp_path, "--overwrite")
    assert "got the file" in refused("reproduce", "small", "--out", tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_threads_are_set(run, small, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(torch, "set_num_threads", seen.append)
    assert run("reproduce", "small", "--out", tmp_path / "s", "--threads", 3).code == 0
    assert seen == [3]


def test_data_is_passed_on_or_refused_by_name(run, refused, small, tmp_path, monkeypatch):
    reads = Experiment(EXPERIMENTS["small"].run, "tiny", "a folder of numbers")
    message = refused("reproduce", "small", "--out", tmp_path / "s", "--data", tmp_path)
    assert "Expected no data, for small needs none" in message
    assert list(tmp_path.iterdir()) == []

    def with_data(out, *, quick, seed=0, data=None):
        small["data"] = data
        return reads.run(out, quick=quick, seed=seed)

    monkeypatch.setitem(EXPERIMENTS, "small", Experiment(with_data, "tiny", reads.data))
    assert run("reproduce", "small", "--out", tmp_path / "s", "--data", tmp_path / "d").code == 0
    assert small["data"] == tmp_path / "d"


def test_data_that_is_needed_is_asked_for(refused, tmp_path):
    message = refused("reproduce", "invertible-classifiers", "--out", tmp_path / "c")
    assert "four IDX files of Fashion-MNIST; got none. Name it with --data" in message


def test_experiments_are_named_in_the_help(run):
    text = run("reproduce", "--help").out
    assert all(name in text for name in EXPERIMENTS)


def test_a_real_experiment_by_its_name(run, tmp_path):
    result = run("reproduce", "deep_hamiltonian", "--out", tmp_path / "d", "--quick")
    assert result.code == 0, result.out
    assert json.loads((tmp_path / "d" / "numbers.json").read_text())["holds"] is True
