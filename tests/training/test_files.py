"""Writes are whole: a failure leaves the old file, a sentence, and nothing else."""

import errno
import os
import stat
import subprocess
import sys

import pytest
import torch

from darboux.data import Picture
from darboux.data._files import append_bytes, write_bytes
from darboux.training import MetricsLog, load_tensors, save_tensors
from darboux.training._files import read_json, write_json

LINE = {"network": "model", "step": 1, "loss": 0.5, "psnr": 20.0, "seconds": 1.0}


def fail_with(monkeypatch, number, call="fsync"):
    def failing(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(f"darboux.data._files.os.{call}", failing)


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "message"),
    [(errno.ENOSPC, "No space is left on the disk for .*a.bin"), (errno.EIO, "cannot be written")],
    ids=["full disk", "broken disk"],
)
def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch, call, number, message):
    file = tmp_path / "a.bin"
    write_bytes(file, b"old")
    fail_with(monkeypatch, number, call)
    with pytest.raises(OSError, match=message) as caught:
        write_bytes(file, b"new and longer")
    assert caught.value.errno == number
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


# The disk takes so many bytes of a file and no more: the real thing, not a patched call.
FULL = """
import resource
from pathlib import Path
import torch
from darboux.data import Picture
from darboux.data._files import append_bytes, write_bytes
for name, limit, write in (
    ("a", 200, lambda: write_bytes(Path("a"), b"n" * 300)),
    ("log", 400, lambda: append_bytes(Path("log"), b"n" * 300)),
    ("a.png", 700, lambda: Picture(torch.rand(3, 30, 30)).save("a.png")),
    ("a.tif", 700, lambda: Picture(torch.rand(3, 30, 30), "uint16").save("a.tif")),
):
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    Path(name).write_bytes(b"o" * 250)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, -1))
    try:
        write()
    except OSError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file sizes")
def test_full_disk_leaves_every_old_file(tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", FULL], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert told.stdout.count("what stood there before is untouched") == 4, told.stderr
    assert sorted(os.listdir(tmp_path)) == ["a", "a.png", "a.tif", "log"]
    assert all(file.read_bytes() == b"o" * 250 for file in tmp_path.iterdir())


def test_links_modes_and_devices_stay(tmp_path):
    file, link = tmp_path / "a", tmp_path / "link"
    file.write_bytes(b"old")
    file.chmod(0o600)
    link.symlink_to(file)
    write_bytes(link, b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_bytes(pipe, b"through")
    assert os.read(reader, 99) == b"through"
    os.close(reader)
    assert sorted(os.listdir(tmp_path)) == ["a", "link", "pipe"]


def test_longest_names_are_written(tmp_path):
    for name in ("n" * 255, "名" * 85):
        write_bytes(tmp_path / name, b"x")
        assert (tmp_path / name).read_bytes() == b"x"


def test_pictures_that_are_not_finite_are_refused(tmp_path):
    file = tmp_path / "a.png"
    Picture(torch.rand(1, 4, 4)).save(file)
    before = file.read_bytes()
    for value in (torch.nan, torch.inf):
        with pytest.raises(ValueError, match=r"finite pixels; got NaN or infinite .*a\.png"):
            Picture(torch.full((1, 4, 4), value)).save(file)
    assert file.read_bytes() == before


def test_appending_takes_back_half_a_line(tmp_path, monkeypatch):
    file = tmp_path / "log"
    append_bytes(file, b"one\n")
    genuine = os.write

    def half(handle, content):
        if len(content) < 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return genuine(handle, content[: len(content) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(OSError, match=r"No space is left on the disk for .*log"):
            append_bytes(file, b"two\n")
    assert file.read_bytes() == b"one\n"


def test_log_holds_whole_lines_of_numbers(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append(LINE | {"psnr": float("inf")})
    assert b'"psnr":null' in log.path.read_bytes()
    log.path.write_bytes(log.path.read_bytes() + b'{"network": "mo')
    assert log.lines() == [LINE | {"psnr": None}]
    log.keep(lambda line: True)
    log.append(LINE)
    assert log.lines() == [LINE | {"psnr": None}, LINE]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": float("nan")}, r"Expected `float`, got `null` - at `\$.loss`: None"),
        ({"step": -1}, r"Expected `int` >= 0 - at `\$.step`: -1"),
        ({"colour": 1}, "unknown field `colour`"),
        ({"network": 3}, r"Expected `str`, got `int` - at `\$.network`: 3"),
    ],
    ids=["NaN", "negative", "unknown", "type"],
)
def test_other_lines_are_refused_on_both_ways(tmp_path, change, message):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    with pytest.raises(ValueError, match=message):
        log.append(LINE | change)
    assert log.lines() == []
    write_json(tmp_path / "line", LINE | change)
    line = b" ".join((tmp_path / "line").read_bytes().split())
    log.append(LINE)
    log.path.write_bytes(log.path.read_bytes() + line + b"\n")
    with pytest.raises(ValueError, match=f"line 2 of .*jsonl.*{message}"):
        log.lines()


def test_checkpoint_survives_a_full_disk(tmp_path, monkeypatch):
    file = tmp_path / "checkpoint.safetensors"
    save_tensors(file, {"w": torch.ones(3)}, {"step": 1})
    fail_with(monkeypatch, errno.ENOSPC)
    with pytest.raises(OSError, match="No space"):
        save_tensors(file, {"w": torch.zeros(3)}, {"step": 2})
    tensors, about = load_tensors(file)
    assert about == {"step": 1}
    assert torch.equal(tensors["w"], torch.ones(3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8, torch.bfloat16])
def test_tensors_go_through_unchanged(tmp_path, dtype):
    base = torch.arange(24).to(dtype).view(4, 6)
    tensors = {"part": base[:, ::2], "turned": base.T, "scalar": base[0, 3]}
    save_tensors(tmp_path / "a.safetensors", tensors, {"ν": [1, None, "x"]})
    loaded, about = load_tensors(tmp_path / "a.safetensors")
    assert about == {"ν": [1, None, "x"]}
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated_file_is_refused_by_name(tmp_path, share):
    file = tmp_path / "checkpoint.safetensors"
    save_tensors(file, {"w": torch.rand(200)}, {"step": 1})
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors, which is truncated or foreign"):
        load_tensors(file)


def test_pickles_and_foreign_files_are_refused_by_name(tmp_path):
    torch.save({"w": torch.ones(1)}, tmp_path / "pickle.safetensors")
    with pytest.raises(ValueError, match=r"pickle\.safetensors"):
        load_tensors(tmp_path / "pickle.safetensors")
    from safetensors.torch import save_file

    save_file({"w": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other\.safetensors, whose header says nothing"):
        load_tensors(tmp_path / "other.safetensors")


@pytest.mark.parametrize("about", ["{", "[]", "null", "[" * 100_000, "\x00"], ids=lambda a: a[:4])
def test_headers_that_are_no_object_are_refused_by_name(tmp_path, about):
    from safetensors.torch import save_file

    save_file({"w": torch.ones(1)}, tmp_path / "a.safetensors", {"darboux": about})
    with pytest.raises(ValueError, match=r"Expected JSON in .*a\.safetensors"):
        load_tensors(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "content", [b'{"a": ', b"", b"\xff\xfe\x00", b"[" * 100_000, b'{"a": NaN}', b'{"a": 1e999}']
)
def test_json_goes_through_and_damage_is_named(tmp_path, content):
    write_json(tmp_path / "a.json", {"ν": [1.5, None]})
    assert read_json(tmp_path / "a.json", dict[str, list[float | None]]) == {"ν": [1.5, None]}
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"Expected JSON in .*a\.json"):
        read_json(tmp_path / "a.json", object)
