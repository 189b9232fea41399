"""Successive approximations: Hamiltonians, their maxima, what sweeps leave, what is refused."""

import copy
import itertools
import math
import pickle

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

import darboux as dx
from darboux.control import H1, L2, MSA, ExtendedMSA

DOUBLE = torch.float64


def flow_of(steps=4, features=3, integrator=None, horizon=1.0):
    fields = [
        dx.fields.ResidualField(dx.linear.Dense(features, features), dx.activations.Tanh())
        for _ in range(steps)
    ]
    return dx.Flow(fields, integrator or dx.integrators.Euler(), horizon=horizon).to(DOUBLE)


def sine(count=60, nodes=3):
    """The sine of the first of equal nodes, and the loss of the sum of all of them."""
    x = (torch.rand(count, 1, dtype=DOUBLE) * 2 - 1) * math.pi

    def loss(z, y):
        return mse_loss(z.sum(1, keepdim=True), y)

    return x.repeat(1, nodes), x.sin(), loss


def zeroed(network):
    for p in network.parameters():
        nn.init.zeros_(p)
    return network


def slopes(network, value):
    """Return the gradient of each parameter, by name."""
    names = [name for name, p in network.named_parameters() if p.requires_grad]
    found = torch.autograd.grad(value, [network.get_parameter(name) for name in names])
    return dict(zip(names, found, strict=True))


def test_a_residual_is_the_norm_of_the_gradient_of_its_layer():
    network = nn.Sequential(
        nn.Conv1d(1, 2, 3, padding=1),
        nn.Flatten(),
        nn.BatchNorm1d(6),
        nn.Sequential(nn.Linear(6, 3), nn.Tanh()),
        flow_of(2, integrator=dx.integrators.Kutta4()),
        nn.Linear(3, 4),
    ).to(DOUBLE)
    network[5].bias.requires_grad = False
    x, y = torch.randn(8, 1, 3, dtype=DOUBLE), torch.randint(4, (8,))

    def size(net):
        return 0.1 * sum(p.square().sum() for p in net.parameters())

    value = cross_entropy(copy.deepcopy(network)(x), y) + size(network)
    expected = {}
    plain = copy.deepcopy(network)
    for name, slope in slopes(plain, cross_entropy(plain(x), y) + size(plain)).items():
        layer = name.replace("4.fields.", "4.step").rsplit(".", 1)[0]
        layer = layer.split(".map")[0].removesuffix(".bias")
        expected[layer] = (expected.get(layer, 0) ** 2 + float(slope.square().sum())) ** 0.5
    found = MSA(network, cross_entropy, regularizer=size, iterations=1).step(x, y)
    assert found.objective == pytest.approx(float(value.detach()), rel=1e-12)
    assert found.residuals == pytest.approx(expected, rel=1e-10)


FLOWS = {
    "coupled in time": lambda: (flow_of(3), 0.1 * H1()),
    "two steps": lambda: (flow_of(3, integrator=dx.integrators.LeapfrogMidpoint()), None),
    "norms": lambda: (
        dx.Flow(
            [
                dx.fields.GradientField(dx.linear.Dense(3, 4), dx.activations.Tanh(), metric="norm")
                for _ in range(2)
            ],
            dx.integrators.Euler(),
            steps=dx.ContractiveSteps(),
        ).to(DOUBLE),
        None,
    ),
}


@pytest.mark.parametrize("kind", FLOWS)
@pytest.mark.parametrize("train", [True, False])
def test_residuals_of_flows_make_up_the_gradient(kind, train):
    flow, regularizer = FLOWS[kind]()
    flow.train(train)
    x, y = torch.randn(2, 9, 3, dtype=DOUBLE)
    value = mse_loss(flow(x), y) + (0 if regularizer is None else regularizer(flow))
    expected = torch.stack([s.norm() for s in slopes(flow, value).values()]).norm()
    msa = ExtendedMSA(flow, mse_loss, rho=0.1, regularizer=regularizer, iterations=3)
    first, second = msa.step(x, y), msa.step(x, y)
    assert math.hypot(*first.residuals.values()) == pytest.approx(float(expected), rel=1e-10)
    assert second.objective < first.objective


def test_a_layer_maximises_its_augmented_hamiltonian():
    rho, layer = 0.2, nn.Sequential(flow_of(1, horizon=0.5))
    x, y = torch.randn(10, 3, dtype=DOUBLE), torch.randn(10, 3, dtype=DOUBLE)
    weight, bias = (p.detach().clone() for p in layer.parameters())
    if weight.ndim == 1:
        weight, bias = bias, weight

    def tanh_and_slope(w, b):
        inner = (x @ w.mT + b).tanh()
        return x + 0.5 * inner, 1 - inner.square()

    after, slope = tanh_and_slope(weight, bias)
    p = -2 * (after - y) / y.numel()
    earlier = p + 0.5 * (p * slope) @ weight

    def augmented(w, b):
        z, s = tanh_and_slope(w, b)
        q = p + 0.5 * (p * s) @ w
        errors = (after - z).square().sum() + (earlier - q).square().sum()
        return (p * z).sum() - 0.01 * (w.square().sum() + b.square().sum()) - rho / 2 * errors

    def size(net):
        return 0.01 * sum(v.square().sum() for v in net.parameters())

    ExtendedMSA(layer, mse_loss, rho=rho, regularizer=size, iterations=200).step(x, y)
    found = [v.detach().requires_grad_() for v in layer.parameters()]
    new = sorted(found, key=lambda v: -v.ndim)
    value = augmented(*new)
    assert value > augmented(weight, bias)
    start = [v.requires_grad_() for v in (weight, bias)]
    first = torch.autograd.grad(augmented(*start), start)
    last = torch.autograd.grad(value, new)
    assert sum(s.norm() for s in last) < 1e-6 * sum(s.norm() for s in first)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("samples", [30, 3])  # fewer than features: many maxima
def test_the_closed_form_of_a_linear_layer_is_the_maximum(bias, samples):
    def network():
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Linear(5, 6, bias=bias), nn.Tanh(), nn.Linear(6, 4, bias=bias))
        return layers.to(DOUBLE)

    x, y = torch.randn(samples, 2, 5, dtype=DOUBLE), torch.randn(samples, 2, 4, dtype=DOUBLE)
    closed, searched = network(), network()
    one = ExtendedMSA(closed, mse_loss, rho=0.1).step(x, y)
    other = ExtendedMSA(
        searched,
        mse_loss,
        rho=0.1,
        regularizer=lambda net: 0 * net[0].weight.sum(),
        iterations=300,
    ).step(x, y)
    assert one.gains == pytest.approx(other.gains, rel=1e-6)
    torch.testing.assert_close(closed(x), searched(x), rtol=1e-4, atol=1e-4)


def test_gains_pay_for_errors():
    x, y, loss = sine()
    msa = ExtendedMSA(flow_of(horizon=2.0), loss, rho=0.5)
    for _ in range(3):
        found = msa.step(x, y)
        for name, gain in found.gains.items():
            errors = found.state_errors[name] ** 2 + found.costate_errors[name] ** 2
            assert gain >= found.rho / 2 * errors > 0


def test_from_zero_it_leaves_descent_behind():
    x, y, loss = sine(40, nodes=5)
    flow, other = (zeroed(flow_of(10, 5, horizon=5.0)) for _ in range(2))
    msa = ExtendedMSA(flow, loss, rho=1.0, iterations=3)
    steps = [msa.step(x, y) for _ in range(5)]
    descent = torch.optim.SGD(other.parameters(), lr=0.1)
    values = dx.solvers.descend(descent, lambda _: loss(other(x), y), range(250))
    assert steps[0].objective == pytest.approx(values[0])
    assert steps[-1].objective < 0.7 * values[-1]


def test_without_the_errors_in_the_objective_sweeps_do_not_settle():
    x, y, loss = sine(40, nodes=5)
    msa = MSA(zeroed(flow_of(10, 5, horizon=5.0)), loss, regularizer=2e-3 * L2(), iterations=3)
    objectives = [msa.step(x, y).objective for _ in range(9)]
    assert max(objectives[4:]) > 4.0 > 2.0 * min(objectives)


def test_the_maximum_principle_holds_in_the_end():
    x, y, loss = sine(20)
    msa = ExtendedMSA(zeroed(flow_of(2)), loss, rho=2.0, regularizer=0.05 * (L2() + H1()))
    steps = [msa.step(x, y) for _ in range(25)]
    first, last = (sum(s.residuals.values()) for s in (steps[0], steps[-1]))
    assert last < 1e-3 * first
    first, last = (sum(s.state_errors.values()) for s in (steps[0], steps[-1]))
    assert last < 1e-2 * first


def test_the_objective_never_rises_however_small_rho_is_at_first():
    x, y, loss = sine(40, nodes=5)
    msa = ExtendedMSA(flow_of(5, 5, horizon=5.0), loss, rho=1e-3, iterations=3)
    objectives = [msa.step(x, y).objective for _ in range(8)]
    assert msa.rho > 1e-2
    assert all(b <= a * (1 + 1e-5) for a, b in itertools.pairwise(objectives))
    assert objectives[-1] < 0.1 * objectives[0]


def test_mini_batches_are_not_learned_by_heart():
    x = torch.randn(200, 4)
    y = (x[:, 0] * x[:, 1] > 0).long()
    network = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
    msa = ExtendedMSA(network, cross_entropy, rho=0.1, iterations=5)
    for _ in range(12):
        for rows in torch.randperm(200).split(40):
            msa.step(x[rows], y[rows])
            assert msa.rho >= 0.1
    assert cross_entropy(network(x), y) < 0.35  # 0.69 for a coin


def test_statistics_move_once_a_sweep():
    network = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 1))
    twin = copy.deepcopy(network)
    x = torch.randn(30, 3)
    msa = ExtendedMSA(network, mse_loss, rho=1e-9)
    msa.step(x, x[:, :1])
    assert msa.rho > 1e-9  # so that there was more than one trial
    twin(x)
    for name, buffer in twin.named_buffers():
        torch.testing.assert_close(network.get_buffer(name), buffer)


def test_gradients_and_frozen_parameters_stay():
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    for p in network[0].parameters():
        p.requires_grad = False
    before = copy.deepcopy(network)
    x = torch.randn(10, 3)
    steps = ExtendedMSA(network, mse_loss, rho=0.1).step(x, x[:, :1])
    assert [*steps.residuals] == ["2"]
    assert all(p.grad is None for p in network.parameters())
    assert torch.equal(network[0].weight, before[0].weight)
    assert not torch.equal(network[2].weight, before[2].weight)


class Unused(nn.Linear):
    """A linear layer with a parameter that it never uses."""

    def __init__(self):
        super().__init__(3, 1)
        self.rest = nn.Parameter(torch.ones(2))


def test_parameters_without_effect_stay():
    network = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), Unused())
    x = torch.randn(10, 3)
    first, second = (ExtendedMSA(network, mse_loss, rho=0.1).step(x, x[:, :1]) for _ in range(2))
    assert second.objective < first.objective
    assert network[2].rest.tolist() == [1, 1]


def test_autocast_changes_nothing():
    x, y, loss = sine(20)
    x, y = x.float(), y.float()
    flow = flow_of().float()
    twin = copy.deepcopy(flow)
    plain = ExtendedMSA(flow, loss, rho=1.0, regularizer=L2()).step(x, y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = ExtendedMSA(twin, loss, rho=1.0, regularizer=L2()).step(x, y)
    assert under == plain


@pytest.mark.parametrize("again", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_copies_go_on_alike(again):
    x, y = torch.randn(10, 3), torch.randn(10, 1)
    msa = ExtendedMSA(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), mse_loss, rho=1.0)
    msa.step(x, y)
    assert again(msa).step(x, y) == msa.step(x, y)


def test_values_that_are_not_finite_change_nothing():
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    before = copy.deepcopy(network.state_dict())
    x = torch.randn(10, 3)
    x[0, 0] = math.nan
    with pytest.raises(FloatingPointError, match=r"an objective of nan\. Nothing was changed"):
        ExtendedMSA(network, mse_loss, rho=1.0).step(x, torch.zeros(10, 1))
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())


def shared():
    field = dx.fields.ResidualField(dx.linear.Dense(3, 3), dx.activations.Tanh())
    return dx.Flow(field, dx.integrators.Euler(), steps=3)


class Outside(nn.Sequential):
    """A sequence with a parameter that none of its layers has."""

    def __init__(self):
        super().__init__(nn.Linear(3, 3))
        self.scale = nn.Parameter(torch.ones(()))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (shared, "'step0' and 'step1' with one in common"),
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.Dropout()), "got '1', a Dropout"),
        (nn.Tanh, "got no parameters"),
        (Outside, "got 'scale', which belongs to none"),
    ],
)
def test_networks_that_are_no_layers_are_refused(network, message):
    x = torch.randn(50, 3)
    with pytest.raises(ValueError, match=message):
        ExtendedMSA(network(), mse_loss, rho=1.0).step(x, x)


def test_losses_and_features_without_a_meaning_are_refused():
    network = nn.Sequential(nn.Linear(3, 3))
    with pytest.raises(ValueError, match="a loss without parameters"):
        MSA(network, nn.Linear(3, 1))
    with pytest.raises(ValueError, match=r"got shape \(2, 3\)"):
        MSA(network, lambda z: z).step(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"one sample; got shape \(0, 3\)"):
        MSA(network, mse_loss).step(torch.zeros(0, 3), torch.zeros(0, 3))
    with pytest.raises(TypeError, match="features that are real numbers"):
        MSA(network, mse_loss).step(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 3))


def test_networks_of_several_processes_are_refused():
    network = nn.parallel.DistributedDataParallel.__new__(nn.parallel.DistributedDataParallel)
    nn.Module.__init__(network)
    with pytest.raises(TypeError, match="a network of one process"):
        MSA(network, mse_loss)


def test_layers_that_work_in_place_are_as_any():
    x, found = torch.randn(9, 3), []
    for inplace in (False, True):
        torch.manual_seed(1)
        layers = [nn.ReLU(inplace), nn.Linear(3, 5), nn.Tanh(), nn.ReLU(inplace), nn.Linear(5, 3)]
        msa = ExtendedMSA(nn.Sequential(*layers), mse_loss, rho=0.1)
        found.append([msa.step(x.clone(), x.sin()) for _ in range(3)])
    assert found[0] == found[1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_one_sample_and_short_formats_have_a_closed_form(dtype):
    network = nn.Linear(3, 3).to(dtype)
    msa = ExtendedMSA(network, mse_loss, rho=0.1)
    x = torch.randn(3, dtype=dtype)
    values = [msa.step(x, x.sin()).objective for _ in range(4)]
    assert values[-1] < 0.5 * values[0]


def test_a_failure_changes_nothing():
    def failing(z, y):
        if not z.requires_grad:  # after the sweep
            raise KeyError
        return mse_loss(z, y)

    network = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 3))
    before = copy.deepcopy(network.state_dict())
    x = torch.randn(9, 3)
    with pytest.raises(KeyError):
        ExtendedMSA(network, failing, rho=0.1).step(x, x.sin())
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
    with pytest.raises(TypeError, match="a real number in a tensor"):
        MSA(network, lambda z, y: mse_loss(z, y).item()).step(x, x)
