"""Writes are atomic: a failure leaves the old file, a sentence, and nothing else."""

import errno
import os

import pytest
import torch

from darboux.training import load_tensors, save_tensors
from darboux.training._files import read_json, write_bytes, write_json


def fail_with(monkeypatch, number, call="fsync"):
    def failing(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(f"darboux.training._files.os.{call}", failing)


@pytest.mark.parametrize("call", ["fsync", "replace"])
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


def test_full_device_is_reported_by_the_file_that_was_meant(tmp_path):
    """The real thing: /dev/full accepts no byte."""
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    from darboux.training import _files as files

    link = tmp_path / f".a.bin.{os.getpid()}.part"
    link.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space is left on the disk"):
        files.write_bytes(tmp_path / "a.bin", b"x" * 10**6)
    assert os.listdir(tmp_path) == []


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


def test_json_goes_through_and_damage_is_named(tmp_path):
    write_json(tmp_path / "a.json", {"ν": [1.5, None]})
    assert read_json(tmp_path / "a.json") == {"ν": [1.5, None]}
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(ValueError, match=r"Expected JSON in .*a\.json"):
        read_json(tmp_path / "a.json")
