"""Errors against the number of training images: the quick run, fits and ratios known exactly."""

import pytest

from reproductions import sample_complexity as module
from reproductions.sample_complexity.curves import AUGMENTED, EQUIVARIANT, ORDINARY, Curve


def power(factor, exponent, counts=(10, 100, 1000)):
    """A curve on a power law."""
    return Curve(counts, tuple((factor * n**exponent,) for n in counts), 100)


@pytest.fixture(scope="module")
def result(reproduced):
    return reproduced("sample-complexity")[0]


def test_the_quick_run_shows_what_the_full_one_does(result):
    assert result.holds, str(result)
    for name in (ORDINARY, AUGMENTED, EQUIVARIANT):
        assert 0 <= result.numbers[f"test error in %, N = 300, {name}"] <= 100


def test_a_power_law_is_found():
    exponent, factor = power(80.0, -0.5).fit()
    assert (exponent, factor) == (pytest.approx(-0.5), pytest.approx(80.0))


@pytest.mark.parametrize("times", [2.0, 8.0])
def test_the_ratio_of_two_shifted_power_laws(times):
    fewer = power(50.0, -0.5)
    more = power(50.0 * times**0.5, -0.5)
    ratios = more.ratios(fewer)
    assert ratios
    assert list(ratios.values()) == pytest.approx([times] * len(ratios))


def test_errors_that_are_not_reached_do_not_count():
    assert power(50.0, -0.5).needed(60.0) is None
    assert power(50.0, -0.5).needed(0.1) is None
    assert power(100.0, -0.1).ratios(power(1.0, -0.5)) == {}


def test_an_error_of_zero_is_no_failure():
    curve = Curve((10, 100), ((5.0,), (0.0,)), 1)
    assert curve.exponent < -2
    assert 10 < curve.needed(0.5) < 100


def test_means_are_over_the_runs():
    assert Curve((1, 2), ((1.0, 3.0), (0.0, 1.0)), 1).means == [2.0, 0.5]


def test_statements_can_fail():
    found = {ORDINARY: power(50.0, -0.5), AUGMENTED: power(30.0, -0.5)}
    found[EQUIVARIANT] = power(40.0, -0.5)
    assert module._lower(found, ORDINARY).holds
    assert not module._lower(found, AUGMENTED).holds
    assert not module._saves(found).holds  # 1.6 times as many
    assert module._saves({**found, EQUIVARIANT: power(20.0, -0.5)}).holds


def test_curves_that_share_no_error_are_told_apart():
    high, low = power(90.0, -0.01), power(30.0, -0.5)
    assert module._saves({ORDINARY: high, EQUIVARIANT: low}).holds
    assert not module._saves({ORDINARY: low, EQUIVARIANT: high}).holds
