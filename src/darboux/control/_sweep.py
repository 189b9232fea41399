"""The sweep of successive approximations: states forward, costates backward, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from darboux.solvers._transforms import without_autocast
from darboux.structure import maps_of
from darboux.structure._arguments import shown


class Visited(NamedTuple):
    """A layer n with what the sweep found there."""

    name: str
    layer: nn.Module
    before: Tensor  # x_n
    after: Tensor  # x_{n+1}
    costate: Tensor  # p_{n+1}
    earlier: Tensor  # p_n
    slopes: dict[str, Tensor]  # ∂_θ of p_{n+1} · g(x_n, θ), by the layer's own names


def layers_of(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the layers with names, in order, each with parameters of its own.

    Raises:
        ValueError: if layers share parameters, or some belong to no layer.
    """
    found = _flat(network, "")
    owner: dict[int, str] = {}
    for name, layer in found:
        for parameter in chosen(layer).values():
            if id(parameter) in owner:
                msg = (
                    "Expected layers with parameters of their own, each of which maximises its "
                    f"own Hamiltonian; got {owner[id(parameter)]!r} and {name!r} with one in "
                    "common. Use a flow with a list of fields, and fixed steps."
                )
                raise ValueError(msg)
            owner[id(parameter)] = name
    rest = [name for name, p in chosen(network).items() if id(p) not in owner]
    if rest or not owner:
        what = f"{rest[0]!r}, which belongs to none of them" if rest else "no parameters"
        msg = (
            "Expected a network that is its layers one after another, with parameters to choose; "
            f"got {what}. Use torch.nn.Sequential or a Flow, and requires_grad_(False) for what "
            "is not to be chosen."
        )
        raise ValueError(msg)
    return found


def _flat(module: nn.Module, name: str) -> list[tuple[str, nn.Module]]:
    parts = maps_of(module)
    if not parts or parts[0][1] is module:  # a two-step flow is one map
        return [(name, module)]
    return [
        each for label, part in parts for each in _flat(part, f"{name}.{label}" if name else label)
    ]


def chosen(module: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that are to be chosen, by name."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def sweep(
    network: nn.Module, loss: Callable[..., Tensor], z: Tensor, labels: tuple[Any, ...]
) -> tuple[Tensor, list[Visited]]:
    """Return Φ(x_K), (), and what was found at each layer, p_K = -∇Φ(x_K) and p_n = ∂_x H."""
    if not z.is_floating_point():
        msg = (
            f"Expected features that are real numbers; got {shown(z)}. Costates are gradients in "
            "them: start after the embedding."
        )
        raise TypeError(msg)
    if z.numel() == 0:
        msg = f"Expected at least one sample; got shape {tuple(z.shape)}. Leave out empty batches."
        raise ValueError(msg)
    passed: list[tuple[str, nn.Module, Tensor, Tensor]] = []
    with torch.enable_grad(), without_autocast(z):
        after = z
        for name, layer in layers_of(network):
            before = after.detach().requires_grad_()
            after = layer(before.clone())  # which may be changed in place
            passed.append((name, layer, before, after))
        end = after.detach().requires_grad_()
        value = loss(end, *labels)
        if not (isinstance(value, Tensor) and value.is_floating_point()):
            msg = (
                f"Expected a loss that is a real number in a tensor; got {shown(value)}. Compute "
                "it by torch, without item(), so that it has a gradient."
            )
            raise TypeError(msg)
        if value.ndim > 0:
            msg = (
                f"Expected a loss that is one number; got shape {tuple(value.shape)}. Take its "
                "mean() or sum()."
            )
            raise ValueError(msg)
        (slope,) = torch.autograd.grad(value, end)
    return value.detach(), _backwards(passed, -slope)


def _backwards(
    passed: list[tuple[str, nn.Module, Tensor, Tensor]], costate: Tensor
) -> list[Visited]:
    found: list[Visited] = []
    for name, layer, before, after in reversed(passed):
        parameters = chosen(layer)
        earlier, *slopes = torch.autograd.grad(
            after,
            [before, *parameters.values()],
            costate,
            allow_unused=True,
            materialize_grads=True,
        )
        found.append(
            Visited(
                name,
                layer,
                before,
                after.detach(),
                costate,
                earlier,
                dict(zip(parameters, slopes, strict=True)),
            )
        )
        costate = earlier
    return found[::-1]
