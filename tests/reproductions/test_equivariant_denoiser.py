"""The rectangles of Figure 3: how they are drawn and turned, and what would refute it."""

import math

import pytest
import torch
from torch import nn

from reproductions import equivariant_denoiser as module
from reproductions.equivariant_denoiser.data import Rectangles, noisy, rectangles
from reproductions.equivariant_denoiser.measures import disc, errors_at, quarter_turn_error
from reproductions.equivariant_denoiser.statements import (
    EQUIVARIANT,
    ORDINARY,
    Run,
    reached,
    statements,
)
from reproductions.equivariant_denoiser.training import (
    EPSILON,
    SMOOTHNESS,
    Setting,
    Trained,
    objective,
    trained,
)

TINY = Setting(width=16, batch=2, iterations=4, runs=2, side=16, crop=8, held_out=2, every=2)


@pytest.fixture
def pictures():
    return rectangles(5, side=20, generator=torch.Generator().manual_seed(3))


def test_the_quick_run_shows_what_the_full_one_does(reproduced):
    result, _ = reproduced("equivariant-denoiser")
    assert result.holds, str(result)


def test_turned_by_nothing_is_the_picture_on_the_grid(pictures):
    assert torch.equal(pictures.turned(0.0), pictures.on_grid())


@pytest.mark.parametrize("turns", [1, 2, 3, 4])
def test_quarter_turns_are_exact(pictures, turns):
    found = pictures.turned(turns * math.pi / 2)
    assert torch.equal(found, pictures.on_grid().rot90(turns, dims=(2, 3)))


@pytest.mark.parametrize("degrees", [15, 30, 45, 77])
def test_areas_of_turned_rectangles(degrees):
    """A rectangle well inside keeps its area and its middle."""
    boxes = torch.tensor([[[[10, 24], [13, 21]]]])
    picture = Rectangles(boxes, torch.tensor([[[0.0] * 3, [1.0] * 3]]), 32)
    shown = picture.turned(math.radians(degrees))[0, 0].double()
    assert float(shown.sum()) == pytest.approx(14 * 8, rel=0.01)
    axis = torch.arange(32) - 15.5
    middle = torch.stack([(shown * axis[:, None]).sum(), (shown * axis).sum()]) / shown.sum()
    expected = _turned((1.0, 1.0), math.radians(degrees))
    assert middle.tolist() == pytest.approx(expected, abs=0.03)


def _turned(point, angle):
    cosine, sine = math.cos(angle), math.sin(angle)
    return [cosine * point[0] - sine * point[1], sine * point[0] + cosine * point[1]]


def test_later_rectangles_cover_earlier_ones():
    boxes = torch.tensor([[[[0, 2], [0, 2]], [[1, 3], [1, 3]]]])
    colours = torch.tensor([[[0.0] * 3, [0.5] * 3, [1.0] * 3]])
    shown = Rectangles(boxes, colours, 3).on_grid()[0, 0]
    assert shown.tolist() == [[0.5, 0.5, 0.0], [0.5, 1.0, 1.0], [0.0, 1.0, 1.0]]


def test_rectangles_lie_in_the_image_and_follow_the_generator(pictures):
    starts, ends = pictures.boxes.unbind(-1)
    assert bool((starts >= 0).all() and (ends <= 20).all() and (starts < ends).all())
    again = rectangles(5, side=20, generator=torch.Generator().manual_seed(3))
    assert torch.equal(again.on_grid(), pictures.on_grid())


def test_noise_has_its_deviation():
    added = noisy(torch.ones(3, 100, 100), noise=0.3) - 1
    assert float(added.std()) == pytest.approx(0.3, rel=0.05)


def test_the_objective_by_hand():
    error = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    error[0, 0, 0, 0] = 3.0
    expected = 9 / 4 + SMOOTHNESS * (math.sqrt(18 + EPSILON**2) - EPSILON)
    assert float(objective(error, torch.zeros_like(error))) == pytest.approx(expected)


def test_only_the_disc_counts():
    shown = disc(20)
    assert torch.equal(shown, shown.rot90(1, dims=(0, 1)))
    assert not shown[0, 0]
    assert bool(shown[0, 9] and shown[9, 0])


def test_errors_at_angles_are_those_of_the_noise():
    errors = errors_at(nn.Identity(), Setting(width=0, batch=1, iterations=1, runs=1), seed=0)
    assert errors.keys() == {0, 15, 30, 45, 90}
    assert list(errors.values()) == pytest.approx([0.01] * 5, rel=0.05)


def test_what_commutes_and_what_does_not():
    assert quarter_turn_error(nn.Identity(), TINY, seed=0) == 0
    shift = nn.ZeroPad2d((1, -1, 0, 0))
    assert quarter_turn_error(shift, TINY, seed=0) > 0.1


def test_equal_seeds_train_equally():
    def errors(seed):
        torch.manual_seed(0)
        return trained(nn.Conv2d(3, 3, 3, padding=1), TINY, rate=0.1, seed=seed).errors

    assert errors(1) == errors(1)
    assert errors(1) != errors(2)


def test_training_lowers_the_error_of_a_scale():
    network = nn.Conv2d(3, 3, 1)
    setting = Setting(width=0, batch=2, iterations=200, runs=1, side=16, crop=16, every=20)
    errors = trained(network, setting, rate=0.03, seed=0).errors
    assert len(errors) == 10
    assert errors[-1] < 0.2 * errors[0]


@pytest.mark.parametrize(("side", "what"), [(TINY.crop, "loss"), (TINY.side, "held-out error")])
def test_errors_that_are_not_finite_are_refused(side, what):
    class Overflowing(nn.Conv2d):
        def forward(self, x):
            return super().forward(x) * (math.inf if x.shape[-1] == side else 1)

    with pytest.raises(FloatingPointError, match=f"Expected a finite {what}"):
        trained(Overflowing(3, 3, 1), TINY, rate=0.1, seed=0)


def run(errors, ratios=(1.0, 1.0, 1.0), quarter=0.0):
    turned = dict(zip((15, 30, 45), ratios, strict=True))
    return Run(Trained(nn.Identity(), [1.0], list(errors), 1.0), {0: 1.0, **turned}, quarter)


FINE = run([0.4, 0.1]), run([0.8, 0.5], ratios=(1.1, 1.2, 1.3), quarter=1.0)


@pytest.mark.parametrize(
    ("mine", "expected"),
    [
        (FINE[0], [True] * 6),
        (run([0.4, 0.6]), [False] + [True] * 5),
        (run([0.6, 0.1]), [True, False] + [True] * 4),
        (run([0.6, 0.5]), [False, False] + [True] * 4),
        (run([0.4, 0.1], ratios=(1.0, 1.2, 1.3)), [True] * 3 + [False] * 2 + [True]),
        (run([0.4, 0.1], quarter=1e-4), [True] * 5 + [False]),
    ],
)
def test_every_run_counts(mine, expected):
    runs = {ORDINARY: [FINE[1]] * 2, EQUIVARIANT: [FINE[0], mine]}
    assert [s.holds for s in statements(runs, every=10)] == expected


def test_the_iteration_that_undercuts():
    assert reached([3.0, 2.0, 1.0], 2.0, every=5) == 15
    assert reached([3.0], 3.0, every=5) is None


@pytest.mark.slow  # the quick run compares as well
def test_any_size_can_be_compared(tmp_path):
    result = module.compared(tmp_path, TINY, seed=1)
    assert all(path.stat().st_size > 0 for path in result.files)
    assert "width 16 (" in result.lead
    assert len(result.statements) == 6
    assert math.isfinite(result.numbers["error at 45°, ordinary, run 2"])
