"""The user's module stays as it is, and results do not depend on the surroundings."""

import copy
import warnings

import pytest
import torch
from torch import nn

from darboux.structure import Lipschitz
from tests.certification.small import flow, quick


def test_module_and_random_state_stay_as_they_are():
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), flow())
    module(torch.randn(8, 4)).sum().backward()
    module[1].eval()
    state = copy.deepcopy(module.state_dict())
    grads = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    modes = [part.training for part in module.modules()]
    example = torch.randn(2, 4)
    kept, random_state = example.clone(), torch.get_rng_state()
    quick(module, example)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.equal(example, kept)
    assert modes == [part.training for part in module.modules()]
    assert all(p.requires_grad for p in module.parameters())
    for name, value in module.state_dict().items():
        assert torch.equal(value, state[name]), name
    for name, parameter in module.named_parameters():
        assert (parameter.grad is None) == (name not in grads)
        assert name not in grads or torch.equal(parameter.grad, grads[name]), name
    assert not any(part._forward_pre_hooks for part in module.modules())


@pytest.fixture(scope="module")
def known():
    """A flow with an example and its rows."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module, example = flow(), torch.randn(2, 4)
    return module, example, quick(module, example).rows


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode], ids=["no", "inference"])
def test_surroundings_do_not_matter(context, known):
    module, example, rows = known
    with context():
        assert quick(module, example).rows == rows


def test_autocast_does_not_matter(known):
    module, example, rows = known
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert quick(module, example).rows == rows


def test_same_call_same_certificate(known):
    module, example, rows = known
    assert quick(module, example).rows == rows


def test_generator_decides(known):
    module, example, rows = known

    def again(seed):
        generator = torch.Generator().manual_seed(seed)
        return quick(module, example, generator=generator).rows

    assert again(0) == rows
    assert again(2) != rows


def test_old_hooks_can_be_copied():
    """The old spectral_norm keeps a computed tensor as attribute, which deepcopy refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # newer versions deprecate it
        layer = nn.utils.spectral_norm(nn.Linear(4, 4)).eval()
    layer(torch.ones(1, 4))
    assert quick(layer, torch.randn(2, 4), claims=[Lipschitz(5.0)]).holds
