"""The parts of the tracks of data: rows of networks, starts, prices; and that it can fail."""

import dataclasses
import math

import pytest
import torch
from torch.testing import assert_close

from darboux.transport import kinetic_energy
from reproductions.geodesics.data import Task
from reproductions.geodesics.measures import mean, measured
from reproductions.geodesics.networks import IDENTITY, KINDS, PLAIN, RESIDUAL, Row
from reproductions.geodesics.statements import Found, statements
from reproductions.geodesics.training import Price, trained
from reproductions.geodesics.transformer import Transformer, _patches, trained_tokens


def task(features=3, name="noise"):
    x = torch.randn(60, features)
    return Task(name, x, (x[:, 0] > 0).long(), x[:40], (x[:40, 0] > 0).long())


@pytest.mark.parametrize("kind", KINDS)
def test_networks_of_a_row_know_nothing_of_each_other(kind):
    row, x = Row(kind, 2, task(), 3), torch.randn(5, 3)
    row.repeat(2)
    scores = row(x.expand(4, 5, 3))
    assert_close(scores[0], scores[2])
    with torch.no_grad():
        for p in row.parameters():
            p[0] += 1
    changed = (row(x.expand(4, 5, 3)) != scores).flatten(1).any(dim=1)
    assert changed.tolist() == [True, False, False, False]
    squares = [p[1].square().sum() for p in row.parameters() if p.shape[1] > 1]
    assert_close(row.squares()[1], torch.stack(squares).sum())


def test_plain_networks_from_identity_are_near_it_and_others_are_not():
    x = torch.randn(1, 200, 24)
    with torch.no_grad():
        moved = {
            kind: float((Row(kind, 1, task(24), 400).blocks[0](x) - x).norm() / x.norm())
            for kind in KINDS
        }
    assert moved[IDENTITY] < 0.1
    assert moved[RESIDUAL] < 0.1
    assert moved[PLAIN] > 0.9


def test_trainings_repeat_and_prices_start_alike():
    prices = [Price(), Price(decay=0.1), Price(energy=0.1)]
    noise = task()
    one, two = (trained(noise, RESIDUAL, 3, prices, runs=2, steps=20, seed=4) for _ in range(2))
    assert [t.after for t in one] == [t.after for t in two]
    assert [t.price for t in one] == [p for p in prices for _ in range(2)]
    assert one[0].before == one[2].before == one[4].before != one[1].before
    free, dear = (float(kinetic_energy(one[k].states).mean()) for k in (0, 4))
    assert dear < free


def test_measures_are_those_of_the_formulas():
    line = torch.lerp(*torch.randn(2, 50, 3), torch.linspace(0, 1, 5)[:, None, None])
    found = measured(line)
    assert found.score == pytest.approx(1)
    assert found.energy == pytest.approx(1)
    assert found.straight == pytest.approx(0.5)
    assert len(found.deviation) == 5
    assert str(mean([1.0, 3.0])) == "2.00 ± 1.00"


def test_what_is_not_a_number_is_in_every_mean():
    assert str(mean([1.0, 2.0])) == "1.50 ± 0.50"
    for values in ([], [1.0, math.nan], [math.nan, 1.0]):
        assert str(mean(values)) == "nan ± nan"


def test_patches_are_parts_of_the_image():
    image = torch.arange(64.0)
    assert _patches(image[None])[0, 1].tolist() == [2, 3, 10, 11]
    assert Transformer(1)(_patches(torch.randn(3, 64))).shape == (3, 10)


def test_statements_are_refuted_where_kinds_are_exchanged():
    pytest.importorskip("sklearn")
    prices = [Price(), Price(decay=0.02)]
    options = {"runs": 2, "steps": 10, "seed": 0}
    networks = [
        t
        for each in (task(name="digits"), task(2, name="spiral"))
        for kind in KINDS
        for t in trained(each, kind, 4, prices, **options)
    ]
    other = {PLAIN: RESIDUAL, RESIDUAL: PLAIN, IDENTITY: IDENTITY}
    found = Found(
        [dataclasses.replace(t, kind=other[t.kind]) for t in networks],
        [t for t in networks if (t.kind, t.task) == (PLAIN, "digits")],
        {0.0: [trained_tokens(2, 0.0, steps=1, seed=0)]},
    )
    said = statements(found)
    refuted = " ".join(s.text for s in said if not s.holds)
    for words in ("of every ResNet is at most", "ResNets are straighter", "for every task"):
        assert words in refuted
