"""Bad input: answered by what was expected, and no parameter is changed."""

import re

import pytest
import torch
from torch import nn

import darboux as dx

M = dx.manifolds
STIEFEL = M.Stiefel(6, 2)
OPTIMISERS = {
    "SGD": lambda groups: dx.optim.RiemannianSGD(groups, lr=0.1),
    "momentum": lambda groups: dx.optim.RiemannianSGD(groups, lr=0.1, momentum=0.9),
    "Adam": lambda groups: dx.optim.RiemannianAdam(groups, lr=0.1),
    "Muon": lambda groups: dx.optim.RiemannianMuon(groups, lr=0.1),
}


def group(parameter, manifold=STIEFEL, **options):
    return [{"params": [parameter], "manifold": manifold, **options}]


def frame():
    return nn.Parameter(STIEFEL.random_point())


CALLS = {
    "off the manifold": (
        lambda: dx.optim.RiemannianSGD(group(nn.Parameter(torch.ones(6, 2)))),
        (ValueError, "got a defect of "),
    ),
    "what to do there": (
        lambda: dx.optim.RiemannianSGD(group(nn.Parameter(torch.ones(6, 2)))),
        (ValueError, "p.copy_(manifold.nearest(p))"),
    ),
    "rows instead of columns": (
        lambda: dx.optim.RiemannianSGD(group(nn.Parameter(torch.eye(6)[:2]))),
        (ValueError, "transpose it if its rows are meant"),
    ),
    "more columns than rows": (
        lambda: dx.optim.RiemannianSGD(group(frame(), M.Stiefel(2, 6))),
        (ValueError, "expected p <= n"),
    ),
    "no manifold": (
        lambda: dx.optim.RiemannianSGD(group(frame(), "stiefel")),
        (TypeError, "got 'stiefel'. Write {'params': [w], 'manifold'"),
    ),
    "weight decay": (
        lambda: dx.optim.RiemannianAdam(group(frame()), weight_decay=0.1),
        (ValueError, "expected weight_decay=0 on Stiefel(n=6"),
    ),
    "Nesterov without momentum": (
        lambda: dx.optim.RiemannianSGD(group(frame()), nesterov=True),
        (ValueError, "expected a positive momentum with nesterov=True; got 0"),
    ),
    "a negative step size": (
        lambda: dx.optim.RiemannianSGD(group(frame()), lr=-1.0),
        (ValueError, "expected lr to be a finite number of 0 or more; got -1.0"),
    ),
    "Muon without a manifold": (
        lambda: dx.optim.RiemannianMuon([nn.Parameter(torch.zeros(3))]),
        (ValueError, "on no manifold. Give it to RiemannianAdam"),
    ),
    "Muon on a sphere": (
        lambda: dx.optim.RiemannianMuon(
            group(nn.Parameter(torch.tensor([1.0, 0, 0])), M.Sphere(3))
        ),
        (ValueError, "expected orthonormal columns (Stiefel, Grassmann, SO, U); got"),
    ),
    "no closure": (
        lambda: dx.optim.RiemannianCG(group(frame())).step(),
        (TypeError, "expected a closure, which clears the gradients"),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_answers(name):
    call, (error, words) = CALLS[name]
    with pytest.raises(error, match=re.escape(words)):
        call()


def test_a_refused_group_is_not_added():
    optimizer = dx.optim.RiemannianSGD(group(frame()))
    with pytest.raises(ValueError, match="defect"):
        optimizer.add_param_group(group(nn.Parameter(torch.ones(6, 2)))[0])
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize(
    "manifold", [STIEFEL, M.Sphere(4), M.SPD(3)], ids=lambda m: type(m).__name__
)
@pytest.mark.parametrize("optimiser", ["SGD", "momentum", "Adam"])
def test_gradients_that_are_not_finite(optimiser, manifold, bad):
    """The last of several groups: those before it stay where they are, too."""
    first, free = frame(), nn.Parameter(torch.zeros(3))
    last = nn.Parameter(manifold.random_point())
    optimizer = OPTIMISERS[optimiser](
        [{"params": [free]}, *group(first), {"params": [last], "manifold": manifold}]
    )
    for p in (first, free, last):
        p.grad = torch.ones_like(p)
    optimizer.step()
    before = [p.detach().clone() for p in (first, free, last)]
    kept = {p: {k: v.clone() for k, v in s.items()} for p, s in optimizer.state.items()}
    last.grad[0] = bad
    with pytest.raises(FloatingPointError, match="Expected finite gradients; got NaN or ∞"):
        optimizer.step()
    torch.testing.assert_close([p.detach() for p in (first, free, last)], before, rtol=0, atol=0)
    for p, state in kept.items():
        torch.testing.assert_close(dict(optimizer.state[p]), state, rtol=0, atol=0)


def test_a_step_beyond_the_range_of_numbers():
    manifold = M.SPD(3)
    w = nn.Parameter(torch.eye(3))
    optimizer = dx.optim.RiemannianSGD(group(w, manifold), lr=1e30)
    w.grad = -torch.eye(3)
    with pytest.raises(FloatingPointError, match="expected steps that end on the manifold"):
        optimizer.step()
    assert torch.equal(w.detach(), torch.eye(3))


@pytest.mark.parametrize("several", [1, 3])
def test_sparse_gradients(several):
    """Of embeddings on spheres; without a manifold they are what they are for torch."""
    sphere = M.Sphere(4)
    layers = [nn.Embedding(5, 4, sparse=True) for _ in range(several)]
    weights = [layer.weight for layer in layers]
    for layer in layers:
        layer.weight.data = sphere.random_point(5)
        layer(torch.tensor([1, 2])).sum().backward()
    with pytest.raises(RuntimeError, match="expected dense gradients; got sparse ones"):
        dx.optim.RiemannianSGD([{"params": weights, "manifold": sphere}]).step()
    before = weights[0].detach().clone()
    dx.optim.RiemannianSGD(weights, lr=0.1).step()
    moved = (weights[0].detach() != before).any(1)
    assert moved.tolist() == [False, True, True, False, False]


def test_on_the_meta_device():
    w = nn.Parameter(torch.empty(6, 2, device="meta"))
    assert len(dx.optim.RiemannianSGD(group(w)).param_groups) == 1


def test_empty_batches():
    w = nn.Parameter(torch.empty(0, 6, 2))
    optimizer = dx.optim.RiemannianSGD(group(w), lr=0.1, momentum=0.9)
    w.grad = torch.empty(0, 6, 2)
    optimizer.step()
    assert w.shape == (0, 6, 2)


def test_conjugate_gradients_where_the_loss_is_not_finite():
    """At the start they say so; a trial step that ends there is shortened."""
    w = frame()
    before = w.detach().clone()
    optimizer = dx.optim.RiemannianCG(group(w))

    def closure(loss):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    with pytest.raises(FloatingPointError, match="Expected finite gradients"):
        optimizer.step(lambda: closure(lambda: w.sum() / 0))
    assert torch.equal(w.detach(), before)
    x = nn.Parameter(torch.tensor([4.0], dtype=torch.float64))
    optimizer = dx.optim.RiemannianCG([x], lr=100.0)
    optimizer.step(lambda: closure(lambda: (x - 2 * x.log()).sum()))  # NaN for x < 0
    torch.testing.assert_close(x.detach(), torch.tensor([2.0], dtype=torch.float64))


def test_a_state_of_other_shape_is_refused():
    w, v = frame(), nn.Parameter(M.Stiefel(7, 3).random_point())
    narrow = OPTIMISERS["momentum"](group(w))
    wide = OPTIMISERS["momentum"](group(v, M.Stiefel(7, 3)))
    with pytest.raises(ValueError, match=r"Expected a state of group 0 on Stiefel\(n=7, p=3"):
        wide.load_state_dict(narrow.state_dict())


@pytest.mark.parametrize("lr", [float("nan"), -1.0, float("inf")])
def test_step_sizes_that_a_schedule_made(lr):
    w = frame()
    optimizer = OPTIMISERS["SGD"](group(w))
    optimizer.param_groups[0]["lr"] = lr
    w.grad = torch.ones_like(w)
    with pytest.raises(ValueError, match="Expected lr to be a finite number of 0 or more"):
        optimizer.step()
