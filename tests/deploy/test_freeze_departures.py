"""What does something else than its class is copied as it is, or refused, and never folded."""

import types

import pytest
import torch
from torch import nn

import darboux as dx


class Doubled(nn.Sequential):
    def forward(self, x):
        return 2 * super().forward(x)


class DoubledDense(dx.linear.Dense):
    def forward(self, x):
        return 2 * super().forward(x)


class DoubledReLU(dx.activations.ReLU):
    def forward(self, x):
        return 2 * super().forward(x)


class DoubledClip(dx.activations.Clip):
    def forward(self, x):
        return 2 * super().forward(x)


class DoubledField(dx.fields.GradientField):
    def forward(self, t, z):
        return 2 * super().forward(t, z)


class DoubledFlow(dx.Flow):
    def forward(self, z):
        return 2 * super().forward(z)


class HastyEuler(dx.integrators.RungeKutta):
    def __init__(self):
        super().__init__(dx.integrators.Euler().tableau)

    def step(self, field, t, h, state):
        return state + 2 * h * field(t, state)


class HastyVerlet(dx.integrators.StormerVerlet):
    def step(self, field, t, h, state):
        return super().step(field, t, 2 * h, state)


def flow(*, field=dx.fields.GradientField, map=dx.linear.Dense, activation=dx.activations.ReLU):
    inner = field(map(2, 3), activation())
    return dx.Flow(inner, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=2))


def hamiltonian(method):
    maps = (dx.linear.Dense(2, 3) for _ in range(2))
    field = dx.fields.HamiltonianField(*maps, dx.activations.Tanh())
    return dx.Flow(field, method, steps=2)


def hooked(module, part):
    part(module).register_forward_hook(lambda module, inputs, value: 2 * value)
    return module


def rewritten(module):
    inner = module.forward
    module.forward = types.MethodType(lambda self, x: 2 * inner(x), module)
    return module


REFUSED = {
    "map": lambda: DoubledDense(4, 4),
    "map in a flow": lambda: flow(map=DoubledDense),
    "map in a lift": lambda: dx.Lifted(DoubledDense(4, 4), nn.ReLU()),
    "activation": lambda: flow(activation=DoubledReLU),
    "threshold": lambda: flow(activation=lambda: DoubledClip(3, dim=0)),
    "field": lambda: flow(field=DoubledField),
    "flow": lambda: nn.Sequential(
        DoubledFlow(
            dx.fields.GradientField(dx.linear.Dense(2, 3), dx.activations.ReLU()),
            dx.integrators.Euler(),
            steps=dx.ContractiveSteps(count=2),
        ),
    ),
    "method": lambda: dx.Flow(
        dx.fields.GradientField(dx.linear.Dense(2, 3), dx.activations.ReLU()),
        HastyEuler(),
        horizon=0.1,
        steps=2,
    ),
    "shears": lambda: hamiltonian(HastyVerlet()),
    "container around ours": lambda: Doubled(flow()),
    "hook on a flow": lambda: hooked(flow(), lambda module: module),
    "hook on a field": lambda: hooked(flow(), lambda module: module.fields[0]),
    "hook on a map": lambda: hooked(flow(), lambda module: module.fields[0].map),
    "hook on an activation": lambda: hooked(flow(), lambda module: module.fields[0].activation),
    "instance": lambda: rewritten(dx.linear.Dense(4, 4)),
    "instance of torch": lambda: rewritten(nn.Linear(4, 4)),
    "instance of torch inside": lambda: nn.Sequential(rewritten(nn.Tanh())),
}


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused(case):
    with pytest.raises(TypeError, match=r"freeze: expected .*(of its own|hooks|was replaced)"):
        dx.freeze(REFUSED[case]())


@pytest.mark.parametrize(
    "copied",
    [
        lambda: Doubled(nn.Linear(3, 3), nn.ReLU()),
        lambda: nn.Sequential(Doubled(nn.Linear(3, 3)), nn.ReLU()),
        lambda: hooked(nn.Sequential(nn.Linear(3, 3)), lambda module: module),
        lambda: hooked(nn.Sequential(nn.Linear(3, 3)), lambda module: module[0]),
        lambda: nn.Sequential(nn.utils.spectral_norm(nn.Linear(3, 3)).eval()),
        lambda: nn.Sequential(torch.compile(nn.Linear(3, 3), backend="eager")),
    ],
    ids=["subclass", "subclass inside", "hook", "hook inside", "old norm", "compiled"],
)
def test_torch_is_copied_as_it_is(copied):
    module, x = copied(), torch.randn(2, 3)
    frozen = dx.freeze(module)
    torch.testing.assert_close(frozen(x), module(x))
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


def test_rules_of_ones_own_are_asked_first():
    class Taught(DoubledReLU):
        pass

    @dx.freeze.register
    def _(module: Taught) -> nn.Module:
        return Doubled(nn.ReLU())

    module, x = nn.Sequential(flow(activation=Taught), Taught()), torch.randn(3, 2)
    torch.testing.assert_close(dx.freeze(module)(x), module(x))


def test_subclasses_that_compute_the_same_are_frozen():
    class Named(dx.linear.Dense):
        def extra_repr(self):
            return "named"

    module, x = flow(map=Named), torch.randn(3, 2)
    torch.testing.assert_close(dx.freeze(module)(x), module(x), check_stride=False)
