"""Settings: through JSON and back, and refused by name."""

import math
import os
import socket
from dataclasses import fields, replace

import pytest

from darboux.training import DenoiseConfig, RunFolder
from darboux.training._files import write_json


def test_settings_go_through_json_unchanged(tmp_path):
    config = DenoiseConfig(sigma=1 / 3, images="a/b", twin=False, depth=3)
    config.save(tmp_path / "config.json")
    assert DenoiseConfig.load(tmp_path / "config.json") == config


def test_settings_of_version_0_1_are_read(tmp_path):
    values = DenoiseConfig(kernel_size=5).to_dict()
    values["kernel"] = values.pop("kernel_size")
    write_json(tmp_path / "config.json", values)
    assert RunFolder(tmp_path).load_config() == DenoiseConfig(kernel_size=5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sigma": 0.0}, "sigma > 0; got 0"),
        ({"sigma": math.inf}, "sigma > 0; got inf"),
        ({"steps": 0}, "steps >= 1; got 0"),
        ({"batch": -2}, "batch >= 1; got -2"),
        ({"depth": 0}, "depth >= 1; got 0"),
        ({"lr": 0.0}, "lr > 0; got 0"),
        ({"twin_lr": -1.0}, "twin_lr > 0; got -1"),
        ({"warmup": 1.0}, "warmup < 1; got 1"),
        ({"loss": "l3"}, "one of mse, l1, charbonnier; got 'l3'"),
        ({"metric": "columns"}, "one of rows, entries, norm; got 'columns'"),
        ({"channels": 2}, "1 or 3 channels .*; got 2"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_impossible_values_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        DenoiseConfig(**change)


@pytest.mark.parametrize(
    "change", [{"steps": 1.5}, {"steps": True}, {"loss": None}, {"twin": 1}, {"images": 3}], ids=str
)
def test_wrong_types_are_refused(change):
    (name,) = change
    with pytest.raises(TypeError, match=f"Expected {name} to be"):
        DenoiseConfig(**change)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda v: v | {"colour": 1}, "known settings in .*; got also colour"),
        (lambda v: {k: v[k] for k in v if k != "lr"}, "all settings in .*; got no lr"),
        (lambda v: v | {"task": "classify"}, "of a denoising run; got another"),
        (
            lambda v: [v],
            r"JSON in .*config\.json as darboux writes it; got .*`object`, got `array`",
        ),
        (lambda v: v | {"steps": "many"}, r"config\.json\. Expected steps to be int; got 'many'"),
        (lambda v: v | {"lr": True}, r"config\.json\. Expected lr to be float; got True"),
        (lambda v: v | {"depth": 0}, r"config\.json\. Expected depth >= 1; got 0"),
    ],
    ids=["unknown key", "missing key", "other task", "list", "string", "bool", "impossible"],
)
def test_foreign_config_files_are_refused(tmp_path, edit, message):
    write_json(tmp_path / "config.json", edit(DenoiseConfig().to_dict()))
    with pytest.raises(ValueError, match=message):
        DenoiseConfig.load(tmp_path / "config.json")


def test_differences_name_every_differing_key():
    one = DenoiseConfig()
    assert one.differences(one) == []
    lines = one.differences(replace(one, depth=3, loss="l1"))
    assert lines == ["loss: 'mse', not 'l1'", "depth: 8, not 3"]


def test_every_setting_is_described():
    described = (DenoiseConfig.__doc__ or "").split("Raises:")[0]
    assert [f.name for f in fields(DenoiseConfig) if f"{f.name}: " not in described] == []


def test_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for resume in (False, True):
        with pytest.raises(FileExistsError, match="holds other files"):
            RunFolder(tmp_path).check(DenoiseConfig(), resume=resume)


def test_run_folder_is_refused_without_resume_and_with_other_settings(tmp_path):
    config = DenoiseConfig()
    config.save(tmp_path / "config.json")
    folder = RunFolder(tmp_path)
    with pytest.raises(FileExistsError, match="use --resume to continue it"):
        folder.check(config, resume=False)
    with pytest.raises(ValueError, match=r"begun with; got batch: 3, not 8; depth: 2, not 8"):
        folder.check(replace(config, batch=3, depth=2), resume=True)
    folder.check(config, resume=True)


def test_new_and_empty_folders_are_accepted_and_files_are_not(tmp_path):
    RunFolder(tmp_path).check(DenoiseConfig(), resume=False)
    RunFolder(tmp_path / "new").check(DenoiseConfig(), resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="got the file"):
        RunFolder(tmp_path / "file").check(DenoiseConfig(), resume=False)


@pytest.mark.parametrize("resume", [False, True])
def test_traces_of_a_run_that_ended_before_it_began_are_no_obstacle(tmp_path, resume):
    """A kill while config.json is written leaves half of it under another name."""
    folder = RunFolder(tmp_path)
    (tmp_path / ".config.json.4a5b6c7d.part").write_bytes(b'{"ta')
    (tmp_path / ".lock").write_text("process 1 on moon")
    folder.check(DenoiseConfig(), resume=resume)
    with folder.held():
        folder.check(DenoiseConfig(), resume=resume)
    assert [file.name for file in tmp_path.iterdir()] == [".lock"]


def test_folder_is_held_by_one_and_free_afterwards(tmp_path):
    folder = RunFolder(tmp_path / "new")
    holder = rf"process {os.getpid()} on {socket.gethostname()} holds"
    with folder.held(), pytest.raises(BlockingIOError, match=holder), folder.held():
        raise AssertionError
    with folder.held():
        pass


def test_folder_without_a_run_tells_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match="darboux train denoise --out DIR"):
        RunFolder(tmp_path).load_config()
