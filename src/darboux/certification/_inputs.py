"""Checks of what `certify` is given, and of what the module returns."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import torch
from torch import Tensor, nn

from darboux.certification._finding import known_structures
from darboux.certification._problem import Problem, in_other_precision, norms, widened
from darboux.certification._rounding import UNDECIDED
from darboux.certification._target import Target
from darboux.structure import Structure

_SAMPLES = 8


def check_example(example: Tensor) -> Tensor:
    """Return the example, detached."""
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
            f"certify: expected a finite example; got {bad} of its {example.numel()} entries NaN "
            "or infinite. Clean the input first: no claim is about NaN."
        )
        raise ValueError(msg)
    return example.detach()


def check_module(module: nn.Module) -> None:
    """Refuse parameters that are not finite."""
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            msg = (
                f"certify: expected finite parameters; {name!r} has NaN or infinite entries. "
                "Did the training diverge? Load an earlier checkpoint."
            )
            raise ValueError(msg)


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


def check_claims(claims: Sequence[Structure]) -> tuple[Structure, ...]:
    """Return the user's claims."""
    if not claims:
        msg = "certify: expected at least one claim; got an empty list. Leave claims out instead."
        raise ValueError(msg)
    return tuple(check_structure(claim) for claim in claims)


def check_structure(claim: Structure) -> Structure:
    """Return a structure that can be attacked."""
    known = ", ".join(known_structures())
    if type(claim).__name__ not in known_structures():
        msg = (
            f"Expected a structure that can be attacked; got {type(claim).__name__}, for which no "
            f"attack is known. Known: {known}. Register one with "
            "darboux.certification.attack.register."
        )
        raise ValueError(msg)
    return claim


def unsteady(module: nn.Module, example: Tensor, first: Tensor, second: Tensor) -> str:
    """Return why a map with two values at its example is no function, "" if it is one."""
    with torch.no_grad():
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


def disagreement(target: Target, value: Tensor, exact: Tensor) -> str:
    """Return why the target's dtype says nothing of a map whose twin is exact, "" if it does.

    The values are those of the map and its twin at the inputs.
    """
    problem = Problem(target.module, target, twin=in_other_precision(target))
    points, name = problem.points, str(target.inputs.dtype).removeprefix("torch.")
    if problem.mixes:
        value, exact = value[None], exact[None]
    size = norms(exact).clamp(min=torch.finfo(torch.float64).tiny)
    apart = norms(value - exact) / size
    bound = widened(
        torch.full_like(size, target.rounding(problem.size)),
        apart,
        lambda k: problem.rounding(points[k]).double() / size[k],
    )
    if float(bound.max()) > UNDECIDED:
        return f"rounding in {name} may change values by {float(bound.max()):.2g} of their size"
    k = int((apart / bound).argmax())
    if float(apart[k]) <= float(bound[k]):
        return ""
    return (
        f"{name} and float64 disagree: values differ by {float(apart[k]):.2g} of their size, where "
        f"rounding explains {float(bound[k]):.2g}"
    )
