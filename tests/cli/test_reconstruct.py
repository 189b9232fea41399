"""``darboux reconstruct``, and ``darboux train regularizer`` as far as it is another command."""

from dataclasses import replace

import pytest
import torch

import darboux as dx
from darboux.data import Picture
from darboux.training import RegularizerConfig, train_denoiser


@pytest.fixture(scope="module")
def regularizer(tmp_path_factory):
    """The folder of a small run."""
    images = tmp_path_factory.mktemp("images")
    Picture(torch.rand(1, 20, 20, generator=torch.Generator().manual_seed(0))).save(
        images / "a.png"
    )
    out = tmp_path_factory.mktemp("runs") / "regularizer"
    config = RegularizerConfig(
        steps=1, batch=2, patch=8, filters=8, kernel_size=3, iterations=2, sharpness=10.0
    )
    with pytest.MonkeyPatch.context() as patch:  # certificates of regularisers: tests/training
        made = dx.certify(torch.nn.Tanh(), torch.ones(1, 2), effort="quick")
        patch.setattr("darboux.training._run.certify_denoiser", lambda *a, **k: made)
        train_denoiser(replace(config, images=str(images), held_out=str(images)), out)
    return out


@pytest.mark.parametrize(
    ("physics", "sizes"),
    [("denoising", (20, 24)), ("blur:1.2", (20, 24)), ("downsampling:2", (40, 48))],
)
def test_pictures_are_reconstructed(run, regularizer, photograph, tmp_path, physics, sizes):
    image, out = photograph(3, 20, 24), tmp_path / "out.png"
    options = ("--physics", physics, "--weight", 0.1, "--tol", 1e-2, "--out", out)
    result = run("reconstruct", regularizer, image, *options)
    assert result.code == 0, result.err
    assert f"{sizes[1]} x {sizes[0]} pixels, converged in" in result.out
    assert Picture.open(out).pixels.shape == (3, *sizes)


def test_what_did_not_converge_is_written_and_said(run, regularizer, photograph, tmp_path):
    image, out = photograph(1, 20, 24), tmp_path / "out.png"
    options = ("--physics", "blur:1.2", "--max-iter", 1, "--out", out)
    result = run("reconstruct", regularizer, image, *options)
    assert result.code == 3
    assert "not converged in 1 iterations" in result.out
    assert out.exists()


def test_folder_is_reconstructed_from_simulated_data(run, regularizer, photograph, tmp_path):
    mask = tmp_path / "mask.png"
    Picture((torch.rand(1, 16, 16) > 0.3).float()).save(mask)
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        photograph(1, 16, 16, name=f"in/{name}")
    result = run(
        *("reconstruct", regularizer, tmp_path / "in", "--out", tmp_path / "new"),
        *(
            "--physics",
            f"inpainting:{mask}",
            "--simulate",
            "--noise",
            5,
            "--weight",
            0.1,
            "--tol",
            1e-2,
        ),
    )
    assert result.code == 0, result.err
    assert result.out.count("PSNR") == 2
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize("physics", ["fog", "blur", "blur:wide", "downsampling:1.5", "inpainting:"])
def test_unknown_physics_is_refused(refused, regularizer, photograph, tmp_path, physics):
    out = tmp_path / "out.png"
    error = refused(
        "reconstruct", regularizer, photograph(1, 9, 9), "--physics", physics, "--out", out
    )
    assert "Expected --physics denoising, blur:STD" in error
    assert not out.exists()


@pytest.mark.parametrize("std", ["1e9", "inf", "2"])
def test_blur_wider_than_the_picture_is_refused(refused, regularizer, photograph, tmp_path, std):
    options = ("--physics", f"blur:{std}", "--out", tmp_path / "out.png")
    error = refused("reconstruct", regularizer, photograph(1, 9, 9), *options)
    assert "8 STD below the size of the picture" in error


def test_noise_without_data_to_make_is_refused(refused, regularizer, photograph, tmp_path):
    options = ("--physics", "denoising", "--noise", 25, "--out", tmp_path / "out.png")
    error = refused("reconstruct", regularizer, photograph(1, 9, 9), *options)
    assert "--noise beside --simulate" in error


def test_run_of_a_denoiser_is_refused(refused, trained, photograph, tmp_path):
    options = ("--physics", "blur:1", "--out", tmp_path / "out.png")
    assert "has no metrics.json" in refused("reconstruct", trained, photograph(1, 9, 9), *options)


def test_runs_are_not_continued_by_the_command_of_another_task(refused, regularizer):
    error = refused("train", "denoise", "--out", regularizer, "--resume")
    assert "one of darboux train regularizer. Continue it with that command" in error


def test_regulariser_denoises_pictures_too(run, regularizer, photograph, tmp_path):
    image, out = photograph(1, 20, 24), tmp_path / "out.png"
    assert run("denoise", regularizer, image, "--out", out).code == 0
    assert Picture.open(out).pixels.shape == (1, 20, 24)
