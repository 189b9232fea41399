"""Gradients without activations: right on the first backward pass, in every mode."""

import copy
import pickle
import warnings

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.bijections import Chain
from darboux.gradients import DriftError, DriftWarning
from tests.bijections.nets import additive, convolutional, gradients, hamiltonian, mixed, relative

MODES = ["checkpoint", "constant"]
DEPTHS, SCALES = [10, 50, 200], [1.0, 2.0, 3.0]


def quiet(function, *arguments, **options):
    """Call a function whose chain may fall back to checkpoints."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DriftWarning)
        return function(*arguments, **options)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("depth", DEPTHS)
def test_first_gradient_where_others_drift(depth, scale, seed):
    """Float32, weights up to three times the default, up to 200 pairs: 1e-4 at every one."""
    plain = additive(depth, scale=scale, seed=seed)
    chain = additive(depth, scale=scale, seed=seed, memory="constant")
    x = torch.randn(8, 32)
    expected = gradients(plain, x, log_det=False)
    assert relative(quiet(gradients, chain, x, log_det=False), expected) <= 1e-4
    assert relative(gradients(chain, x, log_det=False), expected) <= 1e-4  # and says no more


@pytest.mark.long
def test_drift_is_said_once():
    chain = additive(50, scale=3.0, memory="constant")
    x = torch.randn(8, 32)
    with pytest.warns(DriftWarning, match=r"gradients would be off by 0\.\d+\. .*drift_report"):
        gradients(chain, x)
    report = chain.drift_report()
    assert len(report.checkpoints) > 1
    assert report.error <= 3e-6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gradients(chain, x + 1)
    assert "checkpoints before links" in str(report)


def test_checkpoints_go_only_where_needed():
    """Small weights: nothing but the input is kept, and the drift is reported."""
    chain = additive(10, memory="constant")
    gradients(chain, torch.randn(8, 32))
    report = chain.drift_report()
    assert report.checkpoints == (0,)
    assert 0 < report.worst < 1e-5
    assert 0 < report.error < 3e-6


@pytest.mark.long
def test_weights_that_grow_are_noticed():
    """From harmless to chaotic in 7 steps, all of them between two calibrations."""
    plain, chain = additive(50), additive(50, memory="constant")
    x, errors = torch.randn(8, 32), []
    for k in range(14):  # calibrations come at 1, 3, 7, 15, ...
        expected = gradients(plain, x, log_det=False)
        errors.append(relative(quiet(gradients, chain, x, log_det=False), expected))
        with torch.no_grad():
            for parameter in (*plain.parameters(), *chain.parameters()):
                parameter.mul_(3 ** (1 / 7) if k >= 6 else 1)
    assert max(errors) <= 1e-4, errors
    assert len(chain.drift_report().checkpoints) > 1


@pytest.mark.long
def test_accuracy_is_a_choice():
    x = torch.randn(8, 32)
    counts = []
    for accuracy in (1e-3, 1e-7):
        chain = additive(50, scale=2.0, memory="constant", accuracy=accuracy)
        quiet(gradients, chain, x)
        counts.append(len(chain.drift_report().checkpoints))
    assert counts[0] < counts[1]


def test_drift_raises_where_nothing_is_kept():
    chain = additive(50, scale=3.0, memory="constant", on_drift="raise")
    with pytest.raises(DriftError, match="magnify rounding, and nothing was kept"):
        gradients(chain, torch.randn(8, 32))


@pytest.mark.parametrize("on_drift", ["checkpoint", "raise"])
@pytest.mark.parametrize("context", [None, 2])
@pytest.mark.parametrize("memory", MODES)
def test_gradients_of_everything(memory, context, on_drift):
    x = torch.randn(5, 6, dtype=torch.float64)
    given = None if context is None else torch.randn(5, context, dtype=torch.float64)
    expected = gradients(mixed(context=context).double(), x, given)
    chain = mixed(context=context, memory=memory, on_drift=on_drift).double()
    assert relative(gradients(chain, x, given), expected) <= 1e-12


@pytest.mark.parametrize("memory", MODES)
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_images(dim, memory):
    x = torch.randn(2, 4, *(5,) * dim, dtype=torch.float64)
    expected = gradients(convolutional(5, dim=dim).double(), x)
    found = gradients(convolutional(5, dim=dim, memory=memory).double(), x)
    assert relative(found, expected) <= 1e-12


@pytest.mark.parametrize("memory", ["autograd", *MODES])
def test_volumes_in_single_precision(memory):
    """Sub-networks compute with channels last; what leaves is in the order of the others."""
    chain, plain = convolutional(5, dim=3, memory=memory), convolutional(5, dim=3)
    x = torch.randn(2, 4, 5, 5, 5)
    assert chain(x).is_contiguous()
    assert relative(gradients(chain, x), gradients(plain.double(), x.double())) <= 1e-5
    torch.testing.assert_close(torch.func.vmap(chain)(x[:, None]), chain(x)[:, None])
    torch.testing.assert_close(chain.inverse(chain(x)), x)


@pytest.mark.parametrize("memory", MODES)
def test_flows_are_undone_step_by_step(memory):
    torch.manual_seed(0)
    flow = hamiltonian().double()
    x = torch.randn(3, 6, dtype=torch.float64)
    chain = Chain([flow], memory=memory)
    assert len(chain.links()) == 4
    assert relative(gradients(chain, x), gradients(Chain([flow]), x)) <= 1e-12


@pytest.mark.parametrize("memory", MODES)
@pytest.mark.parametrize("method", ["LeapfrogMidpoint", "ReversibleHeun"])
def test_any_field_on_doubled_features(method, memory):
    torch.manual_seed(0)
    fields = [
        dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.Tanh()) for _ in range(4)
    ]
    flow = dx.Flow(fields, getattr(dx.integrators, method)()).double()
    pairs = flow.doubled().as_bijection()
    x = torch.randn(3, 6, dtype=torch.float64)
    chain = Chain([pairs], memory=memory)
    assert len(chain.links()) == 4
    assert relative(gradients(chain, x), gradients(Chain([pairs]), x)) <= 1e-12
    torch.testing.assert_close(chain(x), flow.doubled()(x))


@pytest.mark.parametrize("memory", MODES)
def test_weights_may_be_shared_or_frozen(memory):
    torch.manual_seed(0)
    plain, chain = (mixed().double() for _ in range(2))
    chain.memory = memory
    for one in (plain, chain):
        one.layers.append(one.layers[0])  # the same layer twice
        one.layers[2].network[0].weight.requires_grad = False
    x = torch.randn(3, 6, dtype=torch.float64)

    def trained(module):
        (module(x) ** 2).sum().backward()
        return [p.grad for p in module.parameters() if p.requires_grad]

    assert relative(trained(chain), trained(plain)) <= 1e-12
    assert chain.layers[2].network[0].weight.grad is None


def test_nested_chains_are_one():
    torch.manual_seed(0)
    inner, outer = mixed(seed=1), mixed(seed=2)
    nested = Chain([inner, outer, hamiltonian(2)], memory="constant").double()
    assert len(nested.links()) == 18
    x = torch.randn(3, 6, dtype=torch.float64)
    expected = gradients(Chain(list(nested.layers)).double(), x)
    assert relative(gradients(nested, x), expected) <= 1e-12


@pytest.mark.long
def test_state_survives_copies():
    chain = additive(30, scale=3.0, memory="constant")
    x = torch.randn(8, 32)
    expected = quiet(gradients, chain, x)
    for other in (copy.deepcopy(chain), pickle.loads(pickle.dumps(chain))):
        assert other.drift_report().checkpoints == chain.drift_report().checkpoints
        assert relative(gradients(other, x), expected) <= 1e-4
    fresh = additive(30, scale=1.0, seed=5, memory="constant")
    fresh.load_state_dict(chain.state_dict())
    assert relative(quiet(gradients, fresh, x), expected) <= 1e-4


def test_nothing_that_is_not_finite_is_called_drift():
    chain = additive(3, memory="constant")
    x = torch.randn(8, 32)
    x[0, 0] = torch.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = gradients(chain, x)
    assert found[0][0].isnan().any()


def test_empty_batch_and_single_sample():
    chain = additive(3, memory="constant")
    assert gradients(chain, torch.zeros(0, 32))[0].shape == (0, 32)
    x = torch.randn(1, 32)
    assert relative(gradients(chain, x), gradients(additive(3), x)) <= 1e-5


@pytest.mark.parametrize("memory", MODES)
def test_without_gradients_modes_agree(memory):
    x = torch.randn(3, 6)
    chain, plain = mixed(memory=memory), mixed()
    with torch.no_grad():
        assert torch.equal(chain(x), plain(x))
    for parameter in chain.parameters():
        parameter.requires_grad = False
    assert chain(x).grad_fn is None


def test_modes_are_checked():
    with pytest.raises(ValueError, match="memory to be 'autograd' or 'checkpoint' or 'constant'"):
        Chain([], memory="none")
    with pytest.raises(ValueError, match="on_drift to be 'checkpoint' or 'raise'"):
        Chain([], on_drift="warn")
    with pytest.raises(ValueError, match="accuracy to be a positive finite number"):
        Chain([], accuracy=0.0)


def test_layers_are_checked():
    with pytest.raises(TypeError, match="expected bijections, rearrangements or flows; got Linear"):
        Chain([nn.Linear(2, 2)])
    field = dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.Tanh())
    with pytest.raises(TypeError, match="steps back in closed form; got"):
        Chain([dx.Flow(field, dx.integrators.Euler(), steps=2)])
    with pytest.raises(TypeError, match=r"Use flow\.doubled"):
        Chain([dx.Flow(field, dx.integrators.LeapfrogMidpoint(), steps=2)])


def test_construction_computes_no_norm(monkeypatch):
    def refuse(*given):
        raise AssertionError("a norm was computed")

    def coupling():
        network = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
        return dx.bijections.AdditiveCoupling(network)

    layer = coupling()
    constant = dx.structure.claims_of(layer).find(dx.structure.BiLipschitz)
    monkeypatch.setattr(torch.linalg, "eigh", refuse)  # every proof of a norm ends there
    monkeypatch.setattr(torch.linalg, "cholesky_ex", refuse)
    chain = dx.bijections.Chain([layer, coupling()], memory="constant")
    field = dx.fields.GradientField(dx.linear.Dense(4, 4), dx.activations.ReLU(), metric="norm")
    flow = dx.Flow(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=2))
    for module in (chain, flow):
        with pytest.raises(AssertionError, match="a norm was computed"):
            dx.structure.claims_of(module)
    monkeypatch.undo()
    assert dx.structure.claims_of(chain).find(dx.structure.BiLipschitz) is not None
    assert constant is not None


def test_hooked_layers_and_other_forwards_are_still_refused():
    class Other(dx.bijections.AdditiveCoupling):
        def forward(self, x, context=None):
            return 0 * x

    for layer in (dx.bijections.AdditiveCoupling(nn.Identity()), Other(nn.Identity())):
        layer.register_forward_hook(lambda *given: None)
        with pytest.raises(ValueError, match=r"claim Invertible\(\); 0 .* does not: .*hook"):
            dx.bijections.Chain([layer])
    with pytest.raises(ValueError, match=r"Other has a forward\(\) of its own"):
        dx.bijections.Chain([Other(nn.Identity())])


def test_layers_must_claim_their_inverse():
    class Shy(dx.bijections.Bijection):
        def forward_and_log_det(self, x, context=None):
            return x, x.new_zeros(len(x))

        inverse_and_log_det = forward_and_log_det

        def claims(self):
            return dx.structure.Claims(gaps=(dx.structure.Gap("", "who knows"),))

    with pytest.raises(ValueError, match=r"claim Invertible\(\); 0 \(Shy\) does not: who knows"):
        Chain([Shy()])


def test_contexts_must_agree():
    first, second = mixed(context=2), mixed(context=3)
    assert first.context_features == 2
    with pytest.raises(ValueError, match="one context for all layers; got 2 features for 0"):
        Chain([first, second])
