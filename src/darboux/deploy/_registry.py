"""The registry behind `freeze`."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import NoReturn

from torch import nn

from darboux.linear import LinearMap
from darboux.structure import claims_of
from darboux.structure._arguments import checked
from darboux.structure._kept import keep
from darboux.structure._rules import by_class, eager

# Packages whose modules may behave differently when frozen, so that `freeze` must know them.
_OURS = ("darboux", "reproductions")


def maps_in(module: nn.Module) -> Iterable[nn.Module]:
    """Return the linear maps, whose kernels rules read."""
    return (part for part in module.modules() if isinstance(part, LinearMap))


def refused(module: nn.Module, reason: str) -> NoReturn:
    """Refuse a module that does something else than its class."""
    msg = (
        f"freeze: expected a {type(module).__name__} that computes what its class does, and its "
        f"maps too; {reason}. Teach a class of your own with darboux.freeze.register."
    )
    raise TypeError(msg)


def _by_copy(module: nn.Module, reason: str) -> nn.Module:
    """Return a frozen copy of what contains nothing of ours, whatever it does."""
    if any(_is_ours(part) for part in module.modules()):
        refused(module, reason)
    return freeze.registry[object](module)


def _with_claims(module: nn.Module, frozen: nn.Module) -> nn.Module:
    """Let frozen layers keep the claims of what they were made of, where they have values."""
    if frozen is not module and not any(weight.is_meta for weight in module.parameters()):
        keep(frozen, claims_of(module))
    return frozen


@checked
@by_class(_by_copy, parts=maps_in, then=_with_claims)
def freeze(module: nn.Module) -> nn.Module:
    """Return plain torch layers with the same output, for deployment.

    Bounds, step sizes and constraints are evaluated once and folded into the weights of
    `torch.nn` convolutions and linear layers. The result is in eval mode, needs no
    gradient, and goes through `torch.compile(fullgraph=True)`, `torch.export` and ONNX.
    The module itself is not changed.

    The result keeps the claims of the module, as bounds for these weights, in any dtype that has
    them exactly. Claims about an energy or an inverse are lost, for it has no method but
    ``forward``. Where weights, layers or the mode change, or hooks are added, what was kept is of
    the kind MEASURED, and `certify` is undecided or refutes it.

    A class of one's own joins in by ``freeze.register``.

    Args:
        module: a Darboux module, or a `torch.nn` module that contains none.

    Raises:
        TypeError: if the module contains something that nobody taught `freeze`, or that does
            something else than its class: by a ``forward()`` of a subclass or of its own, or by
            forward hooks.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> flow = dx.Flow(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=2))
        >>> z = torch.ones(1, 4)
        >>> frozen = dx.freeze(flow)
        >>> torch.testing.assert_close(frozen(z), flow(z), check_stride=False)
        >>> dx.certify(frozen, z, effort="quick").require(dx.Lipschitz(1.0)).kind.name
        'BOUND'
    """
    name = type(module).__name__
    unknown = [type(m).__name__ for m in module.modules() if _is_ours(m)]
    if unknown:
        msg = (
            f"freeze: expected a module that freeze knows; got {name}, which contains "
            f"{', '.join(sorted(set(unknown)))}. Teach it with darboux.freeze.register({name})."
        )
        raise TypeError(msg)
    for part in module.modules():
        if "forward" in vars(eager(part)):
            refused(part, "its forward() was replaced by one that a copy may share")
    return finish(_without_constraints(copy.deepcopy(module)))


@freeze.register
def _(module: nn.Sequential) -> nn.Module:
    return finish(nn.Sequential(*(freeze(child) for child in module)))


@checked
def finish(module: nn.Module) -> nn.Module:
    """Return the module in eval mode, with no parameter that requires a gradient.

    Example:
        >>> finish(nn.Linear(1, 1)).training
        False
    """
    return module.eval().requires_grad_(requires_grad=False)


def _is_ours(module: nn.Module) -> bool:
    return any(cls.__module__.partition(".")[0] in _OURS for cls in type(module).__mro__)


def _without_constraints(module: nn.Module) -> nn.Module:
    """Replace every parametrised tensor of a private copy by its value."""
    # `torch.nn.utils.parametrize.remove_parametrizations` would delete the property from
    # the class, which the copy shares with the original, and so break the original.
    for part in list(module.modules()):
        names = list(getattr(part, "parametrizations", ()))
        values = {name: getattr(part, name).detach().clone() for name in names}
        if names:
            part.__class__ = type(part).__bases__[0]  # the class before parametrisation
            del part._modules["parametrizations"]
        for name, value in values.items():
            part.register_parameter(name, nn.Parameter(value))
    return module
