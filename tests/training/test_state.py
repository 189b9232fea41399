"""What a run loads is checked against what it should be, before anything uses it."""

import json

import pytest
import torch
from accelerate import Accelerator
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from darboux.data import Patches
from darboux.training import (
    OneCycle,
    RunFolder,
    Trainer,
    build_network,
    load_tensors,
    loss_named,
    save_tensors,
    train_denoiser,
)


def two_maps():
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 1, 3, padding=1))


def make_trainer(make=two_maps):
    torch.manual_seed(0)
    return Trainer(
        make(),
        Patches({"a": torch.rand(1, 24, 24)}, patch=8, batch=2, sigma=0.1),
        schedule=OneCycle(peak=1e-3, steps=9),
        loss=loss_named("mse"),
        accelerator=Accelerator(),
    )


WEIGHT, FIRST, SECOND = "network/0.weight", "optimizer/0/exp_avg", "optimizer/0/exp_avg_sq"


def replaced(name, change):
    return lambda tensors, about: tensors.update({name: change(tensors[name])})


def group(key, value):
    return lambda tensors, about: about["optimizer"]["groups"][0].update({key: value})


DAMAGE = {
    "moment of one number": (replaced(FIRST, lambda t: torch.ones(1)), FIRST),
    "moment of more": (replaced(FIRST, lambda t: torch.ones(3, *t.shape)), FIRST),
    "moment NaN": (replaced(FIRST, lambda t: t * torch.nan), f"finite {FIRST}"),
    "moment infinite": (replaced(SECOND, lambda t: t + torch.inf), f"finite {SECOND}"),
    "moment negative": (replaced(SECOND, lambda t: -1 - t), f"{SECOND} >= 0; got -1."),
    "moment int8": (replaced(FIRST, lambda t: t.to(torch.int8)), "float32 .*; got torch.int8"),
    "moment missing": (lambda t, a: t.pop(FIRST), f"expected {FIRST}; got no such tensor"),
    "moments of one missing": (
        lambda t, a: [t.pop(name) for name in list(t) if name.startswith("optimizer/0/")],
        "optimizer/0/exp_avg, optimizer/0/exp_avg_sq, optimizer/0/step; got no such tensor",
    ),
    "no moments": (
        lambda t, a: [t.pop(name) for name in list(t) if name.startswith("optimizer")],
        "and 9 more; got no such tensor",
    ),
    "moment unknown": (
        lambda t, a: t.update({"optimizer/evil": torch.ones(1)}),
        "no other tensors; got optimizer/evil",
    ),
    "tensor unknown": (
        lambda t, a: t.update({"evil": torch.ones(1)}),
        "no other tensors; got evil",
    ),
    "step of Adam": (replaced("optimizer/0/step", lambda t: t - 9), "step >= 0; got -7"),
    "step of Adam late": (replaced("optimizer/0/step", lambda t: t + 9), "step <= 2; got 11"),
    "steps of Adam": (replaced("optimizer/0/step", lambda t: torch.ones(3)), r"float32 \(3,\)"),
    "weight missing": (lambda t, a: t.pop(WEIGHT), f"expected {WEIGHT}; got no such tensor"),
    "weight NaN": (replaced(WEIGHT, lambda t: t * torch.nan), f"finite {WEIGHT}"),
    "weight float64": (replaced(WEIGHT, lambda t: t.double()), "got torch.float64"),
    "weight complex": (replaced(WEIGHT, lambda t: t * 1j), "got torch.complex64"),
    "random numbers short": (replaced("rng/cpu", lambda t: t[:10]), "rng/cpu"),
    "random numbers none": (lambda t, a: t.pop("rng/cpu"), "expected rng/cpu"),
    "random numbers wrong": (replaced("rng/cpu", lambda t: t * 0 + 255), "generator"),
    "step negative": (lambda t, a: a.update(step=-1), "0 <= step <= 9; got -1"),
    "step beyond the end": (lambda t, a: a.update(step=10), "0 <= step <= 9; got 10"),
    "step a string": (lambda t, a: a.update(step="x"), r"`int`, got `str` - at `\$.step`: 'x'"),
    "step missing": (lambda t, a: a.pop("step"), "missing required field `step`"),
    "optimiser missing": (lambda t, a: a.pop("optimizer"), "required field `optimizer`"),
    "optimiser empty": (lambda t, a: a.update(optimizer={}), "required field `values`"),
    "values": (
        lambda t, a: a["optimizer"].update(values={"x/y": 1}),
        r"values \[\]; got \['x/y'\]",
    ),
    "none has moments": (
        lambda t, a: [
            a["optimizer"].update(stepped=[]),
            *[t.pop(name) for name in list(t) if name.startswith("optimizer")],
        ],
        "and 9 more; got no such tensor",
    ),
    "no groups": (lambda t, a: a["optimizer"].update(groups=[]), "1 groups of .*; got 0"),
    "betas": (group("betas", [0.5, 9]), r"betas = \[0.9, 0.99\]; got \[0.5, 9\]"),
    "decay": (group("weight_decay", 1e9), "weight_decay = 0; got 1000000000.0"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_state_is_refused_and_nothing_changes(name):
    damage, message = DAMAGE[name]
    trainer = make_trainer()
    trainer.advance(2)
    tensors, about = trainer.state()
    tensors, about = dict(tensors), json.loads(json.dumps(about))
    damage(tensors, about)
    other = make_trainer()
    before = {n: t.clone() for n, t in other.network.state_dict().items()}
    random = torch.get_rng_state()
    with pytest.raises(ValueError, match=message) as caught:
        other.restore(tensors, about, where="runs/a/checkpoint")
    assert "runs/a/checkpoint" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert other.step == 0
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(t, before[n]) for n, t in other.network.state_dict().items())


def test_state_of_version_0_1_is_restored():
    trainer = make_trainer()
    trainer.advance(2)
    tensors, about = trainer.state()
    del about["optimizer"]["stepped"]
    make_trainer().restore(tensors, about)
    tensors.pop(FIRST)
    with pytest.raises(ValueError, match=f"expected {FIRST}"):
        make_trainer().restore(tensors, about)


class Partly(nn.Module):
    """A network with a frozen part, a part that nothing uses, and an infinite mask."""

    def __init__(self):
        super().__init__()
        self.used, self.frozen = nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 1)
        self.unused = nn.Linear(3, 3)
        self.frozen.requires_grad_(requires_grad=False)
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))

    def forward(self, x):
        return self.frozen(self.used(x)) + self.mask[0]


def test_frozen_and_unused_parts_stop_neither_training_nor_resuming():
    whole = make_trainer(Partly)
    first = make_trainer(Partly)
    frozen = first.network.frozen.weight.clone()
    losses, begun = whole.advance(5), first.advance(2)
    second = make_trainer(Partly)
    second.restore(*first.state())
    assert torch.equal(torch.cat([begun, second.advance(3)]), losses)
    assert torch.equal(second.network.frozen.weight, frozen)


def test_network_with_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match="parameter that requires a gradient; got none"):
        make_trainer(lambda: nn.Conv2d(1, 1, 1).requires_grad_(requires_grad=False))


@pytest.fixture
def edited(small, reference, tmp_path):
    """A function that edits the weights of the reference run in a folder of their own."""

    def edit(change, about=None):
        source = RunFolder(reference[0]).weights("model")
        with safe_open(source, framework="pt") as file:
            told = file.metadata()
        tensors = load_tensors(source)[0]
        change(tensors)
        about = told if about is None else {"darboux": json.dumps(about)}
        save_file(tensors, tmp_path / "model.safetensors", about)
        RunFolder(tmp_path).load_weights("model", build_network("model", small))

    return edit


def first(change):
    def edit(tensors):
        name = min(name for name, t in tensors.items() if t.is_floating_point() and t.numel() > 1)
        tensors[name] = change(tensors[name]).contiguous()

    return edit


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.to(torch.int8), "got torch.int8"),
        (lambda t: t.bool(), "got torch.bool"),
        (lambda t: t.to(torch.complex64), "got torch.complex64"),
        (lambda t: t.double(), "got torch.float64"),
        (lambda t: t * torch.nan, "NaN or infinite"),
        (lambda t: t / 0, "NaN or infinite"),
        (lambda t: t[:1], "got torch.float32"),
        (lambda t: t[None], "got torch.float32"),
    ],
    ids=["int8", "bool", "complex", "float64", "NaN", "infinite", "short", "axis"],
)
def test_other_weights_are_refused_by_name(edited, change, message):
    with pytest.raises(ValueError, match=rf"others in .*model\.safetensors .*{message}"):
        edited(first(change))


def test_missing_and_additional_weights_are_refused(edited):
    with pytest.raises(ValueError, match=r"expected .*; got no such tensor"):
        edited(lambda tensors: tensors.pop(min(tensors)))
    with pytest.raises(ValueError, match="no other tensors; got zz"):
        edited(lambda tensors: tensors.update(zz=torch.ones(1)))


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (
            {"network": "twin", "steps": 6, "seconds": 1.0},
            "those of the model; got those of the twin",
        ),
        ({"network": "evil", "steps": 6, "seconds": 1.0}, "'evil'"),
        ({"network": "model", "steps": 0, "seconds": 1.0}, r"`int` >= 1 - at `\$.steps`: 0"),
        ({"network": "model", "steps": 6}, "missing required field `seconds`"),
        ({}, "missing required field"),
    ],
    ids=["twin", "evil", "no steps", "no seconds", "nothing"],
)
def test_other_headers_of_weights_are_refused(edited, about, message):
    with pytest.raises(ValueError, match=rf"model\.safetensors.*{message}"):
        edited(lambda tensors: None, about)


def test_narrower_weights_become_those_of_a_wider_network(small, reference):
    network = build_network("model", small).double()
    RunFolder(reference[0]).load_weights("model", network)
    tensors = load_tensors(RunFolder(reference[0]).weights("model"))[0]
    assert all(torch.equal(t, tensors[n].to(t)) for n, t in network.state_dict().items())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x", "JSON is malformed"),
        ("[]", "Expected `object`, got `array`"),
        ('{"sigma": 0.1, "images": "a"}', "required field `weight`"),
        ('{"sigma": 0.1, "images": "a", "weight": "x"}', r"got `str` - at `\$.weight`: 'x'"),
        ('{"sigma": 0.1, "images": "a", "weight": NaN}', "JSON is malformed"),
        ('{"sigma": 0.1, "images": "a", "weight": -1}', r"> 0.* - at `\$.weight`: -1"),
    ],
    ids=["garbage", "list", "missing", "string", "NaN", "negative"],
)
def test_damaged_baseline_is_refused_by_name(reference, small, quick, tmp_path, content, message):
    import shutil

    shutil.copytree(reference[0], tmp_path / "run")
    (tmp_path / "run" / "tv.json").write_text(content)
    with pytest.raises(ValueError, match=rf"Expected JSON in .*tv\.json.*{message}"):
        train_denoiser(small, tmp_path / "run", resume=True)


def test_weights_of_fewer_steps_than_the_settings_say_are_refused(
    reference, small, quick, tmp_path
):
    import shutil
    from dataclasses import replace

    shutil.copytree(reference[0], tmp_path / "run")
    longer = replace(small, steps=12)
    longer.save(tmp_path / "run" / "config.json")
    with pytest.raises(ValueError, match=r"Expected weights after 12 steps.*; got 6 in .*model"):
        train_denoiser(longer, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "evil"}, "'evil'"),
        ({"seconds": None}, r"got `null` - at `\$.seconds`"),
        ({"images": 3}, r"got `int` - at `\$.images`: 3"),
        ({"step": 7}, "0 <= step <= 6; got 7"),
    ],
    ids=str,
)
def test_damaged_checkpoint_is_refused_by_name_and_kept(small, quick, tmp_path, change, message):
    class StoppedError(Exception):
        pass

    class Stopper:
        def phase(self, text):
            pass

        def step(self, network, done, total):
            if done == 3:
                raise StoppedError

        def evaluation(self, line):
            pass

    with pytest.raises(StoppedError):
        train_denoiser(small, tmp_path / "run", listener=Stopper())
    file = tmp_path / "run" / "checkpoint.safetensors"
    tensors, about = load_tensors(file)
    save_tensors(file, tensors, about | change)
    before = file.read_bytes()
    with pytest.raises(ValueError, match=rf"checkpoint\.safetensors.*{message}"):
        train_denoiser(small, tmp_path / "run", resume=True)
    assert file.read_bytes() == before
