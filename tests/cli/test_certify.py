"""``darboux certify``: the table, the files, and the exit codes."""

import json

import pytest
import torch

from darboux.training import DenoiseConfig, build_network, load_tensors, save_tensors


class Made:
    """Stands in for a certificate."""

    def __init__(self, verdict):
        self.verdict = verdict

    def __str__(self):
        return f"the verdict is {self.verdict}"

    def to_json(self):
        return "{}"

    def to_html(self):
        return "<p></p>"


def test_certificate_of_a_sound_run_holds(run, trained, tmp_path):
    files = tmp_path / "c.json", tmp_path / "c.html"
    result = run("certify", trained, "--effort", "quick", "--json", files[0], "--html", files[1])
    assert result.code == 0, result.out + result.err
    assert json.loads(files[0].read_text())["verdict"] == "holds"
    assert "<table" in files[1].read_text()
    assert len(result.out.splitlines()) > 3


@pytest.mark.parametrize(("verdict", "code"), [("holds", 0), ("refuted", 1), ("undecided", 3)])
def test_exit_code_tells_the_verdict(run, trained, monkeypatch, verdict, code):
    made = Made(verdict)
    monkeypatch.setattr("darboux.cli._trained.certify_denoiser", lambda *a, **k: made)
    result = run("certify", trained)
    assert result.code == code
    assert f"the verdict is {verdict}" in result.out


def test_certificates_go_to_new_folders_and_over_nothing_of_the_run(
    run, refused, trained, tmp_path, monkeypatch
):
    monkeypatch.setattr("darboux.cli._trained.certify_denoiser", lambda *a, **k: Made("holds"))
    json, html = tmp_path / "new" / "folder" / "c.json", tmp_path / "other" / "c.html"
    assert run("certify", trained, "--json", json, "--html", html).code == 0
    assert json.is_file()
    assert html.is_file()
    before = {file.name: file.read_bytes() for file in trained.iterdir()}
    for name in before:
        assert "belongs to the run" in refused("certify", trained, "--json", trained / name)
        assert "belongs to the run" in refused("certify", trained, "--html", trained / name)
    assert "got the folder" in refused("certify", trained, "--json", tmp_path)
    assert {file.name: file.read_bytes() for file in trained.iterdir()} == before


@pytest.mark.parametrize("effort", ["quick", "normal", "thorough"])
def test_effort_and_network_are_passed_on(run, trained, monkeypatch, effort):
    seen = {}

    def certify(network, *, channels, sigma, effort):
        seen.update(network=network, channels=channels, sigma=sigma, effort=effort)
        return Made("holds")

    monkeypatch.setattr("darboux.cli._trained.certify_denoiser", certify)
    assert run("certify", trained, "--effort", effort).code == 0
    assert seen["effort"] == effort
    assert (seen["channels"], seen["sigma"]) == (1, 25 / 255)
    weights = load_tensors(trained / "model.safetensors")[0]
    assert all(torch.equal(t, weights[n]) for n, t in seen["network"].state_dict().items())


def test_missing_and_foreign_runs_are_refused(refused, trained, tmp_path):
    assert "has no config.json" in refused("certify", tmp_path)
    config = DenoiseConfig(features=8, units=8, depth=3)
    config.save(tmp_path / "config.json")
    other = build_network("model", DenoiseConfig(features=8, units=8, depth=2))
    about = {"network": "model", "steps": config.steps, "seconds": 1.0}
    save_tensors(tmp_path / "model.safetensors", other.state_dict(), about)
    assert "Expected the weights of the network" in refused("certify", tmp_path)


def test_unknown_effort_is_refused_without_a_traceback(run, trained):
    result = run("certify", trained, "--effort", "heroic")
    assert result.code == 2
    assert "heroic" in result.err
    assert "Traceback" not in result.err
