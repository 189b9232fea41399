"""Parts of the comparison of optimisers beside exact answers; and statements that can fail."""

import pytest
import torch

from reproductions.conformal_optimisers.descents import (
    ADAM,
    BALL,
    GD,
    NESTEROV,
    RELATIVISTIC,
    Descent,
    descend,
)
from reproductions.conformal_optimisers.functions import camelback, suite
from reproductions.conformal_optimisers.statements import conformal, fastest, reached, stable
from reproductions.conformal_optimisers.tuning import built, race


def functions():
    return [camelback(5), *suite(torch.Generator().manual_seed(0))]


@pytest.mark.parametrize("k", range(4))
def test_slopes_are_those_of_the_values(k):
    function = functions()[k]
    point = [(x + 0.1 * torch.randn_like(x)).requires_grad_() for x in function.start]
    slopes = torch.autograd.grad(function.value(point), point)
    for i, slope in enumerate(slopes):
        torch.testing.assert_close(function.slope([x.detach() for x in point], i), slope)


@pytest.mark.parametrize("method", [GD, BALL, NESTEROV, RELATIVISTIC, ADAM])
def test_trials_are_steps_of_the_optimiser(method):
    """Of all together, by formulas: as many steps to the same value."""
    function = functions()[0]
    how = {"lr": 0.02, "momentum": 0.8, "delta": 0.0, "alpha": 1.0}
    how |= {GD: {"momentum": 0.0}, NESTEROV: {"alpha": 0.0}}.get(method, {})
    if method == RELATIVISTIC:
        how |= {"delta": 3.0, "alpha": 0.7}
    optimiser = descend(function, built(method, how))
    last = race(function, method, {n: torch.tensor([x]).double() for n, x in how.items()})
    far = (optimiser.values[-1] / function.goal).log10()
    torch.testing.assert_close(last[0], function.steps * (1 + far))


def test_statements_can_fail():
    never = Descent(torch.ones(3), torch.zeros(3, 2), None)
    fast = Descent(torch.tensor([1.0, 0.0]), torch.zeros(2, 2), 1)
    assert not reached({RELATIVISTIC: never})[0].holds
    function = functions()[1]
    assert not fastest(function, {RELATIVISTIC: never, BALL: fast}).holds
    assert fastest(function, {RELATIVISTIC: fast, BALL: never}).holds
    assert not conformal({"heavy ball": 1e-9})[0].holds
    assert not stable({"Nesterov": 1.5})[0].holds
