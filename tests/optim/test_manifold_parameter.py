"""Parameters that name their manifold: ours, geoopt's, and optimisers that would leave it."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn

import darboux as dx

M = dx.manifolds
STIEFEL = M.Stiefel(6, 2)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.frame = dx.optim.ManifoldParameter(STIEFEL.random_point().contiguous(), STIEFEL)
        self.bias = nn.Parameter(torch.zeros(2))

    def forward(self, x):
        return x @ self.frame + self.bias


def stepped(layer, build, **options):
    optimizer = build(layer.parameters(), lr=0.1, **options)
    layer(torch.ones(3, 6)).square().sum().backward()
    optimizer.step()


REFUSED = {
    "SGD": (torch.optim.SGD, {}),
    "SGD, foreach": (torch.optim.SGD, {"foreach": True}),
    "SGD, fused": (torch.optim.SGD, {"fused": True}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "Adam": (torch.optim.Adam, {}),
    "Adam, foreach": (torch.optim.Adam, {"foreach": True}),
    "Adam, fused": (torch.optim.Adam, {"fused": True}),
    "AdamW": (torch.optim.AdamW, {}),
    "RMSprop": (torch.optim.RMSprop, {}),
    "Adagrad": (torch.optim.Adagrad, {}),
    "Adadelta": (torch.optim.Adadelta, {}),
    "Adamax": (torch.optim.Adamax, {}),
    "NAdam": (torch.optim.NAdam, {}),
    "RAdam": (torch.optim.RAdam, {}),
    "ASGD": (torch.optim.ASGD, {}),
    "Rprop": (torch.optim.Rprop, {}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_optimisers_of_torch_are_refused(case):
    build, options = REFUSED[case]
    layer = Layer()
    before = layer.frame.detach().clone()
    with pytest.raises(TypeError, match=r"Expected Stiefel\(.* not to be left; got .*_ of torch"):
        stepped(layer, build, **options)
    assert torch.equal(layer.frame.detach(), before)


def test_lbfgs_is_refused():
    layer = Layer()
    optimizer = torch.optim.LBFGS(layer.parameters())

    def closure():
        optimizer.zero_grad()
        loss = layer(torch.ones(3, 6)).square().sum()
        loss.backward()
        return loss

    with pytest.raises(TypeError, match=r"Use an optimiser of darboux\.optim"):
        optimizer.step(closure)


@pytest.mark.parametrize("build", [dx.optim.RiemannianSGD, dx.optim.RiemannianAdam])
def test_ours_find_the_manifold(build):
    layer = Layer()
    before = layer.frame.detach().clone()
    stepped(layer, build)
    assert not torch.equal(layer.frame.detach(), before)
    assert STIEFEL.check(layer.frame.detach())[0]
    assert not torch.equal(layer.bias.detach(), torch.zeros(2))


def test_a_group_on_another_manifold_is_refused():
    layer = Layer()
    for other in (M.Euclidean(2), M.Stiefel(6, 2, metric="canonical")):
        groups = [{"params": [layer.frame], "manifold": other}]
        with pytest.raises(ValueError, match=r"Expected the group of a parameter on Stiefel\(n=6"):
            dx.optim.RiemannianSGD(groups)


@pytest.mark.parametrize("way", ["deepcopy", "pickle", "torch.save", "state_dict", "double"])
def test_life_of_a_parameter(way):
    layer = Layer()
    if way == "deepcopy":
        other = copy.deepcopy(layer)
    elif way == "pickle":
        other = pickle.loads(pickle.dumps(layer))
    elif way == "torch.save":
        file = io.BytesIO()
        torch.save(layer.state_dict(), file)
        file.seek(0)
        other = Layer()
        other.load_state_dict(torch.load(file))
    elif way == "state_dict":
        other = Layer()
        other.load_state_dict(layer.state_dict())
    else:
        other = copy.deepcopy(layer).double().float()
    assert torch.equal(other.frame, layer.frame)
    assert type(other.frame) is dx.optim.ManifoldParameter
    assert other.frame.manifold == STIEFEL
    assert other.frame.requires_grad
    assert "ManifoldParameter on Stiefel" in repr(other.frame)
    assert other.frame is not layer.frame


def test_results_are_plain_tensors():
    layer = Layer()
    assert type(layer.frame * 2) is torch.Tensor
    assert type(layer.frame.detach()) is torch.Tensor
    assert [name for name, _ in layer.named_parameters()] == ["frame", "bias"]
    x = torch.ones(1, 6)
    values = dict(layer.named_parameters())
    y = torch.func.functional_call(layer, {k: v.detach() for k, v in values.items()}, x)
    assert torch.equal(y, layer(x))


@pytest.mark.slow
def test_it_compiles():
    layer, x = Layer(), torch.ones(3, 6)
    compiled = torch.compile(layer, fullgraph=True)
    torch.testing.assert_close(compiled(x), layer(x))
    compiled(x).sum().backward()
    assert layer.frame.grad is not None


def test_a_point_off_the_manifold_is_refused():
    with pytest.raises(ValueError, match=r"got a defect of .*nearest"):
        dx.optim.ManifoldParameter(torch.ones(6, 2), STIEFEL)
    with pytest.raises(TypeError, match="expected manifold to be a Manifold; got 'sphere'"):
        dx.optim.ManifoldParameter(torch.ones(6, 2), "sphere")


def named_like_geoopt(name, **attributes):
    """Return what has the class name of a manifold of geoopt's."""
    return type(name, (), attributes)()


GEOOPT = {
    "EuclideanStiefel": (torch.eye(4)[:, :2], M.Stiefel(4, 2)),
    "CanonicalStiefel": (torch.eye(4)[:, :2], M.Stiefel(4, 2, metric="canonical")),
    "Sphere": (torch.eye(3)[:2], M.Sphere(3)),
    "SymmetricPositiveDefinite": (2 * torch.eye(3), M.SPD(3)),
    "Euclidean": (torch.ones(3), None),
}


@pytest.mark.parametrize("name", GEOOPT)
def test_parameters_of_geoopt(name):
    start, manifold = GEOOPT[name]
    w = nn.Parameter(start.clone())
    w.manifold = named_like_geoopt(name)
    (w * torch.arange(w.numel()).view_as(w)).sum().backward()
    other = nn.Parameter(start.clone())
    other.grad = w.grad
    dx.optim.RiemannianSGD([w], lr=0.01).step()
    dx.optim.RiemannianSGD([{"params": [other], "manifold": manifold}], lr=0.01).step()
    assert torch.equal(w, other)
    assert not torch.equal(w.detach(), start)


def test_manifolds_of_geoopt_that_are_unknown_here():
    w = nn.Parameter(torch.ones(3))
    for manifold, words in (
        (named_like_geoopt("PoincareBall"), "EuclideanStiefel.*got PoincareBall"),
        (named_like_geoopt("Sphere", projector=torch.eye(3)), "without a subspace"),
    ):
        w.manifold = manifold
        with pytest.raises(TypeError, match=words):
            dx.optim.RiemannianSGD([w])


def test_geoopt_itself():
    geoopt = pytest.importorskip("geoopt")
    w = geoopt.ManifoldParameter(torch.eye(5)[:, :2], manifold=geoopt.EuclideanStiefel())
    w[0].sum().backward()
    dx.optim.RiemannianAdam([w], lr=0.1).step()
    assert M.Stiefel(5, 2).check(w.detach())[0]
    assert not torch.equal(w.detach().as_subclass(torch.Tensor), torch.eye(5)[:, :2])
