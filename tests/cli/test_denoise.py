"""``darboux denoise``: every size and kind of image, and every refusal."""

import pytest
import tifffile
import torch

from darboux.data import Picture
from darboux.training import DenoiseConfig, RunFolder, build_network


@pytest.mark.parametrize("shape", [(1, 40, 33), (3, 17, 20), (1, 1, 1), (1, 5, 64)], ids=str)
def test_any_image_is_denoised_at_its_own_size(run, trained, photograph, tmp_path, shape):
    image, out = photograph(*shape), tmp_path / "out.png"
    result = run("denoise", trained, image, "--out", out)
    assert result.code == 0, result.err
    assert f"{shape[2]} x {shape[1]}" in result.out
    config = DenoiseConfig.load(trained / "config.json")
    network = build_network("model", config)
    RunFolder(trained).load_weights("model", network)
    pixels = Picture.open(image).pixels
    with torch.no_grad():
        expected = network(pixels[:, None])[:, 0].clamp(0, 1)
    # Rounded to 8 bits: half a level.
    assert (Picture.open(out).pixels - expected).abs().max() < 0.5001 / 255


@pytest.mark.parametrize(
    ("name", "dtype", "channels"),
    [("a.png", "uint8", 1), ("a.png", "uint16", 3), ("a.tif", "float32", 3)],
)
def test_type_is_kept(run, trained, photograph, tmp_path, name, dtype, channels):
    image, out = photograph(channels, 12, 12, name=name, dtype=dtype), tmp_path / f"out{name}"
    assert run("denoise", trained, image, "--out", out).code == 0
    assert Picture.open(out).dtype == dtype


def test_values_of_a_scan_need_levels_and_keep_their_scale(run, refused, trained, tmp_path):
    levels, image, out = (-1024.0, 3071.0), tmp_path / "scan.tif", tmp_path / "out.tif"
    Picture(torch.full((1, 12, 12), 0.25), "int16", levels).save(image)  # a Hounsfield value of 0
    assert "of type int16 with values 0 ... 0" in refused("denoise", trained, image, "--out", out)
    assert run("denoise", trained, image, "--out", out, "--levels", *levels).code == 0
    read = Picture.open(out, levels=levels)
    assert read.dtype == "int16"
    expected = Picture.open(image, levels=levels).pixels
    assert (read.pixels - expected).abs().max() < 0.2  # an untrained network changes little


def test_added_noise_is_measured(run, trained, photograph, tmp_path):
    image, out = photograph(1, 200, 200), tmp_path / "out.png"
    result = run("denoise", trained, image, "--out", out, "--noise", 25)
    assert result.code == 0
    assert "PSNR 20." in result.out


def test_input_is_never_overwritten(refused, trained, photograph):
    image = photograph(1, 12, 12)
    before = image.read_bytes()
    for options in ([], ["--overwrite"]):
        error = refused("denoise", trained, image, "--out", image, *options)
        assert "another name than the input's" in error
    assert image.read_bytes() == before


def test_existing_output_needs_permission(run, refused, trained, photograph, tmp_path):
    image, out = photograph(1, 12, 12), tmp_path / "out.png"
    out.write_text("precious")
    assert "Use --overwrite" in refused("denoise", trained, image, "--out", out)
    assert out.read_text() == "precious"
    assert run("denoise", trained, image, "--out", out, "--overwrite").code == 0


def test_bad_names_are_refused(refused, trained, photograph, tmp_path):
    image, out = photograph(1, 12, 12), tmp_path / "out.png"
    assert "has no config.json" in refused("denoise", tmp_path / "nowhere", image, "--out", out)
    assert "does not exist" in refused("denoise", trained, tmp_path / "no.png", "--out", out)
    assert "ending in one of" in refused("denoise", trained, image, "--out", tmp_path / "o.xyz")
    below = image / "o.png"
    assert str(image) in refused("denoise", trained, image, "--out", below)
    assert "sigma > 0" in refused("denoise", trained, image, "--out", out, "--noise", 0)
    assert not out.exists()


def test_corrupt_image_is_refused_by_name(refused, trained, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"nothing")
    error = refused("denoise", trained, tmp_path / "bad.png", "--out", tmp_path / "out.png")
    assert "bad.png" in error


def test_damaged_weights_are_refused_by_name(refused, trained, photograph, tmp_path):
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (run_folder / name).write_bytes((trained / name).read_bytes())
    (run_folder / "model.safetensors").write_bytes(b"short")
    error = refused("denoise", run_folder, photograph(1, 9, 9), "--out", tmp_path / "out.png")
    assert "model.safetensors, which is truncated or foreign" in error
    (run_folder / "model.safetensors").unlink()
    error = refused("denoise", run_folder, photograph(1, 9, 9), "--out", tmp_path / "out.png")
    assert "--resume" in error


def test_not_a_number_is_refused(refused, trained, tmp_path):
    tifffile.imwrite(tmp_path / "nan.tif", torch.full((8, 8), torch.nan).numpy())
    error = refused("denoise", trained, tmp_path / "nan.tif", "--out", tmp_path / "out.png")
    assert "nan.tif" in error


def test_every_picture_of_a_folder_is_denoised_as_if_it_were_alone(run, trained, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, shape in (("a.png", (1, 12, 9)), ("b.tif", (3, 8, 10))):
        Picture(torch.rand(shape)).save(pictures / name)
    (pictures / "notes.txt").write_text("no picture")
    out, alone = tmp_path / "new" / "folder", tmp_path / "alone"
    result = run("denoise", trained, pictures, "--out", out, "--noise", 25)
    assert result.code == 0, result.err
    assert result.out.count("dB denoised") == 2
    assert sorted(file.name for file in out.iterdir()) == ["a.png", "b.tif"]
    for name in ("a.png", "b.tif"):
        one = alone / name
        assert run("denoise", trained, pictures / name, "--out", one, "--noise", 25).code == 0
        assert one.read_bytes() == (out / name).read_bytes()


def test_folder_keeps_what_is_there_and_names_what_it_passes_over(run, refused, trained, tmp_path):
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    for name in ("a.png", "z.png"):
        Picture(torch.rand(1, 9, 9)).save(pictures / name)
    (pictures / "m.png").write_bytes(b"nothing")
    result = run("denoise", trained, pictures, "--out", out)
    assert result.code == 2
    assert "got 1 of 3 that were passed over: m.png. Of the first: Expected a" in result.err
    assert result.err.count("\n") == 1
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    assert sorted(before) == ["a.png", "z.png"]
    assert "Use --overwrite" in refused("denoise", trained, pictures, "--out", out)
    assert "another name than" in refused("denoise", trained, pictures, "--out", pictures)
    assert "got the file" in refused("denoise", trained, pictures, "--out", out / "a.png")
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before


def test_out_may_be_a_folder_for_one_picture_too(run, trained, photograph, tmp_path):
    image, out = photograph(1, 9, 9), tmp_path / "results"
    out.mkdir()
    assert run("denoise", trained, image, "--out", out).code == 0
    assert [file.name for file in out.iterdir()] == [image.name]
