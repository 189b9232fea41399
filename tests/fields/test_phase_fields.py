"""Every field on phase space keeps what it declares."""

import pytest
import torch

import darboux as dx
from darboux.testing import (
    LIFECYCLE,
    check_canonical,
    check_constants,
    check_divergence_free,
    check_gradient_form,
    check_part_flows,
    check_prepare,
    check_reversible,
    check_separable,
    check_shape,
    check_time,
)
from tests.catalogue.fields.phase import CASES, features_of
from tests.lifecycles import lifecycle_cases


def names(attribute):
    return [name for name, build in CASES.items() if getattr(build(), attribute)]


def states(field, dtype=torch.float64):
    channels, dim = features_of(field)
    return torch.randn(2, channels, *(5, 4, 3)[:dim], dtype=dtype)


def randomised(name):
    """A field of the catalogue in float64 whose biases are not zero."""
    field = CASES[name]().double()
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return field


@pytest.mark.parametrize("name", CASES)
def test_shape_constants_and_binding(name):
    field = CASES[name]()
    check_shape(field, states(field, torch.float32))
    check_prepare(field, states(field, torch.float32))
    field = randomised(name)
    check_shape(field, states(field))
    check_constants(field, states(field), pairs=60)


@pytest.mark.parametrize("name", CASES)
def test_time(name):
    field = randomised(name)
    check_time(field, states(field))


@pytest.mark.parametrize("name", names("canonical"))
def test_canonical(name):
    field = randomised(name)
    check_canonical(field, states(field))
    check_gradient_form(field, states(field))


@pytest.mark.parametrize("name", names("separable"))
def test_separable(name):
    field = randomised(name)
    check_separable(field, states(field))
    check_part_flows(field, states(field))


@pytest.mark.parametrize("name", names("divergence_free"))
def test_divergence_free(name):
    field = randomised(name)
    check_divergence_free(field, states(field))


@pytest.mark.parametrize("name", names("reversible"))
def test_reversible(name):
    field = randomised(name)
    check_reversible(field, states(field))


@pytest.mark.parametrize(("name", "check"), lifecycle_cases(CASES))
def test_lifecycle(name, check):
    example = 0.3, states(CASES[name](), torch.float32)
    LIFECYCLE[check](CASES[name], example)


def test_nothing_is_declared_that_the_class_does_not_know():
    declared = {
        name: [what for what in ("canonical", "separable", "reversible") if getattr(field, what)]
        for name, field in ((name, build()) for name, build in CASES.items())
    }
    assert declared["coupled-1-sigmoid"] == ["separable"]
    assert declared["coupled-3-reversible"] == ["separable", "reversible"]
    assert declared["hamiltonian-1-tanh"] == ["canonical", "separable"]
    assert declared["hamiltonian-2-reversible"] == ["canonical", "separable", "reversible"]
    assert declared["learned-1-network"] == ["canonical"]
    assert declared["extended-2-autonomous"] == ["canonical"]
    assert not any(hasattr(CASES[n](), "energy") for n in CASES if n.startswith("coupled"))
    assert not any(hasattr(CASES[n](), "parts") for n in CASES if not CASES[n]().separable)


@pytest.mark.parametrize("metric", ["rows", "norm"])
def test_gradient_fields_have_the_gradient_form_also_when_bound(metric):
    linear = dx.linear.Conv(2, 3, kernel_size=3, dim=1)
    field = dx.fields.GradientField(linear, dx.activations.Tanh(), metric=metric).double()
    z = torch.randn(2, 2, 7, dtype=torch.float64)
    check_gradient_form(field, z)
    prepared, g = field.prepare(), torch.randn_like(z)
    for ours, theirs in (
        (prepared(0.0, z), field(0.0, z)),
        (prepared.energy(0.0, z), field.energy(0.0, z)),
        (prepared.gradient(0.0, z), field.gradient(0.0, z)),
        (prepared.steer(0.0, z, g), -g),
    ):
        assert torch.equal(ours, theirs)
    assert field.passive
    assert prepared.passive
    assert not field.conservative
    assert prepared.supply(0.0, z) is None
