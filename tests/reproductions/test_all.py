"""``python -m reproductions all``: progress, what is kept, failures, and the page of all."""

import json
import re

import pytest
import torch
from PIL import Image

from reproductions import EXPERIMENTS, Experiment, Result, Statement
from reproductions.__main__ import main
from reproductions.common.tracks import Tracks


def experiment(name, seen):
    def run(out, *, quick, seed=0):
        seen.setdefault(name, []).append((quick, seed))
        if "error" in seen and name == "second":
            raise seen["error"]
        Image.new("L", (2, 2)).save(out / "a.png")
        return Result(
            title=f"The {name}",
            lead="It is <shown>.",
            numbers={"random": torch.rand(1).item()},
            costs={"seconds": 1.5},
            statements=[Statement("1 < 2", "yes", holds=name != seen.get("refuted"))],
            figures={out / "a.png": "a < b"},
            tracks={"way": Tracks.of(torch.rand(3, 4, 2), torch.arange(4))},
        )

    return Experiment(run, "tiny")


@pytest.fixture
def three():
    """Three tiny experiments alone in the table; returns what they were called with."""
    seen, kept = {}, dict(EXPERIMENTS)
    EXPERIMENTS.clear()
    EXPERIMENTS.update({name: experiment(name, seen) for name in ("first", "second", "third")})
    yield seen
    EXPERIMENTS.clear()  # in the old order, which restoring entry by entry would not keep
    EXPERIMENTS.update(kept)


@pytest.fixture
def run_all(tmp_path, capsys):
    """A function that runs all and returns (code, out, err)."""

    def call(*arguments):
        code = main(["all", "--out", str(tmp_path / "all"), *arguments])
        return code, *capsys.readouterr()

    return call


def test_all_run_with_progress_into_folders_and_a_page(three, run_all, tmp_path):
    code, out, err = run_all("--quick", "--seed", "3")
    assert code == 0
    assert out.splitlines() == [
        "3 of 3 experiments hold.",
        f"Report: {tmp_path / 'all' / 'index.html'}",
    ]
    assert re.findall(r"^\[(\d)/3\] (\w+) \.\.\.$", err, re.MULTILINE) == [
        ("1", "first"),
        ("2", "second"),
        ("3", "third"),
    ]
    assert three == {name: [(True, 3)] for name in ("first", "second", "third")}
    names = {path.name for path in (tmp_path / "all").iterdir()}
    assert names == {"first", "second", "third", "index.html"}
    page = (tmp_path / "all" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'<section id="(\w+)">', page) == ["first", "second", "third"]
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    assert page.count('type="range"') == page.count("<svg ") == 3
    assert "a &lt; b" in page
    assert "<shown>" not in page


def test_what_is_done_is_kept_and_the_same(three, run_all, tmp_path):
    three["error"] = KeyboardInterrupt()
    code, _, err = run_all("--quick")
    assert code == 130
    assert "the same command goes on from there" in err
    assert (tmp_path / "all" / "index.html").exists()
    first = (tmp_path / "all" / "first" / "metrics.json").read_bytes()
    del three["error"]
    code, _, err = run_all("--quick")
    assert code == 0
    assert "1 statements hold, kept" in err
    assert [len(three[name]) for name in ("first", "second", "third")] == [1, 2, 1]
    assert (tmp_path / "all" / "first" / "metrics.json").read_bytes() == first
    page = (tmp_path / "all" / "index.html").read_text(encoding="utf-8")
    assert len(re.findall("<section", page)) == 3


def test_other_settings_are_not_replaced_unless_asked(three, run_all, tmp_path):
    assert run_all("--quick")[0] == 0
    code, _, err = run_all("--quick", "--seed", "1")
    assert code == 2
    assert "first, second, third has another" in err
    assert run_all("--quick", "--seed", "1", "--overwrite")[0] == 0
    content = json.loads((tmp_path / "all" / "third" / "metrics.json").read_text())
    assert (content["seed"], content["costs"]) == (1, {"seconds": 1.5})


def test_one_that_fails_leaves_the_others(three, run_all, tmp_path):
    three["error"] = ValueError("no <data>")
    code, out, err = run_all()
    assert code == 2
    assert "2 of 3 experiments hold." in out
    assert "FAILED: Error: no <data>" in err
    page = (tmp_path / "all" / "index.html").read_text(encoding="utf-8")
    assert "no &lt;data&gt;" in page
    assert {path.name for path in (tmp_path / "all").iterdir()} == {"first", "third", "index.html"}


def test_a_refuted_statement_is_exit_code_1(three, run_all, tmp_path):
    three["refuted"] = "second"
    assert run_all()[0] == 1
    assert run_all()[0] == 1, "kept as it is"
    assert len(three["second"]) == 1
    assert "1 REFUTED" in (tmp_path / "all" / "index.html").read_text(encoding="utf-8")


def test_a_foreign_page_is_never_touched(three, run_all, tmp_path):
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "index.html").write_text("mine")
    assert run_all()[0] == 2
    assert (tmp_path / "all" / "index.html").read_text() == "mine"
    assert three == {}


def test_where_nothing_succeeded_the_same_command_goes_on(three, run_all):
    for name in ("first", "third"):
        del EXPERIMENTS[name]
    three["error"] = ValueError("no data")
    assert run_all("--quick")[0] == 2
    del three["error"]
    assert run_all("--quick")[0] == 0


@pytest.mark.parametrize("file", ["metrics.json", "a.png"])
def test_what_is_damaged_is_named_and_replaced_when_asked(three, run_all, tmp_path, file):
    assert run_all("--quick")[0] == 0
    if file == "a.png":
        (tmp_path / "all" / "second" / file).unlink()
    else:
        (tmp_path / "all" / "second" / file).write_text('{"quick": tr')
    code, _, err = run_all("--quick")
    assert code == 2
    assert "where second has another, or misses files" in err
    assert run_all("--quick", "--overwrite")[0] == 0
    assert [len(three[name]) for name in ("first", "second", "third")] == [1, 2, 1]


def test_tracks_come_back_from_a_file_and_long_ones_are_thinned(tmp_path):
    states, classes = torch.rand(200, 500, 3), torch.arange(500) % 2
    tracks = Tracks.of(states, classes)
    result = Result(
        title="t", lead="", numbers={}, statements=[], figures={}, tracks={"way": tracks}
    )
    result.write(tmp_path, {})
    assert Result.read(tmp_path) == result
    assert (tracks.layers[0], tracks.layers[-1], len(tracks.layers)) == (0, 199, 60)
    flat = states[199, -1, :2] + states[199, -1, 2] * torch.tensor([0.35, 0.8])
    torch.testing.assert_close(torch.tensor(tracks.states[-1][-1]), flat, atol=1e-3, rtol=0)
    assert tracks.classes[-1] == 1
