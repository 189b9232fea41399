"""Every density and bijection of the catalogue through state, dtypes, transforms, compilation."""

import pytest
import torch

from darboux.density import FlowDistribution
from darboux.testing import LIFECYCLE, check_round_trip, check_undo
from tests.catalogue.density import BASES, BIJECTIONS, CONTEXTS, FLOWS, SHAPES
from tests.density.maps import LogDensity

EXACT = ["logit", "continuous-symmetric"]  # the others come back up to discretisation
# implicit methods iterate until they converge, which depends on values
REFUSED = {
    ("continuous-symmetric", "vmap"): "Put the samples on the first axis",
    ("continuous-symmetric", "compile"): r"expected eager execution; got torch\.compile",
}


def features(name, *, dtype=torch.float32):
    """Inputs and context of a case; those of the logit map lie in its domain."""
    x = torch.randn(3, *SHAPES[name], dtype=dtype)
    x = x.sigmoid() if name.startswith("logit") else x
    context = torch.randn(3, *CONTEXTS[name], dtype=dtype) if name in CONTEXTS else None
    return x, context


# compiling is slow: one case of each class in the fast suite
COMPILED = ("logit", "continuous")
LIVES = [
    pytest.param(
        name, check, marks=[pytest.mark.slow] * (check == "compile" and name not in COMPILED)
    )
    for name in BIJECTIONS
    for check in LIFECYCLE
    if name not in CONTEXTS
]


@pytest.mark.parametrize(("name", "check"), LIVES)
def test_bijections(name, check):
    if (name, check) in REFUSED:
        with pytest.raises(Exception, match=REFUSED[name, check]):
            LIFECYCLE[check](BIJECTIONS[name], features(name)[0])
    else:
        LIFECYCLE[check](BIJECTIONS[name], features(name)[0])


class Conditioned(torch.nn.Module):
    """A conditioned bijection with the features as the last argument."""

    def __init__(self, bijection):
        super().__init__()
        self.bijection = bijection

    def forward(self, context, x):
        return self.bijection(x, context[: len(x)])


# vmap and batch_is_loop split x only, and every sample has its own context
@pytest.mark.parametrize("check", sorted(set(LIFECYCLE) - {"vmap", "batch_is_loop", "compile"}))
def test_conditioned_bijection(check):
    x, context = features("continuous-conditioned")
    LIFECYCLE[check](lambda: Conditioned(BIJECTIONS["continuous-conditioned"]()), (context, x))


# compiling is slow, and twice below: of densities together with samples
@pytest.mark.parametrize("check", sorted(set(LIFECYCLE) - {"compile"}))
@pytest.mark.parametrize("name", [*FLOWS, *BASES])
def test_densities(name, check):
    x, context = features(name)
    if name in CONTEXTS and check in ("vmap", "batch_is_loop"):
        pytest.skip("the check splits x only, and every sample has its own context")

    def build():
        return LogDensity(FLOWS[name]()) if name in FLOWS else Based(BASES[name]())

    LIFECYCLE[check](build, x if context is None else (context, x))


class Based(torch.nn.Module):
    """log q(z), (batch, 1)."""

    def __init__(self, base):
        super().__init__()
        self.base = base

    def forward(self, z):
        return self.base(z).unsqueeze(-1)


@pytest.mark.parametrize("name", EXACT)
def test_there_and_back(name):
    x, context = features(name, dtype=torch.float64)
    bijection = BIJECTIONS[name]().double()
    check_round_trip(bijection, x, context)
    check_undo(bijection, x, context)


@pytest.mark.parametrize("name", sorted(set(BIJECTIONS) - set(EXACT)))
def test_round_trips_improve_with_the_steps(name):
    x, context = features(name, dtype=torch.float64)
    flow = BIJECTIONS[name]().double()
    errors = []
    for steps in (3, 12):
        flow.steps = steps
        errors.append(float(flow.discretisation_error(x, context).round_trip.max()))
    assert errors[1] < errors[0] / 4**3  # order 4 would be 4**4


@pytest.mark.parametrize(
    "name", ["linear", pytest.param("conditioned-flow", marks=pytest.mark.slow)]
)
@pytest.mark.long
def test_distributions_compile_with_their_samples(name):
    x, context = features(name)
    flow = FLOWS[name]()
    assert isinstance(flow(context), FlowDistribution)

    def both(x, context):
        return flow(context).log_prob(x), flow(context).sample((4,))

    torch.compiler.reset()
    log_prob, drawn = torch.compile(both, fullgraph=True, backend="aot_eager")(x, context)
    torch.testing.assert_close(log_prob, flow.log_prob(x, context))
    assert drawn.shape == flow(context).sample((4,)).shape


def test_estimated_traces_refuse_vmap_by_name():
    flow = BIJECTIONS["continuous-images"]()
    flow.trace = "hutchinson"

    def single(x):
        return flow.forward_and_log_det(x.unsqueeze(0))[1]

    with pytest.raises(RuntimeError, match="random"):
        torch.func.vmap(single)(torch.randn(2, 2, 3, 3))
