"""Reconstructions: operators, networks for one problem, tuning; statements can fail."""

import math

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.structure import Averaged, claims_of
from reproductions.image_reconstruction.data import (
    PHANTOM,
    TUNING,
    crops,
    middle,
    training_images,
    tuning_image,
    unseen_images,
)
from reproductions.image_reconstruction.measures import Curve, Spread, qualities
from reproductions.image_reconstruction.methods import (
    AVERAGED,
    FREE,
    Finer,
    Method,
    iterates,
    tuned,
)
from reproductions.image_reconstruction.networks import Neumann, Unrolled
from reproductions.image_reconstruction.problems import Problem, problems
from reproductions.image_reconstruction.statements import (
    better,
    diverges,
    equivariant,
    under,
    within,
)

SIDE = 16


@pytest.fixture
def image():
    return tuning_image(SIDE)


@pytest.mark.parametrize("name", list(problems(SIDE)))
def test_data_are_what_the_operator_makes_with_noise_fixed_by_the_seed(name, image):
    problem = problems(SIDE)[name]
    y = problem.data(image, seed=1)
    assert torch.equal(y, problem.data(image, seed=1))
    noise = y - problem.physics(image)
    assert float(noise.std()) == pytest.approx(problem.noise * problem.scale**0.5, rel=0.2)


def test_no_test_image_is_learned_from():
    assert TUNING in training_images()
    known = {name.split(".")[0] for name in training_images()}
    images = unseen_images(SIDE)
    assert not known & set(images)
    assert {x.shape for x in images.values()} == {(1, 1, SIDE, SIDE)}
    assert PHANTOM in images
    assert all(0 <= float(x.min()) <= float(x.max()) <= 1 for x in images.values())


def test_crops_lie_in_the_image():
    ramp = torch.arange(400.0).reshape(1, 20, 20)
    crop = crops({"ramp": ramp}, 5, torch.Generator().manual_seed(0))
    assert crop.shape == (1, 1, 5, 5)
    assert len(crop.unique()) == 25
    assert torch.equal(middle(ramp, 2).flatten(), torch.tensor([189.0, 190.0, 209.0, 210.0]))


def test_networks_begin_as_gradient_steps_and_a_neumann_series():
    """With Φ = 0 they are Landweber's iteration, whose limit is A⁻¹ y."""
    x = torch.rand(1, 1, SIDE, SIDE)
    blur = dx.imaging.Blur(torch.tensor([[0.0, 0.1, 0.0], [0.1, 0.6, 0.1], [0.0, 0.1, 0.0]]))
    for network in (Unrolled, Neumann):
        made = network(blur, steps=200, width=2).requires_grad_(requires_grad=False)
        for layer in made.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.zero_()
                layer.bias.zero_()
        assert float((made(blur(x)) - x).norm() / x.norm()) < 1e-3


def test_finer_denoisers_keep_their_claim():
    denoiser = dx.models.denoiser(features=8, units=8, depth=2).requires_grad_(requires_grad=False)
    finer = Finer(denoiser, 3.0)
    assert claims_of(finer).find(Averaged).structure == claims_of(denoiser).find(Averaged).structure
    x, y = torch.rand(2, 1, 1, 8, 8)
    assert float((finer(x) - finer(y)).norm()) <= float((x - y).norm())
    assert torch.allclose(Finer(denoiser, 1.0)(x), denoiser(x), atol=1e-6)
    assert claims_of(Finer(nn.Conv2d(1, 1, 3), 3.0)).find(Averaged) is None


def test_iterates_stop_where_numbers_end(image):
    problem = problems(SIDE)["deblurring"]
    residuals, images = iterates(lambda x: 1e20 * x, problem, image, iterations=50)
    assert len(residuals) < 10
    assert not math.isfinite(residuals[-1])
    assert all(bool(x.isfinite().all()) for x in images)


def test_tuning_finds_the_best_power_of_two(image):
    problem = Problem("none", dx.imaging.Blur(torch.ones(1, 1)), 0.0)
    method = Method(lambda p, y, w: y + abs(math.log2(w / 8)), 1.0)
    assert tuned(method, problem, image) == 8.0
    assert tuned(Method(method.call, 1.0, most=2.0), problem, image) == 2.0


def test_qualities_are_those_of_every_iterate():
    clean = torch.zeros(1, 1, 4, 4)
    assert qualities([clean + 0.1, clean + 0.01], clean) == pytest.approx([20.0, 40.0])


def test_statements_can_fail():
    low, high = torch.tensor([1.0, 0.5]), torch.tensor([2.0, 1.0])
    assert under(Curve(low, high), "").holds
    assert not under(Curve(high, low), "").holds
    assert within(Spread(1.0, 2.0), "").holds
    assert not within(Spread(2.0, 1.0), "").holds
    assert equivariant(1e-6, 1e-2).holds
    assert not equivariant(1e-2, 1e-2).holds
    assert not equivariant(1e-6, 1e-6).holds
    scores = {"a": {"x": 30.0, "y": 29.0}, "b": {"x": 30.0, "y": 29.0}}
    assert better(scores, "x", "y").holds
    assert not better({**scores, "c": {"x": 1.0, "y": 2.0}}, "x", "y").holds
    assert not better({**scores, "c": {"x": math.nan, "y": 2.0}}, "x", "y").holds


def test_only_equally_good_denoisers_are_compared():
    equal = {AVERAGED: 29.0, FREE: 29.1}
    lost = {AVERAGED: [20.0, 24.0], FREE: [20.0, 24.0, 10.0]}
    assert diverges(equal, lost, [1.0, 0.1, 2.0]).holds
    assert not diverges({**equal, FREE: 30.0}, lost, [1.0, 0.1, 2.0]).holds
    assert not diverges(equal, {**lost, FREE: [20.0, 24.0]}, [1.0, 0.1, 2.0]).holds
    assert not diverges(equal, {**lost, AVERAGED: [24.0, 20.0]}, [1.0, 0.1, 2.0]).holds
    assert not diverges(equal, lost, [1.0, 0.1, 0.1]).holds
