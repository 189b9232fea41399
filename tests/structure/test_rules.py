"""Rules by class speak of what the class does, and of no object that does something else."""

import abc
import re
import types

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

import darboux as dx
from darboux.structure import Claim, Claims, Kind, claims_of, maps_of


class DoubledSequential(nn.Sequential):
    def forward(self, x):
        return 2 * super().forward(x)


class RepeatedSequential(nn.Sequential):
    def __iter__(self):
        return iter([*super().__iter__()] * 2)


class SteepReLU(nn.ReLU):
    def forward(self, x):
        return 5 * x


class WrongConv(nn.Conv2d):
    def _conv_forward(self, *arguments):
        return 3 * super()._conv_forward(*arguments)


class CalledLinear(nn.Linear):
    def __call__(self, x):
        return 3 * super().__call__(x)


class DoubledDense(dx.linear.Dense):
    def forward(self, x):
        return 2 * super().forward(x)


class DoubledFlow(dx.Flow):
    def forward(self, z):
        return 2 * super().forward(z)


def parts():
    return nn.ReLU(), nn.Tanh()


def flow(kind=dx.Flow):
    field = dx.fields.GradientField(dx.linear.Dense(2, 3), dx.activations.ReLU())
    return kind(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=2))


def doubled(module):
    """The module, with a forward of its own."""
    inner = module.forward
    module.forward = types.MethodType(lambda self, x: 2 * inner(x), module)
    return module


def hooked(module):
    module.register_forward_hook(lambda module, inputs, value: 2 * value)
    return module


def pre_hooked(module):
    module.register_forward_pre_hook(lambda module, inputs: (2 * inputs[0],))
    return module


DEPARTED = {
    "forward": (lambda: DoubledSequential(*parts()), r"DoubledSequential has a forward\(\)"),
    "iter": (lambda: RepeatedSequential(*parts()), r"__iter__\(\) of its own"),
    "activation": (SteepReLU, "ReLU is not known of it"),
    "convolution": (lambda: WrongConv(1, 1, 3), r"_conv_forward\(\)"),
    "call": (lambda: CalledLinear(2, 2), r"__call__\(\)"),
    "map": (lambda: DoubledDense(2, 3), r"DoubledDense has a forward\(\)"),
    "flow": (lambda: flow(DoubledFlow), r"DoubledFlow has a forward\(\)"),
    "instance": (lambda: doubled(nn.Tanh()), r"forward\(\) of this Tanh was replaced"),
    "instance of ours": (lambda: doubled(flow()), r"forward\(\) of this Flow was replaced"),
    "hook": (lambda: hooked(nn.Tanh()), r"forward hooks \(<lambda>\)"),
    "hook on ours": (lambda: hooked(dx.activations.Tanh()), "forward hooks"),
    "hook before": (lambda: pre_hooked(nn.Sequential(*parts())), "forward hooks"),
    "old weight norm": (lambda: nn.utils.weight_norm(nn.Linear(2, 2)), "WeightNorm"),
    "old spectral norm": (lambda: nn.utils.spectral_norm(nn.Linear(2, 2)), "SpectralNorm"),
    "pruned": (lambda: prune.l1_unstructured(nn.Linear(2, 2), "weight", 1), "forward hooks"),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("case", DEPARTED)
def test_what_does_something_else_claims_nothing(case):
    make, reason = DEPARTED[case]
    module = make()
    found = claims_of(module)
    assert not found.claims
    assert re.search(reason, found.gaps[0].reason), found.gaps
    assert maps_of(module) == ()
    inside = claims_of(nn.Sequential(module, nn.Identity()))
    assert not inside.claims
    assert inside.gaps[0].path == "0"


def test_hooks_on_all_modules():
    handle = nn.modules.module.register_module_forward_hook(lambda module, inputs, value: 2 * value)
    try:
        assert not claims_of(nn.ReLU()).claims
    finally:
        handle.remove()
    assert claims_of(nn.ReLU()).claims


class NamedReLU(nn.ReLU):
    def __init__(self):
        super().__init__()
        self.name = "named"

    def extra_repr(self):
        return self.name


class Block(nn.Sequential):
    def __init__(self):
        super().__init__(*parts())


class NamedDense(dx.linear.Dense):
    def extra_repr(self):
        return "named"


def unhooked(module):
    module.register_forward_hook(lambda *_: None).remove()
    module.register_full_backward_hook(lambda *_: None)  # changes no value
    return module


def in_place(module):
    module.compile(backend="eager")
    return module


KEPT = {
    "subclass of a layer": (NamedReLU, nn.ReLU),
    "subclass of a container": (Block, lambda: nn.Sequential(*parts())),
    "subclass of ours": (lambda: NamedDense(2, 3), lambda: dx.linear.Dense(2, 3)),
    "parametrised": (
        lambda: parametrizations.orthogonal(nn.Linear(2, 2)),
        lambda: nn.Linear(2, 2),
    ),
    "hooks removed": (lambda: unhooked(nn.ReLU()), nn.ReLU),
    "hooks of flows removed": (lambda: unhooked(flow()), flow),
    "compiled": (lambda: torch.compile(flow(), backend="eager"), flow),
    "compiled in place": (lambda: in_place(nn.Sequential(*parts())), lambda: Block()),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_does_the_same_keeps_its_claims(case):
    found, expected = (make() for make in KEPT[case])
    assert [type(claim.structure) for claim in claims_of(found)] == [
        type(claim.structure) for claim in claims_of(expected)
    ]
    assert claims_of(found).claims
    assert [name for name, _ in maps_of(found)] == [name for name, _ in maps_of(expected)]


class Template(nn.Module, abc.ABC):
    """A class of a user's own, for which subclasses write the forward pass."""

    @abc.abstractmethod
    def forward(self, x): ...

    def claims(self):
        return [Claim(dx.Lipschitz(1.0), Kind.MEASURED, "as subclasses promise")]


class Written(Template):
    def forward(self, x):
        return x


class Reclaimed(Written):
    def forward(self, x):
        return 2 * x

    def claims(self):
        return Claims((Claim(dx.Lipschitz(2.0), Kind.MEASURED, "twice as much"),))


class ClaimedSequential(DoubledSequential):
    def claims(self):
        return [Claim(dx.Lipschitz(2.0), Kind.MEASURED, "twice what does not expand")]


def test_classes_of_ones_own():
    """Who writes claims() speaks of subclasses, and not of what is hooked to an object."""
    assert claims_of(Written()).find(dx.Lipschitz).structure == dx.Lipschitz(1.0)
    assert claims_of(Reclaimed()).find(dx.Lipschitz).structure == dx.Lipschitz(2.0)
    for module in (Written(), Reclaimed()):
        assert not claims_of(hooked(module)).claims


def test_claims_of_ones_own_come_before_the_rule_of_a_base_class():
    module = ClaimedSequential(*parts())
    assert claims_of(module).find(dx.Lipschitz).structure == dx.Lipschitz(2.0)
    assert maps_of(module) == ()


def test_a_rule_for_the_subclass_is_one_for_its_forward():
    class Taught(SteepReLU):
        pass

    @claims_of.register
    def _(module: Taught) -> Claims:
        return Claims((Claim(dx.Lipschitz(5.0), Kind.CONSTRUCTION, "5 x"),))

    assert claims_of(Taught()).find(dx.Lipschitz).structure == dx.Lipschitz(5.0)


def test_certify_attacks_the_whole_as_it_is():
    x = torch.randn(4, 3)
    for module in (DoubledSequential(*parts()), doubled(nn.Sequential(*parts()))):
        certificate = dx.certify(module, x, claims=[dx.Lipschitz(1.0)], effort="quick")
        assert not certificate.holds
        assert dx.certify(module, x, claims=[dx.Lipschitz(2.0)], effort="quick").holds


def test_the_old_name_of_maps_is_refused():
    class Old(nn.Module):
        def claims(self):
            return [Claim(dx.Lipschitz(1.0), Kind.MEASURED, "?")]

        def chain(self):
            return [("first", nn.Identity())]

    with pytest.raises(TypeError, match=r"chain\(\) is called maps\(\)"):
        maps_of(Old())

    class New(Old):
        def maps(self):
            return [("first", nn.Identity())]

    assert len(maps_of(New())) == 1
