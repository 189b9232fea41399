"""The loop: every parameter learns, resuming is exact, divergence is refused."""

import itertools

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from darboux.data import Patches
from darboux.models import denoiser
from darboux.training import (
    OneCycle,
    Trainer,
    build_network,
    load_tensors,
    loss_named,
    save_tensors,
)
from darboux.training._files import checked
from darboux.training._state import (
    OptimizerAbout,
    optimizer_difference,
    pack_optimizer,
    unpack_optimizer,
)


def make_trainer(network=None, *, peak=1e-2, steps=20, images=None, loss="mse"):
    torch.manual_seed(0)
    images = images or {"a": torch.rand(1, 24, 24)}
    network = network or denoiser(features=8, units=8, depth=2)
    return Trainer(
        network,
        Patches(images, patch=8, batch=4, sigma=0.1, seed=2),
        schedule=OneCycle(peak=peak, steps=steps),
        loss=loss_named(loss),
        accelerator=Accelerator(),
    )


@pytest.mark.parametrize("name", ["model", "twin"])
def test_gradient_reaches_every_parameter(small, name):
    network = build_network(name, small)
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    make_trainer(network).advance(2)
    unchanged = [n for n, p in network.named_parameters() if torch.equal(p, before[n])]
    assert unchanged == []


def test_loop_is_that_of_plain_torch():
    """The same numbers as Adam, batches and learning rates written out by hand."""
    trainer = make_trainer()
    losses = trainer.advance(5)
    torch.manual_seed(0)
    images = {"a": torch.rand(1, 24, 24)}
    network = denoiser(features=8, units=8, depth=2)
    adam = torch.optim.Adam(network.parameters(), betas=(0.9, 0.99), fused=True)
    patches = Patches(images, patch=8, batch=4, sigma=0.1, seed=2)
    for step, (x, clean) in enumerate(itertools.islice(patches, 5)):
        adam.param_groups[0]["lr"] = OneCycle(peak=1e-2, steps=20).at(step)
        loss = (network(x) - clean).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        assert float(loss.detach()) == float(losses[step])
    for (n, p), q in zip(network.named_parameters(), trainer.network.parameters(), strict=True):
        assert torch.equal(p, q), n


@pytest.mark.parametrize("stop", [0, 1, 4])
def test_resumed_training_is_bitwise_the_uninterrupted_one(tmp_path, stop):
    """Same machine, same threads: not one bit differs."""
    whole = make_trainer()
    whole_losses = whole.advance(7)
    first = make_trainer()
    first_losses = first.advance(stop) if stop else torch.empty(0)
    save_tensors(tmp_path / "c.safetensors", *first.state())
    second = make_trainer(denoiser(features=8, units=8, depth=2))
    second.restore(*load_tensors(tmp_path / "c.safetensors"))
    losses = torch.cat([first_losses, second.advance(7 - stop)])
    assert torch.equal(losses, whole_losses)
    for (n, p), q in zip(
        whole.network.named_parameters(), second.network.parameters(), strict=True
    ):
        assert torch.equal(p, q), n


def test_random_numbers_of_the_network_are_resumed(tmp_path):
    def dropping():
        torch.manual_seed(1)
        return make_trainer(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Dropout(0.5)))

    whole = dropping()
    torch.manual_seed(9)
    expected = whole.advance(4)
    first = dropping()
    torch.manual_seed(9)
    begun = first.advance(2)
    save_tensors(tmp_path / "c.safetensors", *first.state())
    second = dropping()
    second.restore(*load_tensors(tmp_path / "c.safetensors"))
    assert torch.equal(torch.cat([begun, second.advance(2)]), expected)


def test_state_of_another_network_is_refused(tmp_path):
    save_tensors(tmp_path / "c.safetensors", *make_trainer().state())
    other = make_trainer(denoiser(features=12, units=8, depth=2))
    with pytest.raises(ValueError, match="the state of this network; got another's"):
        other.restore(*load_tensors(tmp_path / "c.safetensors"))


def test_divergence_is_refused():
    class Exploding(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, x):
            return x * self.weight / 0

    with pytest.raises(FloatingPointError, match="at step 0: the training diverged"):
        make_trainer(Exploding()).advance(2)


class Rooted(nn.Module):
    """A finite value whose derivative is infinite."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return x + self.weight.sqrt()


class Steep(nn.Module):
    """A finite derivative whose square, which Adam keeps, is not: the weight would stand still."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return x + 1e30 * self.weight


@pytest.mark.parametrize(
    ("network", "name"), [(Rooted, "weight"), (Steep, "optimizer/0/exp_avg_sq")]
)
def test_divergence_of_the_last_step_is_refused(network, name):
    trainer = make_trainer(network(), loss="l1")
    message = f"finite network; got NaN or infinite {name} after step 0: the training diverged"
    with pytest.raises(FloatingPointError, match=message):
        trainer.advance(1)


def test_steps_are_those_of_the_schedule():
    trainer = make_trainer()
    assert trainer.advance(0).shape == (0,)
    trainer.advance(19)
    for steps in (2, -1):
        with pytest.raises(ValueError, match=f"at most the 1 steps .*; got {steps}"):
            trainer.advance(steps)
    assert trainer.step == 19


def test_callback_counts_the_steps():
    seen = []
    make_trainer().advance(3, on_step=seen.append)
    assert seen == [1, 2, 3]


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.Adam(p, amsgrad=True),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: torch.optim.LBFGS(p, max_iter=2),
    ],
    ids=["Adam", "SGD", "empty LBFGS"],
)
def test_optimiser_state_goes_through_tensors_and_json(make):
    import json

    weights = [nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2, 2))]
    optimizer = make(weights)
    if not isinstance(optimizer, torch.optim.LBFGS):
        sum(w.square().sum() for w in weights).backward()
        optimizer.step()
    other = make([nn.Parameter(torch.zeros_like(w)) for w in weights])
    tensors, about = pack_optimizer(optimizer)
    told = checked(json.loads(json.dumps(about)), OptimizerAbout, where="the test")
    if tensors:
        assert optimizer_difference(other, tensors, told, step=1) is None
    unpack_optimizer(other, tensors, told)
    again, about_again = pack_optimizer(other)
    assert about_again["values"] == about["values"]
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())
