"""Frozen networks: equal outputs, plain layers, and every way of deployment."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

import darboux as dx
from tests.catalogue.flow import COMPOSED as CASES
from tests.catalogue.flow import EXPLICIT as GEOMETRIC
from tests.catalogue.flow import IMPLICIT, example_shape


def _denoiser():
    return dx.models.denoiser(features=8, units=12, depth=3)


def _frozen_close(frozen, module, x):
    expected = module(x)
    scale = float(expected.detach().abs().max())
    torch.testing.assert_close(frozen(x), expected, rtol=0, atol=2e-6 * max(1.0, scale))


@pytest.mark.parametrize("name", CASES)
def test_equal_output(name):
    module = CASES[name]()
    _frozen_close(dx.freeze(module), module, torch.randn(3, *example_shape(name)))


SHEARED = [
    "symplectic-euler",
    "symplectic-euler-kick",
    "verlet",
    "verlet-reversible",
    "verlet-conv",
    "composition",
    "coupled-verlet",
    "lifted-hyperbolic",
]


@pytest.mark.parametrize("name", SHEARED)
def test_equal_output_of_shears(name):
    module = GEOMETRIC[name]()
    for parameter in module.parameters():  # biases begin at 0
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(3, *example_shape(name))
    frozen = dx.freeze(module)
    _frozen_close(frozen, module, x)
    assert not any(type(part).__module__.startswith("darboux.fields") for part in frozen.modules())
    torch.testing.assert_close(torch.export.export(frozen, (x,)).module()(x), frozen(x))


def test_shears_with_thresholds():
    sigma = dx.activations.Clip(3, dim=0, threshold=0.3)
    fields = [
        dx.fields.HamiltonianField(dx.linear.Dense(2, 3), dx.linear.Dense(2, 3), sigma),
        dx.fields.CoupledField(dx.linear.Dense(3, 3), sigma, momentum_bias=False),
    ]
    for field in fields:
        flow = dx.Flow(field, dx.integrators.StormerVerlet(), steps=2)
        for parameter in flow.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        _frozen_close(dx.freeze(flow), flow, torch.randn(2, 4 if field is fields[0] else 6))


@pytest.mark.parametrize("name", ["gauss-hamiltonian", "leapfrog", "splitting-divergence-free"])
def test_what_has_no_plain_layers_is_refused(name):
    with pytest.raises(TypeError, match="expected an explicit Runge-Kutta method, or shears"):
        dx.freeze({**GEOMETRIC, **IMPLICIT}[name]())


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("padding", ["circular", "zeros"])
def test_convolutions_of_all_kinds(dim, kernel, padding):
    conv = dx.linear.Conv(2, 3, kernel_size=kernel, dim=dim, padding_mode=padding)
    x = torch.randn(2, 2, *(6, 5, 7)[:dim])
    _frozen_close(dx.freeze(conv), conv, x)
    field = dx.fields.GradientField(conv, dx.activations.Tanh())
    flow = dx.Flow([field], dx.integrators.Euler(), steps=dx.ContractiveSteps())
    _frozen_close(dx.freeze(flow), flow, x)


@pytest.mark.parametrize("frame", ["zeros", "tight"])
def test_lifts(frame):
    lift = dx.linear.Lift(1, 8, dim=2, shuffle=2, frame=frame)
    _frozen_close(dx.freeze(lift), lift, torch.randn(2, 1, 5, 6))


@pytest.mark.parametrize("size", [(16, 16), (15, 17)])
def test_denoiser(size):
    module = _denoiser()
    _frozen_close(dx.freeze(module), module, torch.rand(2, 1, *size))


def test_unconstrained_twin():
    module = dx.models.unconstrained_denoiser(features=8, units=12, depth=3)
    _frozen_close(dx.freeze(module), module, torch.rand(2, 1, 9, 8))


def test_constraints_are_folded():
    dense = nn.Linear(4, 4)
    nn.utils.parametrizations.spectral_norm(dense)
    dense.eval()
    frozen = dx.freeze(nn.Sequential(dense, nn.ReLU()))
    assert not parametrize.is_parametrized(frozen[0])
    assert parametrize.is_parametrized(dense)
    x = torch.randn(2, 4)
    torch.testing.assert_close(frozen[0](x), dense(x))


def test_only_plain_layers_hold_weights():
    frozen = dx.freeze(_denoiser())
    owners = {type(m) for m in frozen.modules() if list(m.parameters(recurse=False))}
    assert owners == {nn.Conv2d}
    assert not any(p.requires_grad for p in frozen.parameters())
    assert not frozen.training


def test_the_module_itself_is_unchanged():
    module = _denoiser()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    dx.freeze(module)
    assert module.training
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())
    assert all(p.requires_grad for p in module.parameters())


def test_unknown_module_is_refused():
    class Mystery(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = dx.linear.Dense(2, 2)

    with pytest.raises(TypeError, match=r"got Mystery, which contains Dense.*freeze.register"):
        dx.freeze(Mystery())


@pytest.mark.parametrize(
    ("defined_in", "known"),
    [("darboux.models", False), ("reproductions.energy.networks", False), ("darbouxes", True)],
)
def test_modules_of_ours_are_refused_where_nobody_taught_freeze(defined_in, known):
    own = type("Mystery", (nn.Linear,), {"__module__": defined_in})
    if known:
        assert not dx.freeze(own(2, 2)).training
        return
    with pytest.raises(TypeError, match=r"got Mystery, which contains Mystery"):
        dx.freeze(own(2, 2))


def test_unknown_field_is_refused():
    class Cubic(dx.fields.VectorField):
        def forward(self, t, z):
            return -(z**3)

    with pytest.raises(TypeError, match="got Cubic"):
        dx.freeze(dx.Flow([Cubic()], dx.integrators.Euler()))


def test_products_of_zero_padded_maps_are_refused():
    a = dx.linear.Conv(2, 2, kernel_size=3, dim=1, padding_mode="zeros")
    b = dx.linear.Conv(2, 2, kernel_size=3, dim=1, padding_mode="zeros")
    field = dx.fields.GradientField(dx.linear.Composed(a, b), dx.activations.ReLU())
    flow = dx.Flow([field], dx.integrators.Euler(), steps=dx.ContractiveSteps())
    with pytest.raises(
        TypeError, match=r"freeze: expected maps that are one stencil.*which is no stencil"
    ):
        dx.freeze(flow)


def test_compile_fullgraph():
    frozen = dx.freeze(_denoiser())
    x = torch.rand(1, 1, 12, 10)
    compiled = torch.compile(frozen, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), frozen(x))


def test_export():
    frozen = dx.freeze(_denoiser())
    x = torch.rand(1, 1, 12, 10)
    program = torch.export.export(frozen, (x,))
    torch.testing.assert_close(program.module()(x), frozen(x))
