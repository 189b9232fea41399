"""How the program ends: exit codes, one line, a log for what nobody foresaw."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
import torch

from darboux.cli import main

PROGRAM = [sys.executable, "-m", "darboux"]


class Sigma:
    """Stands in for a certificate."""

    verdict = "refuted"

    def __str__(self):
        return "σ"

    def to_json(self):
        return "{}"

    def to_html(self):
        return "<p></p>"


def program(*arguments, **options):
    """Run the program in a process of its own."""
    settings = {"capture_output": True, "text": True, "timeout": 100, "check": False}
    return subprocess.run([*PROGRAM, *map(str, arguments)], **(settings | options))


@pytest.fixture
def failing(run, trained, monkeypatch):
    """A function that runs a command in which an error comes up."""

    def call(error):
        def fail(*arguments, **options):
            raise error

        monkeypatch.setattr("darboux.cli._trained.certify_denoiser", fail)
        return run("certify", trained)

    return call


def test_an_error_of_the_program_is_no_verdict_and_leaves_a_log(failing, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = failing(KeyError("no such\nkey"))
    assert result.code == 70
    (log,) = tmp_path.iterdir()
    assert result.err == (
        "Error: KeyError: 'no such\\nkey'. This is a fault of the program: please report it with "
        f"{log}, which says where.\n"
    )
    assert "Traceback" in log.read_text()
    assert "certify_denoiser" in log.read_text()


def test_without_room_for_a_log_the_line_says_where(failing, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    result = failing(KeyError("key"))
    assert result.code == 70
    assert re.search(r"in line \d+ of .*test_exit_codes\.py; no log could be written", result.err)
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (MemoryError(), 2, "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried ..."), 2, "smaller sizes"),
        (RuntimeError("[gloo/transport/tcp/pair.cc:5] Read error"), 2, "got: Read error. One has"),
        (torch.distributed.DistNetworkError("no. x"), 2, "got: no. One has ended"),
        (PermissionError(13, "Permission denied", "a/b"), 2, "a/b: Permission denied"),
        (OSError("one\n\x1b[2Jtwo"), 2, "one \\x1b[2Jtwo"),
        (FloatingPointError(), 2, "FloatingPointError"),
        (KeyboardInterrupt(), 130, "Interrupted."),
        (RuntimeError("size mismatch"), 70, "RuntimeError: size mismatch"),
        (RecursionError("deep"), 70, "RecursionError"),
        (TypeError("x"), 70, "TypeError: x"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_errors_end_in_one_line(failing, tmp_path, monkeypatch, error, code, text):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = failing(error)
    assert (result.code, result.out) == (code, "")
    assert text in result.err
    assert result.err.count("\n") == 1


def test_one_process_of_a_training_says_what_all_would(refused, run, tmp_path, monkeypatch):
    store = torch.distributed.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", str(store.port))
    monkeypatch.setenv("RANK", "1")
    result = run("train", "denoise", "--sigma", 0)
    assert result.code == 2
    assert result.err.startswith("[process 1] Error: Expected a noise level")
    monkeypatch.setenv("RANK", "0")
    result = run("train", "denoise", "--sigma", 0)
    assert (result.code, result.err) == (2, "")
    assert "steps >= 1" in refused("train", "denoise", "--steps", 0)


@pytest.mark.parametrize("value", ["x", "", "-1", "9" * 99], ids=str)
@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE", "MASTER_PORT"])
def test_an_odd_environment_makes_no_traceback(run, monkeypatch, name, value):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv(name, value)
    result = run("train", "denoise", "--sigma", 0)
    assert result.code == 2
    assert "sigma > 0" in result.err


def test_version(run):
    result = run("--version")
    assert (result.code, result.out) == (0, f"darboux {version('darboux')}\n")


def test_without_a_command_there_is_help(run):
    result = run()
    assert result.code == 2
    assert "Usage: darboux" in result.out


@pytest.mark.parametrize(
    "arguments",
    [
        *([*command, "--help"] for command in ([], ["denoise"], ["certify"])),
        *(["--version"], [], ["evil"], ["denoise", "run"]),
    ],
    ids=" ".join,
)
def test_help_and_bad_usage_need_no_torch(arguments):
    code = (
        "import sys; from darboux.__main__ import main\ntry: main()\nexcept SystemExit: pass\n"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_a_reader_who_leaves_is_no_error(trained):
    read, write = os.pipe()
    os.close(read)
    for arguments in (["--help"], ["--version"], ["denoise", "--help"]):
        done = program(*arguments, capture_output=False, stdout=write, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (141, "")
    done = program("evil", capture_output=False, stdout=write, stderr=write)
    assert done.returncode == 2
    os.close(write)


def test_certificate_is_written_though_nobody_reads(run, trained, tmp_path, monkeypatch):
    def unread(text):
        raise BrokenPipeError

    monkeypatch.setattr("darboux.cli._trained.certify_denoiser", lambda *a, **k: Sigma())
    monkeypatch.setattr("typer.echo", unread)
    result = run("certify", trained, "--json", tmp_path / "c.json", "--html", tmp_path / "c.html")
    assert (result.code, result.out, result.err) == (141, "", "")
    assert (tmp_path / "c.json").is_file()
    assert (tmp_path / "c.html").is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device that is always full")
def test_output_that_cannot_be_written_is_said():
    with open("/dev/full", "w") as full:
        done = program("--version", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr == "Error: No space left on device\n"


def test_letters_that_the_terminal_lacks_are_spelt_out(trained, monkeypatch):
    out = TextIOWrapper(BytesIO(), "latin-1")
    monkeypatch.setattr("darboux.cli._trained.certify_denoiser", lambda *a, **k: Sigma())
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "argv", ["darboux", "certify", str(trained)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert out.buffer.getvalue() == b"\\u03c3\n"


def test_names_that_are_no_text_are_denoised(run, trained, tmp_path, photograph):
    image, out = photograph(1, 9, 9), tmp_path / os.fsdecode(b"\xff\xfe.png")
    assert run("denoise", trained, image, "--out", out).code == 0
    assert out.is_file()
    assert run("denoise", trained, image, "--out", out).code == 2


def test_main_is_the_program(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["darboux", "train", "denoise", "--steps", "x"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
