"""Chains within larger graphs and other machinery: partial and higher derivatives, transforms."""

import copy
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from tests.bijections.nets import additive, gradients, mixed, relative, scalar

MODES = ["checkpoint", "constant"]


def wrapped(memory):
    """A chain between layers that cannot be inverted, with a skip connection around it."""
    torch.manual_seed(0)
    before, after, chain = nn.Linear(4, 6), nn.Linear(6, 2), mixed(memory=memory)

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.chain, self.after = before, chain, after

        def forward(self, x):
            z = torch.relu(self.before(x))
            return self.after(self.chain(z) + z * self.chain(z))

    return Whole().double()


@pytest.mark.parametrize("memory", MODES)
def test_between_other_layers_with_skips(memory):
    x = torch.randn(5, 4, dtype=torch.float64)
    found, expected = (
        torch.autograd.grad((w(x) ** 2).sum(), list(w.parameters()))
        for w in (wrapped(memory), wrapped("autograd"))
    )
    assert relative(found, expected) <= 1e-12


@pytest.mark.parametrize("memory", MODES)
def test_partial_and_repeated_gradients(memory):
    x = torch.randn(5, 6, dtype=torch.float64)
    plain, chain = mixed().double(), mixed(memory=memory).double()
    expected = torch.autograd.grad(scalar(plain, x), plain.layers[3].parameters())
    loss = scalar(chain, x)
    for _ in range(2):
        found = torch.autograd.grad(loss, chain.layers[3].parameters(), retain_graph=True)
        assert relative(found, expected) <= 1e-12
    loss.backward()
    loss = scalar(chain, x)
    loss.backward()  # accumulates
    (first, *_), (whole, *_) = expected, [p.grad for p in chain.layers[3].parameters()]
    torch.testing.assert_close(whole, 2 * first)


@pytest.mark.parametrize("memory", MODES)
def test_only_one_of_the_outputs(memory):
    x = torch.randn(5, 6, dtype=torch.float64)
    for pick in (0, 1):

        def trained(module, pick=pick):
            loss = module.forward_and_log_det(x)[pick].square().sum()
            wanted = list(module.parameters())
            return torch.autograd.grad(loss, wanted, materialize_grads=True)

        assert relative(trained(mixed(memory=memory).double()), trained(mixed().double())) <= 1e-12


@pytest.mark.parametrize("memory", MODES)
def test_second_derivatives_are_right(memory):
    x = torch.randn(3, 6, dtype=torch.float64)

    def second(chain):
        start = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(scalar(chain, start), start, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), [start, *chain.parameters()])

    assert relative(second(mixed(memory=memory).double()), second(mixed().double())) <= 1e-12


def test_second_derivatives_are_refused_without_the_input():
    chain = mixed(memory="constant", on_drift="raise")
    x = torch.randn(3, 6, requires_grad=True)
    with pytest.raises(RuntimeError, match="Derivatives of higher order need the input"):
        torch.autograd.grad(scalar(chain, x), x, create_graph=True)


@pytest.mark.parametrize("memory", MODES)
def test_transforms(memory):
    x, v = torch.randn(2, 3, 6, dtype=torch.float64).unbind()
    plain, chain = mixed().double(), mixed(memory=memory).double()

    def call(module):
        return lambda z: module.forward_and_log_det(z)[0]

    torch.testing.assert_close(
        torch.func.jvp(call(chain), (x,), (v,)), torch.func.jvp(call(plain), (x,), (v,))
    )
    one, other = (
        torch.func.vmap(torch.func.jacrev(lambda z, c=c: c(z[None])[0])) for c in (chain, plain)
    )
    torch.testing.assert_close(one(x), other(x))
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, v)
        moved = torch.autograd.forward_ad.unpack_dual(chain(dual)).tangent
    torch.testing.assert_close(moved, torch.func.jvp(call(plain), (x,), (v,))[1])


@pytest.mark.parametrize("memory", MODES)
@pytest.mark.parametrize("leaf", [True, False])
def test_functional_call_differentiates_what_it_was_given(memory, leaf):
    """The backward pass comes when the module has its own weights back."""
    x = torch.randn(3, 6, dtype=torch.float64)
    plain, chain = mixed().double(), mixed(memory=memory).double()

    def found(module):
        named = {
            n: p.detach().clone().mul_(1.5).requires_grad_() for n, p in plain.named_parameters()
        }
        used = named if leaf else {n: p * 1.1 for n, p in named.items()}
        y = torch.func.functional_call(module, used, (x,))
        return torch.autograd.grad(y.square().sum(), list(named.values()))

    assert relative(found(chain), found(plain)) <= 1e-12


@pytest.mark.parametrize("memory", MODES)
def test_inside_checkpoints_and_offloading(memory):
    x = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    expected = gradients(mixed().double(), x, log_det=False)
    chain = mixed(memory=memory).double()
    y = checkpoint(chain, x, use_reentrant=False)
    assert relative(torch.autograd.grad((y**2).sum(), [x, *chain.parameters()]), expected) <= 1e-12
    with torch.autograd.graph.save_on_cpu():
        y = chain(x)
    assert relative(torch.autograd.grad((y**2).sum(), [x, *chain.parameters()]), expected) <= 1e-12


# dynamo itself looks at .grad of what an eager part returns
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_compilers_leave_the_backward_pass_alone():
    torch.compiler.reset()
    chain, x = additive(2, features=6, memory="constant"), torch.randn(3, 6)
    expected = gradients(copy.deepcopy(chain), x, log_det=False)
    compiled = torch.compile(chain, backend="aot_eager")
    start = x.clone().requires_grad_()
    loss = (compiled(start) ** 2).sum()
    assert relative(torch.autograd.grad(loss, [start, *chain.parameters()]), expected) <= 1e-6
    torch.compiler.reset()
    whole = torch.compile(chain, backend="aot_eager", fullgraph=True)
    with pytest.raises(Exception, match=r"disable|fullgraph|graph break"):
        whole(x.clone().requires_grad_())
    torch.compiler.reset()


SCRIPT = """
import sys, torch, torch.distributed as dist, torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel as DDP
from tests.bijections.nets import additive

def work(rank, port, out):
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.randn(8, 32)
    found = {}
    for memory in ("autograd", "constant"):
        model = DDP(additive(6, memory=memory))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            (model(x[4 * rank : 4 * rank + 4]) ** 2).mean().backward()
            optimizer.step()
        found[memory] = [p.detach() for p in model.parameters()]
    if rank == 0:
        torch.save(found, out)
    dist.barrier()

if __name__ == "__main__":
    mp.start_processes(work, args=(sys.argv[1], sys.argv[2]), nprocs=2, start_method="fork")
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


@pytest.mark.long
def test_two_processes_train_alike(tmp_path, monkeypatch):
    """What was written counts: gloo may abort when it is torn down."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    script, out = tmp_path / "train.py", tmp_path / "weights.pt"
    script.write_text(SCRIPT)
    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", root)
    run = subprocess.run(
        [sys.executable, str(script), free_port(), str(out)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert out.exists(), run.stderr
    found = torch.load(out)
    assert relative(found["constant"], found["autograd"]) <= 1e-5
