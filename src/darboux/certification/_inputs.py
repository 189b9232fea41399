"""Checks of what `certify` is given, and of what the module returns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from darboux.certification._finding import known_structures
from darboux.structure import Structure

_SAMPLES = 8


def check_example(example: object) -> Tensor:
    """Return the example, detached."""
    if not isinstance(example, Tensor):
        msg = f"certify: expected the example as a torch.Tensor; got {type(example).__name__}."
        raise TypeError(msg)
    if not example.is_floating_point():
        msg = f"certify: expected a floating example; got {example.dtype}. Use example.float()."
        raise TypeError(msg)
    if example.ndim < 2 or example.numel() == 0:
        msg = (
            "certify: expected an example (batch, channels, *space) with at least one sample; got "
            f"shape {tuple(example.shape)}. Use example[None] to add the batch axis."
        )
        raise ValueError(msg)
    bad = int((~example.isfinite()).sum())
    if bad:
        msg = (
            f"certify: expected a finite example; {bad} of its {example.numel()} entries are NaN "
            "or infinite. Clean the input first: no claim is about NaN."
        )
        raise ValueError(msg)
    return example.detach()


def check_module(module: object) -> nn.Module:
    """Return the module."""
    if not isinstance(module, nn.Module):
        msg = (
            f"certify: expected a torch.nn.Module; got {type(module).__name__}. Wrap a function "
            "in a module whose forward calls it."
        )
        raise TypeError(msg)
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            msg = (
                f"certify: expected finite parameters; {name!r} has NaN or infinite entries. "
                "Did the training diverge? Load an earlier checkpoint."
            )
            raise ValueError(msg)
    return module


def check_value(value: object, example: Tensor) -> Tensor:
    """Return what the module made of the example."""
    if not isinstance(value, Tensor):
        msg = (
            f"certify: expected the module to return one tensor; got {type(value).__name__}. Wrap "
            "it in a module that returns the tensor that the claim is about."
        )
        raise TypeError(msg)
    if not value.is_floating_point():
        msg = f"certify: expected floating values; the module returned {value.dtype}."
        raise TypeError(msg)
    bad = int((~value.isfinite()).sum())
    if bad:
        msg = (
            f"certify: expected finite values; the module returned {bad} NaN or infinite entries "
            f"of {value.numel()} for a finite example of shape {tuple(example.shape)}."
        )
        raise ValueError(msg)
    return value


def check_claims(claims: object) -> tuple[Structure, ...]:
    """Return the user's claims."""
    if isinstance(claims, Structure) or not isinstance(claims, Sequence) or isinstance(claims, str):
        msg = (
            "certify: expected claims as a list of structures, such as [Lipschitz(1.0)]; got "
            f"{claims!r}."
        )
        raise TypeError(msg)
    if not claims:
        msg = "certify: expected at least one claim; got an empty list. Leave claims out instead."
        raise ValueError(msg)
    return tuple(_known(claim) for claim in claims)


def _known(claim: object) -> Structure:
    known = ", ".join(known_structures())
    if not isinstance(claim, Structure):
        name = claim.__name__ if isinstance(claim, type) else repr(claim)
        msg = f"certify: expected a structure such as Lipschitz(1.0); got {name}. Known: {known}."
        raise TypeError(msg)
    if type(claim).__name__ not in known_structures():
        msg = (
            f"certify: no attack is known for {type(claim).__name__}. Known: {known}. Register "
            "one with darboux.certification.attack.register."
        )
        raise ValueError(msg)
    return claim


def unsteady(module: nn.Module, example: Tensor) -> str:
    """Return why a map is no function of its input, "" if it is one."""
    with torch.no_grad():
        first, second = module(example), module(example)
    size = float(first.abs().max())
    slack = 64 * torch.finfo(first.dtype).eps * size  # some kernels sum in varying order
    if first.shape == second.shape and bool(((first - second).abs() <= slack).all()):
        return ""
    mode = " in training mode; call eval() first" if module.training else ""
    return f"two calls with the same input differ: the map is random or keeps state{mode}"


def few_samples(module: nn.Module, example: Tensor) -> Tensor:
    """Return the first samples of a large batch, if they do not depend on the others."""
    few = example[:_SAMPLES]
    if len(few) == len(example):
        return example
    try:
        with torch.no_grad():
            alone, together = module(few), module(example)
    except (RuntimeError, ValueError):
        return example
    if together.shape[:1] != example.shape[:1] or alone.shape != together[:_SAMPLES].shape:
        return example
    slack = 1e3 * torch.finfo(alone.dtype).eps * float(together.abs().max())
    same = bool(((alone - together[:_SAMPLES]).abs() <= slack).all())
    return few if same else example
