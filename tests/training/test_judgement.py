"""PSNR, losses, the learning rate, total variation, and the evaluation of whole images."""

import math

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from darboux.data import noisy
from darboux.imaging import Inpainting
from darboux.solvers import ConvergenceError
from darboux.training import (
    OneCycle,
    denoise,
    loss_named,
    psnr,
    total_variation,
    tune_total_variation,
)
from darboux.training._evaluation import mean_psnr


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_psnr_is_that_of_scikit_image(dtype):
    from skimage.metrics import peak_signal_noise_ratio

    clean = torch.rand(3, 9, 7, dtype=dtype)
    other = clean + 0.1 * torch.randn(3, 9, 7, dtype=dtype)  # leaves [0, 1]: nothing is clipped
    expected = peak_signal_noise_ratio(
        clean.double().numpy(), other.double().numpy(), data_range=1.0
    )
    assert psnr(other, clean) == pytest.approx(expected, rel=1e-12)


def test_psnr_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"\(1, 2, 2\) and \(1, 3, 2\)"):
        psnr(torch.zeros(1, 2, 2), torch.zeros(1, 3, 2))
    with pytest.raises(ValueError, match=r"with entries; got \(1, 0, 2\)"):
        psnr(torch.zeros(1, 0, 2), torch.zeros(1, 0, 2))


@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan, math.inf])
def test_total_variation_refuses_other_weights(weight):
    with pytest.raises(ValueError, match=f"weight > 0; got {weight}"):
        total_variation(torch.zeros(1, 4, 4), weight=weight)


def test_nothing_to_tune_on_is_refused():
    with pytest.raises(ValueError, match="at least one image; got none"):
        tune_total_variation({}, sigma=0.1)


@pytest.mark.parametrize("change", [{"peak": math.nan}, {"steps": 0}, {"warmup": 1.0}], ids=str)
def test_impossible_schedules_are_refused(change):
    (name,) = change
    with pytest.raises(ValueError, match=f"got .*{name}={change[name]}"):
        OneCycle(**{"peak": 1.0, "steps": 9, "warmup": 0.1} | change)


@pytest.mark.parametrize("name", ["mse", "l1", "charbonnier"])
def test_losses_are_means_with_a_gradient(name):
    a, b = torch.rand(4, 5, dtype=torch.float64, requires_grad=True), torch.rand(4, 5).double()
    entries = {
        "mse": (a - b) ** 2,
        "l1": (a - b).abs(),
        "charbonnier": ((a - b) ** 2 + 1e-6).sqrt(),
    }
    torch.testing.assert_close(loss_named(name)(a, b), entries[name].mean())
    assert torch.autograd.gradcheck(loss_named(name), (a, b))


def test_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="got 'l7'"):
        loss_named("l7")


@pytest.mark.parametrize("steps", [1, 2, 7, 100])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.9])
def test_learning_rate_is_positive_and_reaches_its_peak(steps, warmup):
    rates = [OneCycle(peak=2.0, steps=steps, warmup=warmup).at(step) for step in range(steps)]
    assert all(0 < rate <= 2.0 for rate in rates)
    assert max(rates) == 2.0
    top = rates.index(2.0)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_total_variation_is_scikit_images_on_every_channel_alike():
    from skimage.restoration import denoise_tv_chambolle

    image = torch.rand(1, 12, 10)
    expected = denoise_tv_chambolle(image[0].double().numpy(), weight=0.2, eps=1e-5)
    result = total_variation(image, weight=0.2)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result[0], torch.from_numpy(expected).float())


def test_tuned_weight_is_as_good_as_a_fine_search():
    coarse = torch.rand(1, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    image = nn.functional.interpolate(coarse, (48, 48), mode="nearest")[0]
    weight = tune_total_variation({"blocks": image}, sigma=0.1)
    x = noisy(image, sigma=0.1, seed=7_000_000)

    def quality(w):
        return psnr(total_variation(x, weight=w), image)

    grid = [0.02 * 1.05**k for k in range(76)]
    assert quality(weight) > max(quality(w) for w in grid) - 0.01


def test_total_variation_with_an_operator_is_that_of_scikit_image_where_all_is_seen():
    from skimage.restoration import denoise_tv_chambolle

    clean = torch.zeros(1, 24, 24)
    clean[:, 6:18, 6:18] = 1
    image = noisy(clean, sigma=0.1, seed=0)
    everything = Inpainting(torch.ones(24, 24, dtype=torch.bool))
    found = total_variation(image, weight=0.15, physics=everything)
    array = image.double().numpy()
    exact = denoise_tv_chambolle(array, 0.15, eps=1e-9, max_num_iter=5000, channel_axis=0)
    torch.testing.assert_close(found.double(), torch.from_numpy(exact), rtol=0, atol=5e-3)


def test_total_variation_fills_what_an_operator_does_not_see():
    clean = torch.zeros(1, 24, 24)
    clean[:, 6:18, 6:18] = 1
    seen = torch.rand(24, 24, generator=torch.Generator().manual_seed(0)) < 0.6
    data = clean * seen
    found = total_variation(data, weight=0.01, physics=Inpainting(seen))
    assert psnr(found, clean) > psnr(data, clean) + 15
    with pytest.raises(ConvergenceError, match="within 5 steps; got changes of"):
        total_variation(data, weight=0.01, physics=Inpainting(seen), max_iter=5)


def test_total_variation_without_scikit_image_gives_the_command(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skimage.restoration", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "darboux\[images\]"'):
        total_variation(torch.zeros(1, 4, 4), weight=0.1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("planes", [1, 3])
def test_grey_and_colour_go_through_networks_of_either_kind(channels, planes):
    image = torch.rand(planes, 9, 8)
    assert torch.equal(denoise(nn.Identity(), image, channels=channels), image) or channels > planes
    result = denoise(nn.Conv2d(channels, channels, 3, padding=1), image, channels=channels)
    assert result.shape == image.shape
    assert not result.requires_grad


def test_mean_psnr_is_the_mean_over_images():
    clean = {"a": torch.zeros(1, 4, 4), "b": torch.zeros(1, 5, 9)}
    x = {"a": torch.full((1, 4, 4), 0.1), "b": torch.full((1, 5, 9), 0.01)}
    mean = mean_psnr(nn.Identity(), x, clean, channels=1, accelerator=Accelerator())
    assert mean == pytest.approx(30.0, abs=1e-5)
    assert math.isfinite(mean)
