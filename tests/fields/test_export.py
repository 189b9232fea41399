"""`torch.export` of fields: a program that computes the same, or a refusal that says why."""

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from darboux.testing import check_export
from tests.catalogue.fields import general, passive, phase
from tests.lifecycles import once_a_class

ROOMS = {"general": general, "phase": phase, "passive": passive}
# those that differentiate an energy: by a sentence, which is quick
REFUSED = ("learned", "separable", "extended", "port", "interconnection", "divergence")
CASES = [
    pytest.param(room, *case.values, marks=case.marks or ([] if quick else pytest.mark.slow))
    for room, module in ROOMS.items()
    for case in once_a_class(module.CASES)
    for quick in [case.id.startswith(REFUSED)]
]


def built(room, name):
    field = ROOMS[room].CASES[name]()
    features, dim = ROOMS[room].features_of(field)
    return field, torch.randn(2, features, *(5, 4, 3)[:dim])


@pytest.mark.parametrize(("room", "name"), CASES)
def test_export(room, name):
    field, z = built(room, name)
    check_export(lambda: field, (0.25, z))


@pytest.mark.parametrize(
    ("room", "name"), [("phase", "learned-1-network"), ("passive", "port-network-damped")]
)
def test_what_the_refusal_advises(room, name):
    field, z = built(room, name)
    with pytest.raises(RuntimeError, match=r"The slope of an energy: expected .* got torch\.exp"):
        torch.export.export(field, (0.25, z))
    with torch.no_grad():
        graph = make_fx(lambda z: field(0.25, z))(z)
        program = torch.export.export(graph, (z,))
        torch.testing.assert_close(program.module()(2 * z), field(0.25, 2 * z))
