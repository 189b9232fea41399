"""Every activation of the catalogue passes every check."""

import pytest
import torch

from darboux.testing import LIFECYCLE, check_antiderivative, check_claims, check_slopes
from tests.catalogue.activations import CASES
from tests.lifecycles import lifecycle_cases, once_a_class

SEPARABLE = [name for name, build in CASES.items() if build().separable]


@pytest.fixture
def example():
    """Entries on both sides of every threshold."""
    return 4 * torch.randn(3, 4, 5, 6)


@pytest.mark.parametrize("name", SEPARABLE)
def test_slopes(name):
    check_slopes(CASES[name]())


@pytest.mark.parametrize("name", CASES)
def test_antiderivative(name):
    check_antiderivative(CASES[name]())


@pytest.mark.parametrize("name", CASES)
def test_claims(name):
    check_claims(CASES[name]())


@pytest.mark.parametrize(("name", "check"), lifecycle_cases(CASES))
def test_lifecycle(name, check, example):
    LIFECYCLE[check](CASES[name], example)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_dtype_follows_the_input_whatever_the_parameters_have(name, dtype, example):
    activation = CASES[name]()
    x = example.to(dtype)
    assert activation(x).dtype == dtype
    if activation.separable:
        assert activation.antiderivative(x).dtype == dtype


@pytest.mark.parametrize("name", SEPARABLE)
def test_antiderivative_survives_transforms(name, example):
    activation = CASES[name]().double()
    x = example.double()
    mapped = torch.func.vmap(activation.antiderivative)(x)
    torch.testing.assert_close(mapped, activation.antiderivative(x), rtol=1e-14, atol=1e-14)
    _, slope = torch.func.jvp(activation.antiderivative, (x,), (torch.ones_like(x),))
    torch.testing.assert_close(slope, activation(x), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", once_a_class({name: CASES[name] for name in SEPARABLE}))
def test_antiderivative_compiles(name, example):
    torch.compiler.reset()
    activation = CASES[name]()
    compiled = torch.compile(activation.antiderivative, fullgraph=True, backend="aot_eager")
    expected = activation.antiderivative(example)
    torch.testing.assert_close(compiled(example), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_repr_names_the_class(name):
    activation = CASES[name]()
    assert repr(activation).startswith(type(activation).__name__ + "(")
