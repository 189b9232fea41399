"""Wrong arguments of certify, each refused with a sentence that helps."""

import pytest
import torch
from torch import nn

from darboux.certification import certify
from darboux.structure import Lipschitz, Structure
from tests.certification.small import Returns, net, quick


@pytest.mark.parametrize(
    ("example", "error", "sentence"),
    [
        ([[1.0]], TypeError, "expected example to be a Tensor; got .*torch.as_tensor"),
        (torch.ones(2, 4, dtype=torch.long), TypeError, "floating example; got torch.int64"),
        (torch.ones(4), ValueError, r"shape \(4,\). Use example\[None\]"),
        (torch.ones(0, 4), ValueError, "at least one sample"),
        (torch.tensor([[1.0, float("nan"), 0, 0]]), ValueError, "1 of its 4 entries NaN"),
        (torch.full((1, 4), float("inf")), ValueError, "4 of its 4 entries"),
    ],
    ids=["list", "integers", "no batch", "empty", "NaN", "infinite"],
)
def test_bad_examples_are_refused(example, error, sentence):
    with pytest.raises(error, match=sentence):
        quick(net(), example)


@pytest.mark.parametrize(
    ("module", "error", "sentence"),
    [
        (torch.relu, TypeError, "expected module to be a Module; got the function relu"),
        (Returns(lambda x: (x, x)), TypeError, "one tensor; got tuple"),
        (Returns(lambda x: x.argmax(1)), TypeError, "floating values; the module returned"),
        (Returns(lambda x: x / 0), ValueError, "returned 4 NaN or infinite entries of 4"),
    ],
    ids=["function", "tuple", "integers", "infinite"],
)
def test_bad_modules_are_refused(module, error, sentence):
    with pytest.raises(error, match=sentence):
        quick(module, torch.ones(1, 4))


def test_parameters_that_are_not_finite_are_refused():
    module = net()
    with torch.no_grad():
        module[2].weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"expected finite parameters; '2.weight'"):
        quick(module, torch.ones(1, 4))


class Unheard(Structure):
    def describe(self):
        return "unheard of"

    def after(self, first):
        return None


@pytest.mark.parametrize(
    ("claims", "error", "sentence"),
    [
        (
            Lipschitz(1.0),
            TypeError,
            "expected claims to be a sequence .a Structure, .*; got a Lipschitz",
        ),
        ([], ValueError, "at least one claim"),
        ([Lipschitz], TypeError, "a sequence .a Structure, .*; got "),
        (["nonexpansive"], TypeError, "a sequence .a Structure, .*; got .'nonexpansive'"),
        ([Unheard()], ValueError, "got Unheard, for which no attack is known. Known: .*Lipschitz"),
    ],
    ids=["no list", "empty", "class", "word", "unknown"],
)
def test_bad_claims_are_refused(claims, error, sentence):
    with pytest.raises(error, match=sentence):
        quick(net(), torch.ones(1, 4), claims=claims)


def test_unknown_effort_is_refused():
    with pytest.raises(ValueError, match="one of 'quick', 'normal', 'thorough'; got 'hard'"):
        certify(net(), torch.ones(1, 4), effort="hard")


def test_a_module_that_cannot_be_copied_is_refused():
    class Unique(nn.Module):
        def __deepcopy__(self, memo):
            msg = "there is only one"
            raise RuntimeError(msg)

    with pytest.raises(TypeError, match=r"can copy.*there is only one"):
        quick(Unique(), torch.ones(1, 4))
