"""Checks of what `certify` is given, and of what the module returns."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import torch
from torch import Tensor, nn

from darboux.certification._finding import known_structures
from darboux.certification._problem import Problem, in_other_precision, norms
from darboux.certification._rounding import UNDECIDED
from darboux.certification._target import Target
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
    return tuple(check_structure(claim) for claim in claims)


def check_structure(claim: object) -> Structure:
    """Return a structure that can be attacked."""
    known = ", ".join(known_structures())
    if not isinstance(claim, Structure):
        name = claim.__name__ if isinstance(claim, type) else repr(claim)
        msg = f"Expected a structure such as Lipschitz(1.0); got {name}. Known: {known}."
        raise TypeError(msg)
    if type(claim).__name__ not in known_structures():
        msg = (
            f"Expected a structure that can be attacked; no attack is known for "
            f"{type(claim).__name__}. Known: {known}. Register one with "
            "darboux.certification.attack.register."
        )
        raise ValueError(msg)
    return claim


def unsteady(module: nn.Module, example: Tensor) -> str:
    """Return why a map is no function of its input, "" if it is one."""
    with torch.no_grad():
        first, second = (module(example.clone()).clone() for _ in range(2))
        with suppress(Exception):  # what it says to other inputs is not the question
            module(1.01 * example)
        third = module(example.clone())
    slack = 64 * torch.finfo(first.dtype).eps * first.abs().max()  # sums in varying order
    same = (
        value.shape == first.shape and bool(((value - first).abs() <= slack).all())
        for value in (second, third)
    )
    if all(same):
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
            alone, together = (module(inputs.clone()).clone() for inputs in (few, example))
    except Exception:
        return example
    if together.shape[:1] != example.shape[:1] or alone.shape != together[:_SAMPLES].shape:
        return example
    slack = 1e3 * torch.finfo(alone.dtype).eps * float(together.abs().max())
    same = bool(((alone - together[:_SAMPLES]).abs() <= slack).all())
    return few if same else example


def disagreement(target: Target) -> str:
    """Return why the target's dtype says nothing of a map whose twin is exact, "" if it does."""
    problem = Problem(target.module, target, twin=in_other_precision(target))
    points, name = problem.points, str(target.inputs.dtype).removeprefix("torch.")
    with torch.no_grad():
        value, exact = problem(points).double(), problem.exact(points.double())
    size = norms(exact).clamp(min=torch.finfo(torch.float64).tiny)
    bound = problem.rounding(points).double() / size + target.rounding(problem.size)
    if float(bound.max()) > UNDECIDED:
        return f"rounding in {name} may change values by {float(bound.max()):.2g} of their size"
    apart = norms(value - exact) / size
    k = int((apart / bound).argmax())
    if float(apart[k]) <= float(bound[k]):
        return ""
    return (
        f"{name} and float64 disagree: values differ by {float(apart[k]):.2g} of their size, where "
        f"rounding explains {float(bound[k]):.2g}"
    )
