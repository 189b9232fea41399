"""What the layers refuse: settings and inputs that make no sense."""

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.activations import LipSwish, Tanh
from darboux.bijections import (
    AdditiveCoupling,
    AffineCoupling,
    Chain,
    Concatenate,
    ContractiveNetwork,
    Flatten,
    Halves,
    HouseholderLinear,
    Inverse,
    InvertibleResidual,
    MixedContractiveNetwork,
    Permutation,
    PixelShuffle,
    RussianRoulette,
    Split,
    TruncatedSeries,
)


def contraction(**settings):
    return ContractiveNetwork(2, [4], **settings)


def residual(**settings):
    return InvertibleResidual(contraction(), **settings)


WRONG = {
    "split": (lambda: Split(1.5), "keep to be a positive integer; got 1.5"),
    "concatenate": (lambda: Concatenate(keep=True), "keep to be a positive integer; got True"),
    "flatten": (lambda: Flatten([(1, 2.5)]), "shapes to be a sequence"),
    "float_features": (lambda: HouseholderLinear(3.0), "features to be a positive integer"),
    "indices": (lambda: Permutation([0.0, 1.0]), "indices to be a sequence"),
    "swap": (lambda: AdditiveCoupling(nn.Identity(), swap="yes"), "swap to be True or False"),
    "module": (lambda: AdditiveCoupling(nn.Linear), "got the class Linear. Make one"),
    "matrix": (lambda: dx.bijections.LULinear.from_matrix([[1.0]]), "Make it one by torch.as_ten"),
    "random": (lambda: Permutation.random(2.0), "Permutation: expected features to be a positive"),
    "bound": (lambda: AffineCoupling(nn.Identity(), bound="2"), "bound to be a positive finite"),
    "layer": (lambda: Chain([3]), r"layers to be a sequence \(a Module, \.\.\.\); got \[3\]"),
    "layers": (lambda: Chain(PixelShuffle(2)), "layers to be a sequence"),
    "bijection": (lambda: Inverse(PixelShuffle), "got the class PixelShuffle. Make one"),
    "network": (lambda: InvertibleResidual(torch.tanh), "network to be a Module; got the func"),
    "estimator": (lambda: residual(log_det=TruncatedSeries), "got the class TruncatedSeries"),
    "in_eval_mode": (lambda: residual(eval_log_det="auto"), "eval_log_det to be a LogDetEst"),
    "terms": (lambda: TruncatedSeries(2.5), "terms to be an integer from 1 to 10000"),
    "seed": (lambda: TruncatedSeries(2, seed=0.5), "seed to be an integer of 0 or more or None"),
    "no_activation": (lambda: contraction(activation=None), "a class or function that makes a"),
    "instance": (lambda: contraction(activation=Tanh()), "got a Tanh. Give what makes it"),
    "function": (lambda: contraction(activation=torch.relu), "got the function relu"),
    "arguments": (lambda: contraction(activation=nn.Linear), "a lambda with its arguments inside"),
    "maker": (lambda: contraction(activation=lambda: 3), "what it makes to be a Module; got 3"),
    "orders": (
        lambda: MixedContractiveNetwork(2, [], orders="∞∞", activation=LipSwish),
        "orders to be a sequence",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_arguments_of_another_type(name):
    build, words = WRONG[name]
    with pytest.raises(TypeError, match=rf"expected .*{words}|^{words}"):
        build()


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: residual(max_iter=0), "max_iter to be a positive integer"),
        (lambda: contraction(constant=float("nan")), "constant to be a positive finite number"),
        (lambda: contraction(context_features=-1), "context_features to be an integer of 0 or"),
        (lambda: contraction(dim=4), "dim to be 0, 1, 2 or 3 spatial axes; got 4"),
        (lambda: TruncatedSeries(10**8), "terms to be an integer from 1 to 10000"),
        (lambda: TruncatedSeries(2, seed=2**64), "seed to be an integer of 0 or more"),
        (lambda: RussianRoulette(parameter=1e-9), r"parameter in \(0.0001, 1\) for geometric"),
        (lambda: RussianRoulette("poisson", 1e300), r"parameter in \(0, 10000\) for poisson"),
    ],
)
def test_numbers_outside_their_range(build, words):
    with pytest.raises(ValueError, match=words):
        build()


@pytest.mark.parametrize("hidden", [(), (16,), (8,) * 40])
def test_a_constant_of_1_is_no_contraction_by_rounding(hidden):
    """Norms are rounded down, so that their product is a hair below the constant."""
    with pytest.raises(ValueError, match="proved Lipschitz constant < 1; got 1 "):
        InvertibleResidual(ContractiveNetwork(2, hidden, constant=1.0))
    InvertibleResidual(ContractiveNetwork(2, hidden, constant=0.999))


def test_a_product_of_constants_is_no_contraction_by_rounding():
    class Scaled(nn.Module):
        def contraction(self):
            constant = 1 / 49 * 49
            assert constant < 1
            kind = dx.structure.Kind.BOUND
            return dx.bijections.Contraction(constant, 2.0, kind, "1/49 times 49")

    with pytest.raises(ValueError, match=r"proved Lipschitz constant < 1; got 1 \(1/49 times 49\)"):
        InvertibleResidual(Scaled())


LAYERS = {
    "residual": residual,
    "coupling": lambda: AdditiveCoupling(nn.Identity(), partition=Halves()),
    "permutation": lambda: Permutation([1, 0]),
    "act-norm": lambda: dx.bijections.ActNorm(2),
    "lu": lambda: dx.bijections.LULinear(2),
    "inverse": lambda: Inverse(Permutation([1, 0])),
    "chain": lambda: Chain([Permutation([1, 0])]),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    "way", ["__call__", "inverse", "forward_and_log_det", "inverse_and_log_det"]
)
@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_only_real_floating_point_numbers_come_in(name, way, dtype):
    """Integers would come back as floats, and of complex numbers the imaginary part got lost."""
    with pytest.raises(TypeError, match=rf"real floating-point numbers; got a .* and {dtype}"):
        getattr(LAYERS[name](), way)(torch.ones(3, 2).to(dtype))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("x", [None, [[1.0, 2.0]], torch.ones(3, 2).numpy()], ids=str)
def test_only_tensors_come_in(name, x):
    with pytest.raises(TypeError, match=r"expected a tensor.*got .*Make one by torch\.as_tensor"):
        LAYERS[name]()(x)


@pytest.mark.parametrize("layer", [Split(1), Concatenate(1), Flatten([(2,)])], ids=repr)
@pytest.mark.parametrize("way", ["__call__", "inverse"])
@pytest.mark.parametrize("stack", [torch.ones(2, 2, 4), (), (3.0,)], ids=["tensor", "none", "x"])
def test_rearrangements_want_a_stack(layer, way, stack):
    """A tensor alone would be taken for one sample of it above the others."""
    with pytest.raises(TypeError, match=r"expected a stack, a tuple of tensors|expected a tensor"):
        getattr(layer, way)(stack)


def test_a_stack_goes_into_chains_and_their_inverses_only():
    x = torch.randn(3, 4)
    chain = Chain([Split(2)])
    assert torch.equal(Inverse(chain)(chain(x)), x)
    with pytest.raises(TypeError, match=r"Permutation: expected a tensor of real .*; got "):
        Permutation([1, 0])((x, x))
