"""The registry behind `freeze`."""

from __future__ import annotations

import copy
from functools import singledispatch

from torch import nn

# Packages whose modules may behave differently when frozen, so that `freeze` must know them.
_OURS = ("darboux", "reproductions")


@singledispatch
def freeze(module: nn.Module) -> nn.Module:
    """Return plain torch layers with the same output, for deployment.

    Bounds, step sizes and constraints are evaluated once and folded into the weights of
    `torch.nn` convolutions and linear layers. The result is in eval mode, needs no
    gradient, and goes through `torch.compile(fullgraph=True)`, `torch.export` and ONNX.
    The module itself is not changed.

    A class of one's own joins in by ``freeze.register``.

    Args:
        module: a Darboux module, or a `torch.nn` module that contains none.

    Raises:
        TypeError: if the module contains something that nobody taught `freeze`.

    Example:
        >>> import torch, darboux as dx
        >>> field = dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.ReLU())
        >>> flow = dx.Flow(field, dx.integrators.Euler(), steps=dx.ContractiveSteps(count=2))
        >>> z = torch.ones(1, 4)
        >>> torch.testing.assert_close(dx.freeze(flow)(z), flow(z), check_stride=False)
    """
    name = type(module).__name__
    unknown = [type(m).__name__ for m in module.modules() if _package(m) in _OURS]
    if unknown:
        msg = (
            f"freeze: expected a module that freeze knows; got {name}, which contains "
            f"{', '.join(sorted(set(unknown)))}. Teach it with darboux.freeze.register({name})."
        )
        raise TypeError(msg)
    return finish(_without_constraints(copy.deepcopy(module)))


@freeze.register
def _(module: nn.Sequential) -> nn.Module:
    return finish(nn.Sequential(*(freeze(child) for child in module)))


def finish(module: nn.Module) -> nn.Module:
    """Return the module in eval mode, with no parameter that requires a gradient.

    Example:
        >>> finish(nn.Linear(1, 1)).training
        False
    """
    return module.eval().requires_grad_(requires_grad=False)


def _package(module: nn.Module) -> str:
    return type(module).__module__.partition(".")[0]


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
