"""Attacks beside the exact distance to the boundary; radii that hold; statements that can fail."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from reproductions.adversarial_noise.networks import margins, nonexpansive
from reproductions.adversarial_noise.noise import accuracy, attacked, norms, random_noise
from reproductions.adversarial_noise.statements import judged, statements
from reproductions.adversarial_noise.training import KINDS, NONEXPANSIVE
from reproductions.common.classification import LabelledImages


class Halves(nn.Module):
    """Two classes, on both sides of a plane of distance 2 from the origin."""

    def forward(self, x):
        score = x.flatten(1).sum(dim=1) / 8 - 2
        return torch.stack([-score, score], dim=1)


DATA = LabelledImages(torch.zeros(3, 1, 8, 8), torch.zeros(3, dtype=torch.int64))


@pytest.mark.parametrize(("size", "right"), [(1.99, 1.0), (2.05, 0.0)])
def test_an_attack_finds_the_boundary_where_it_is(size, right):
    noise = attacked(Halves(), DATA, size, steps=40)
    assert float(norms(noise).max()) <= size * (1 + 1e-6)
    assert accuracy(Halves(), DATA, noise) == right


def test_random_noise_has_its_norm_and_does_not_find_it():
    noise = random_noise(DATA.images, 3.0)
    torch.testing.assert_close(norms(noise), torch.full((3,), 3.0))
    assert accuracy(Halves(), DATA, noise) == 1.0


def test_no_noise_within_the_radius_changes_an_answer():
    network = nonexpansive()
    images = torch.rand(20, 1, 8, 8)
    data = LabelledImages(images, network(images).argmax(dim=1))
    radii = network.radii(data)
    assert bool((radii > 0).all())
    for _ in range(5):
        noise = random_noise(images, 1.0) * (0.999 * radii)[:, None, None, None]
        assert accuracy(network, data, noise) == 1.0
    attack = attacked(network, data, float(radii.min()), steps=10)
    assert bool((margins(network(images + attack), data.classes) > -1e-6).all())


def test_a_certificate_that_an_attack_breaks_is_refuted():
    network = nonexpansive()
    data = LabelledImages(torch.rand(9, 1, 8, 8), torch.randint(10, (9,)))
    its = judged(network, data, (0.0, 0.5), 2)
    sound = SimpleNamespace(holds=True, verdict="holds")
    text = "no attack changes an answer within the certified radius"
    for inside, broken, holds in ((3, 0, True), (3, 1, False), (0, 0, False)):
        one = dataclasses.replace(its, inside=inside, broken=broken)
        found = statements({kind.name: [one] for kind in KINDS}, 0.5, sound, ahead=5)
        assert next(s for s in found if s.text == text).holds is holds
    loose = dataclasses.replace(its, stretch=1.1)
    runs = {kind.name: [loose if kind.name == NONEXPANSIVE else its] for kind in KINDS}
    assert not next(
        s for s in statements(runs, 0.5, sound, ahead=5) if "move scores" in s.text
    ).holds
