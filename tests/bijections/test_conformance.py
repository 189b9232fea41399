"""Every bijection of the catalogue: round trips, log-determinants, undo, tails, life cycle."""

import pytest
import torch

from darboux.bijections import Bijection
from darboux.structure import LogDeterminant, VolumePreserving, claims_of
from darboux.testing import LIFECYCLE, check_log_det, check_round_trip, check_tails, check_undo
from tests.catalogue.bijections import CASES, CONTEXTS, SHAPES, SKIPPED

BUILT = {case: build().eval() for case, build in CASES.items()}
CLAIMS = {case: claims_of(bijection) for case, bijection in BUILT.items()}
EXACT = [case for case, claims in CLAIMS.items() if claims.find(LogDeterminant)]
PRESERVING = [case for case, claims in CLAIMS.items() if claims.find(VolumePreserving)]
# The kit calls modules with their features alone, and the catalogue says what is refused by name.
LIVES = [
    (case, check)
    for case in CASES
    for check in LIFECYCLE
    if case not in CONTEXTS and check not in SKIPPED.get(case, ())
]
# Compiling takes longer than all else together: one case of each class in the fast suite.
COMPILED = {type(BUILT[case]): case for case, check in reversed(LIVES) if check == "compile"}


def is_slow(case, check):
    """Whether another case of the class is compiled already."""
    return check == "compile" and COMPILED[type(BUILT[case])] != case


def built(case):
    """A bijection in float64, its inputs and its context."""
    x = torch.randn(3, *SHAPES[case], dtype=torch.float64)
    given = CONTEXTS.get(case)
    context = None if given is None else torch.randn(3, *given, dtype=torch.float64)
    return randomised(CASES[case]()).double(), x, context


def randomised(bijection):
    """Move parameters that start as the identity."""
    with torch.no_grad():
        for parameter in bijection.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return bijection.eval()


@pytest.mark.parametrize("case", CASES)
def test_is_a_bijection(case):
    bijection, x, context = built(case)
    assert isinstance(bijection, Bijection)
    check_round_trip(bijection, x, context)


@pytest.mark.parametrize("case", CASES)
def test_float32(case):
    bijection, x, context = built(case)
    given = None if context is None else context.float()
    check_round_trip(bijection.float(), x.float(), given)


@pytest.mark.parametrize("case", EXACT)
def test_log_det(case):
    check_log_det(*built(case))


@pytest.mark.parametrize("case", CASES)
def test_retracing(case):
    check_undo(*built(case))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", CASES)
def test_tails(case, dtype):
    bijection, x, context = built(case)
    given = None if context is None else context.to(dtype)
    check_tails(bijection.to(dtype), x.to(dtype), given)


@pytest.mark.parametrize("case", PRESERVING)
def test_volume(case):
    bijection, x, context = built(case)
    assert not bijection.forward_and_log_det(x, context)[1].any()


@pytest.mark.parametrize(
    ("case", "check"),
    [pytest.param(*one, marks=[pytest.mark.slow] * is_slow(*one)) for one in LIVES],
)
def test_lifecycle(case, check):
    torch.manual_seed(0)
    x = torch.randn(2, *SHAPES[case])
    LIFECYCLE[check](lambda: randomised(CASES[case]()).train(), x)


def along(f):
    """Return the derivative in forward mode."""
    return lambda t: torch.func.jvp(f, (t,), (torch.ones_like(t),))[1]


FEW = ["linear_bijections-periodic-2d", "residual_bijections-residual-dense-bounded"]


@pytest.mark.parametrize(
    "case", [*FEW, *(pytest.param(c, marks=pytest.mark.slow) for c in EXACT if c not in FEW)]
)
def test_second_derivatives(case):
    """The same in forward and reverse mode: torch's determinants lose terms in the former."""
    bijection, x, context = built(case)
    given = () if context is None else (context,)
    weights = {name: p.detach() for name, p in bijection.named_parameters()}
    ways = {name: torch.randn_like(p) / 10 for name, p in weights.items()}
    way = torch.randn_like(x)

    def f(t):
        moved = {f"0.{name}": p + t * ways[name] for name, p in weights.items()}
        inputs = (x + t * way, *given)
        y, log_det = torch.func.functional_call(_WithLogDet(bijection), moved, inputs)
        return y.sin().sum() + log_det.sum()

    t = torch.tensor(0.05, dtype=torch.float64)
    torch.testing.assert_close(along(along(f))(t), torch.func.grad(torch.func.grad(f))(t))


class _WithLogDet(torch.nn.Sequential):
    def forward(self, x, *context):
        return self[0].forward_and_log_det(x, *context)
