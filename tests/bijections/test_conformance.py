"""Every bijection of the catalogues: round trips, log-determinants, undo, tails, life cycle."""

import importlib

import pytest
import torch

from darboux.bijections import Bijection
from darboux.structure import LogDeterminant, VolumePreserving, claims_of
from darboux.testing import LIFECYCLE, check_log_det, check_round_trip, check_tails, check_undo

ROOMS = ["couplings", "linear_bijections", "residual_bijections", "chains"]
MODULES = {room: importlib.import_module(f"tests.catalogue.{room}") for room in ROOMS}
CASES = {
    f"{room}-{name}": (module, name) for room, module in MODULES.items() for name in module.CASES
}
BUILT = {case: module.CASES[name]().eval() for case, (module, name) in CASES.items()}
CLAIMS = {case: claims_of(bijection) for case, bijection in BUILT.items()}
EXACT = [case for case, claims in CLAIMS.items() if claims.find(LogDeterminant)]
PRESERVING = [case for case, claims in CLAIMS.items() if claims.find(VolumePreserving)]
# The kit calls modules with their features alone, and catalogues say what is refused by name.
LIVES = [
    (case, check)
    for case, (module, name) in CASES.items()
    for check in LIFECYCLE
    if name not in getattr(module, "CONTEXTS", {})
    and check not in getattr(module, "SKIPPED", {}).get(name, ())
]
# Compiling takes longer than all else together: one case of each class in the fast suite.
COMPILED = {type(BUILT[case]): case for case, check in reversed(LIVES) if check == "compile"}


def is_slow(case, check):
    """Whether another case of the class is compiled already."""
    return check == "compile" and COMPILED[type(BUILT[case])] != case


def built(case):
    """A bijection in float64, its inputs and its context."""
    module, name = CASES[case]
    shape = module.SHAPES[name]
    given = getattr(module, "CONTEXTS", {}).get(name)
    x = torch.randn(3, *shape, dtype=torch.float64)
    context = None if given is None else torch.randn(3, *given, dtype=torch.float64)
    return randomised(module.CASES[name]()).double(), x, context


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
    module, name = CASES[case]
    torch.manual_seed(0)
    x = torch.randn(2, *module.SHAPES[name])
    LIFECYCLE[check](lambda: randomised(module.CASES[name]()).train(), x)
