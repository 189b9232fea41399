"""A small run to call the commands on."""

import pytest
import torch
from typer.testing import CliRunner

from darboux.cli import app
from darboux.data import Picture
from darboux.training import DenoiseConfig, build_network, save_tensors


class Result:
    """What a command said and how it ended."""

    def __init__(self, result):
        self.code, self.out, self.err = result.exit_code, result.stdout, result.stderr
        self.exception = result.exception


@pytest.fixture
def run():
    """A function that calls the command line in this process."""

    def call(*arguments):
        return Result(CliRunner().invoke(app, [str(a) for a in arguments], prog_name="darboux"))

    return call


@pytest.fixture
def refused(run):
    """A function that asserts: exit code 2, one line on stderr, nothing else; and returns it."""

    def call(*arguments):
        result = run(*arguments)
        assert isinstance(result.exception, SystemExit)
        assert result.code == 2
        assert result.out == ""
        assert result.err.startswith("Error: ")
        assert result.err.count("\n") == 1
        return result.err

    return call


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folder of a small run, as far as ``denoise`` and ``certify`` need it."""
    out = tmp_path_factory.mktemp("runs") / "small"
    out.mkdir()
    config = DenoiseConfig(features=8, units=8, depth=2)
    config.save(out / "config.json")
    network = build_network("model", config)
    about = {"network": "model", "steps": config.steps, "seconds": 1.0}
    save_tensors(out / "model.safetensors", network.state_dict(), about)
    return out


@pytest.fixture
def photograph(tmp_path):
    """A function that writes an image of any shape and returns its name."""

    def write(*shape, name="photograph.png", dtype="uint8"):
        Picture(torch.rand(shape), dtype=dtype).save(tmp_path / name)
        return tmp_path / name

    return write
