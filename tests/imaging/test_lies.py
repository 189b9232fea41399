"""Priors, operators and noise levels that are not what they say: refuted or refused."""

import pytest
import torch
from torch import Tensor

import darboux as dx
from darboux.imaging import Prior


class _Said(Prior):
    """A function of the pixels that says it is convex, with L = 1, and a multiple of its slope."""

    channels, dim = 1, 2

    def __init__(self, factor: float, *, bends: float, mixed: float = 0.0) -> None:
        super().__init__()
        self.factor, self.bends, self.mixed = factor, bends, mixed

    def g(self, x: Tensor, sigma: float | Tensor | None = None) -> Tensor:
        del sigma
        far = (x.abs() - 3).clamp(min=0)
        bent = self.bends * (far - torch.log1p(far))  # only where no image of [0, 1] is
        huber = torch.where(x.abs() < 1, x.square() / 2, x.abs() - 0.5)
        return (huber - bent + self.mixed * x * x.mean(0)).flatten(1).sum(1)

    def grad(self, x: Tensor, sigma: float | Tensor | None = None) -> Tensor:
        with torch.enable_grad():
            start = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.g(start, sigma).sum(), start)
        return self.factor * slope.detach()

    def lipschitz(self) -> float:
        return 1.0

    def weak_convexity(self) -> float:
        return 0.0


def _verdict(prior: Prior) -> str:
    y = torch.rand(2, 1, 12, 12)
    return dx.imaging.reconstruct(None, prior, y, weight=0.1).certificate.verdict


def test_what_is_wrong_with_a_prior_only_away_from_the_run_is_seen() -> None:
    assert _verdict(_Said(1.0, bends=0.0)) == "holds"
    assert _verdict(_Said(1.0, bends=0.9)) == "refuted"
    assert _verdict(_Said(1.02, bends=0.0)) == "refuted"
    assert _verdict(_Said(1.0, bends=0.0, mixed=0.1)) != "holds"


class _Mixing:
    """An average over the batch, of which no single sample tells."""

    def __init__(self, *, forward: bool) -> None:
        self.forward = forward

    def A(self, x: Tensor) -> Tensor:  # noqa: N802
        return 0.7 * x + 0.3 * x.mean(0, keepdim=True) if self.forward else x

    def A_adjoint(self, y: Tensor) -> Tensor:  # noqa: N802
        return y if self.forward else 0.7 * y + 0.3 * y.mean(0, keepdim=True)


@pytest.mark.parametrize("mixing", [_Mixing(forward=True), _Mixing(forward=False)])
def test_operators_that_mix_samples_are_refused(mixing: _Mixing) -> None:
    y = torch.rand(2, 1, 8, 8)
    assert dx.imaging.as_physics(mixing, y[:1]).in_features == 1
    with pytest.raises(ValueError, match="samples of a batch separately"):
        dx.imaging.as_physics(mixing, y)


def test_a_lower_bound_that_one_pixel_breaks_is_refuted() -> None:
    mask = torch.ones(12, 12, dtype=torch.bool)
    mask[3, 4] = False
    physics = dx.imaging.Inpainting(mask)
    physics.lower_bound = lambda: torch.ones((), dtype=torch.float64)  # type: ignore[method-assign]
    prior = dx.imaging.RidgeRegularizer(filters=8, kernel_size=3)
    found = dx.imaging.reconstruct(physics, prior, torch.rand(1, 1, 12, 12))
    assert any("-‖A x‖ <=" in row.statement for row in found.certificate.refuted)


def _denoisers() -> list[dx.imaging.NonexpansiveDenoiser | dx.imaging.GradientDenoiser]:
    filters = dx.linear.Conv(1, 8, kernel_size=3, dim=2)
    field = dx.fields.GradientField(filters, dx.activations.Clip(8, dim=2, threshold=0.05))
    return [
        dx.imaging.NonexpansiveDenoiser(dx.models.denoiser(features=8, depth=2)),
        dx.imaging.GradientDenoiser(field),
    ]


@pytest.mark.parametrize("kind", [0, 1])
def test_noise_levels_of_denoisers(kind: int) -> None:
    denoiser, x = _denoisers()[kind], torch.rand(3, 1, 8, 8)
    with pytest.raises(ValueError, match="one for each of 1 samples"):
        denoiser(x[:1], torch.full((3,), 0.05))
    with pytest.raises(ValueError, match="one for each of 3 samples"):
        denoiser(x, torch.full((2,), 0.05))
    with pytest.raises(ValueError, match="0 or more"):
        denoiser(x, -0.05)
    with pytest.raises(TypeError, match="one number"):
        denoiser(x, "0.05")
    assert denoiser(x[:0], torch.zeros(0)).shape == (0, 1, 8, 8)


def test_a_denoiser_with_a_level_for_each_sample_is_attacked() -> None:
    denoiser = _denoisers()[0]
    levels = torch.tensor([0.02, 0.05, 0.09])
    found = dx.imaging.reconstruct(None, denoiser, torch.rand(3, 1, 12, 12), sigma=levels)
    assert found.certificate.verdict == "holds"
    none = dx.imaging.reconstruct(None, denoiser, torch.rand(0, 1, 12, 12), sigma=levels[:0])
    assert none.image.shape == (0, 1, 12, 12)


def test_images_without_samples_pixels_or_numbers() -> None:
    prior = dx.imaging.RidgeRegularizer(filters=8, kernel_size=3)
    assert dx.imaging.BilevelDenoiser(prior)(torch.rand(0, 1, 8, 8)).shape == (0, 1, 8, 8)
    with pytest.raises(ValueError, match="one pixel or more"):
        prior(torch.rand(1, 1, 0, 8))
    for wrong in (torch.rand(1, 3, 8, 8), torch.rand(8, 8)):
        with pytest.raises(ValueError, match="expected an image"):
            dx.imaging.BilevelDenoiser(prior)(wrong)
    with pytest.raises(ValueError, match="meta device"):
        dx.imaging.reconstruct(None, prior, torch.empty(1, 1, 8, 8, device="meta"))
