"""The parts of the control experiments: data, networks, and that statements can fail."""

from dataclasses import replace

import pytest
import torch

from reproductions.optimal_control.data import PROBLEMS, ball_in_shell
from reproductions.optimal_control.networks import KINDS, NET, SIMPLEX
from reproductions.optimal_control.statements import Bars, statements
from reproductions.optimal_control.training import Size, evolved, learned_steps, runge_kutta

SIZE = Size(points=30, more_points=30, iterations=4, more_iterations=3, newton=2, shown=20)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", PROBLEMS)
def test_points_have_their_classes(name):
    x, c = PROBLEMS[name](600, seeded())
    assert x.shape == (600, 2)
    assert set(c.tolist()) == {0.0, 1.0}
    radius = x.norm(dim=1)
    if name.startswith("donut"):
        share = {"donut in 1-D": 1 / 3, "donut in 2-D": 1 / 2}[name]
        assert float(c.mean()) == pytest.approx(share, abs=0.01)
        assert radius[c == 1].mean() < radius[c == 0].mean() - 0.2
    if name == "squares":
        assert float((c == (x.prod(dim=1) > 0)).double().mean()) > 0.7
    if name == "spiral":  # the arms are each other's mirror images
        assert float((x[c == 0].mean(dim=0) + x[c == 1].mean(dim=0)).norm()) < 0.05


def test_the_shell_is_around_the_ball():
    x, c = ball_in_shell(400, seeded())
    assert x[c == 1].norm(dim=1).mean() < 0.4 < 0.7 < x[c == 0].norm(dim=1).mean()


def test_layers_without_identity_are_plain_ones():
    kind = next(each for each in KINDS if each.name == NET)
    flow, x = kind.make(3), torch.randn(5, 2, dtype=torch.float64)
    wanted = x
    for field in flow.fields:
        wanted = torch.tanh(wanted @ field.inner.map.weight.T + field.inner.bias)
    torch.testing.assert_close(flow(x), wanted)


def test_statements_fail_where_they_should():
    runs, methods = learned_steps(SIZE, 0), runge_kutta(SIZE, 0)
    shown = {"ball": evolved(ball_in_shell(20, seeded()), SIZE)}
    bars = Bars(learned=0.0, moved=0.0, ratio=10.0)

    def failing(of):
        return [said.text for said in statements(shown, of, methods, bars) if not said.holds]

    usual = failing(runs)
    assert not any("simplex" in text or "raises" in text for text in usual)
    name = next(iter(runs))
    risen = replace(runs[name][SIMPLEX], objectives=(1.0, 2.0))
    broken = {**runs, name: {**runs[name], SIMPLEX: risen}}
    assert any("no iteration raises" in text for text in failing(broken))
    free = {**runs, name: {**runs[name], SIMPLEX: runs[name][NET]}}
    assert any("sum to 1" in text for text in failing(free))
    strict = Bars(learned=1.01, moved=1.01, ratio=0.0)
    assert len([s for s in statements(shown, runs, methods, strict) if not s.holds]) >= 3
