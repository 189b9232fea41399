"""What every experiment writes, and what happens to what was there before."""

import json
import math
import re

import numpy as np
import pytest
import torch
from PIL import Image

from reproductions import EXPERIMENTS, Experiment, RefutedError, Result, Statement, reproduce
from reproductions.common.report import to_html


def result_of(out, *, holds=True):
    path = out / "picture.png"
    Image.new("L", (2, 2)).save(path)
    return Result(
        title="Sums",
        lead="One < two.",
        numbers={"sum": 2},
        statements=[Statement("1 + 1 = 2", "2", holds=True), Statement("x < y", "no", holds=holds)],
        figures={path: "a & b"},
    )


@pytest.fixture
def small(monkeypatch):
    """A tiny experiment in the table; returns the settings it was called with."""
    seen = {}

    def run(out, *, quick, seed=0):
        seen.update(quick=quick, seed=seed, random=torch.rand(1).item())
        return result_of(out, holds=seen.get("holds", True))

    monkeypatch.setitem(EXPERIMENTS, "small", Experiment(run, "tiny"))
    return seen


def test_every_statement_holds(reproduced, experiment):
    result, _ = reproduced(experiment)
    assert result.holds, str(result)
    assert len(result.statements) >= 5


def test_numbers_are_finite_and_written(reproduced, experiment):
    result, folder = reproduced(experiment)
    content = json.loads((folder / "metrics.json").read_text())
    assert all(math.isfinite(x) for x in content["numbers"].values())
    assert content["numbers"] == pytest.approx(dict(result.numbers))
    assert (content["experiment"], content["quick"], content["seed"]) == (experiment, True, 0)
    assert content["holds"] is True
    assert not [name for name in content["numbers"] if "second" in name], "times are costs"


def test_pictures_show_something(reproduced, experiment):
    result, folder = reproduced(experiment)
    assert len(result.files) >= 2
    for file in result.files:
        assert file.parent == folder
        with Image.open(file) as picture:
            pixels = np.asarray(picture.convert("RGB"), dtype=float)
        assert min(pixels.shape[:2]) > 250
        assert pixels.std() > 5, f"{file.name} is all but blank"


@pytest.mark.slow
def test_two_runs_give_the_same_metrics(reproduced, experiment, tmp_path):
    result, _ = reproduced(experiment)
    assert dict(reproduce(experiment, tmp_path / "again", quick=True).numbers) == result.numbers


def test_report_needs_nothing_else(reproduced, experiment):
    result, folder = reproduced(experiment)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(result.files)
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert page.count("<tr><td>") == len(result.statements)


def test_folder_holds_what_is_said_and_no_more(reproduced, experiment):
    result, folder = reproduced(experiment)
    names = {file.name for file in result.files} | {"metrics.json", "report.html"}
    names |= {"tracks.json"} if result.tracks else set()
    assert {path.name for path in folder.iterdir()} == names
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_settings_are_passed_on_and_random_numbers_kept(small, tmp_path):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    reproduce("small", tmp_path / "a", quick=True, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    first = dict(small)
    assert (first["quick"], first["seed"]) == (True, 3)
    reproduce("small", tmp_path / "b", seed=3)
    assert small["quick"] is False
    assert small["random"] == first["random"]


def test_refuted_statement_is_raised_after_writing(small, tmp_path):
    small["holds"] = False
    with pytest.raises(RefutedError, match=r"1 of 2 statements refuted\.\n  x < y: no"):
        reproduce("small", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["holds"] is False
    assert "REFUTED" in (tmp_path / "out" / "report.html").read_text()


def test_texts_are_escaped_in_the_report(tmp_path):
    page = to_html("Sums", {"sums": result_of(tmp_path)})
    assert "One &lt; two." in page
    assert "a &amp; b" in page
    assert "x < y" not in page


def test_unknown_name_lists_the_known_ones(tmp_path):
    names = ", ".join(EXPERIMENTS)
    with pytest.raises(ValueError, match=f"among {names}; got 'x'"):
        reproduce("x", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_results_are_not_replaced_unless_asked(small, tmp_path):
    out = tmp_path / "out"
    reproduce("small", out, seed=1)
    with pytest.raises(FileExistsError, match=r"already holds an experiment.*--overwrite"):
        reproduce("small", out, seed=2)
    assert json.loads((out / "metrics.json").read_text())["seed"] == 1
    reproduce("small", out, seed=2, overwrite=True)
    assert json.loads((out / "metrics.json").read_text())["seed"] == 2


def test_foreign_files_are_never_touched(small, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(FileExistsError, match="holds other files"):
        reproduce("small", tmp_path, overwrite=True)
    with pytest.raises(NotADirectoryError, match=r"got the file .*thesis\.tex"):
        reproduce("small", tmp_path / "thesis.tex", overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_experiment_that_fails_leaves_the_old_files(small, tmp_path, monkeypatch):
    out = tmp_path / "out"
    reproduce("small", out)
    old = {path.name: path.read_bytes() for path in out.iterdir()}

    def broken(folder, *, quick, seed=0):
        (folder / "picture.png").write_text("half of it")
        raise RuntimeError("out of memory")

    monkeypatch.setitem(EXPERIMENTS, "small", Experiment(broken, "broken"))
    with pytest.raises(RuntimeError, match="out of memory"):
        reproduce("small", out, overwrite=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == old
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
