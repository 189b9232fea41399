"""Prolongation in depth: the same function θ(t) on a finer grid of steps."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import replace

from torch import nn

from darboux.flow import Flow, LearnedSteps, StepRule, UniformSteps
from darboux.structure._arguments import Count, checked


@checked
def prolong(flow: Flow, factor: Count = 2) -> Flow:
    """Return a flow with `factor` times as many steps, each field repeated: the same θ(t).

    θ is piecewise constant in time, so that repeating each θ_k keeps the function and its
    horizon: h_k becomes `factor` steps of h_k / factor, learned ones included. A flow that is
    trained with few steps and prolonged starts the training with more steps near its end. Nothing
    is shared between the two flows; fields that share parameters with each other still do, and
    a single field serves more steps.

    Source: section 3.3, where θ^(K) is a function in L²(0, T); Haber and Ruthotto 2017.

    Args:
        flow: with `UniformSteps` or `LearnedSteps`.
        factor: into how many each step is divided.

    Raises:
        TypeError: if the steps follow a rule whose horizon depends on their number.
        ValueError: if factor < 1.

    Example:
        >>> import torch, darboux as dx
        >>> generator = torch.manual_seed(0)
        >>> layer = dx.linear.Dense(2, 2)
        >>> field = dx.fields.ResidualField(layer, dx.activations.Tanh())
        >>> coarse = dx.Flow([field], dx.integrators.Kutta4())
        >>> fine = dx.control.prolong(coarse, 4)
        >>> len(fine.fields), fine.rule
        (4, UniformSteps(horizon=1.0, count=4))
        >>> z = torch.randn(5, 2)
        >>> bool(torch.allclose(fine(z), coarse(z), atol=1e-3))
        True
    """
    rule = _finer(flow.rule, factor)
    copies = _copies(flow.fields, 1 if flow.shared else factor)
    fields = nn.ModuleList(field for step in zip(*copies, strict=True) for field in step)
    fields.training = flow.fields.training
    return deepcopy(flow, {id(flow.fields): fields, id(flow.rule): rule})


def _finer(rule: StepRule, factor: int) -> StepRule:
    """Return the rule with each step divided."""
    if isinstance(rule, UniformSteps):
        return replace(rule, count=factor * rule.count)
    if isinstance(rule, LearnedSteps):
        sizes = rule.current().detach().to(rule.values) / factor
        found = LearnedSteps(
            factor * rule.count,
            horizon=rule.horizon,
            constraint=rule.constraint,
            start=sizes.repeat_interleave(factor),
        )
        found.values.requires_grad_(rule.values.requires_grad)
        return found.train(rule.training)
    msg = (
        f"prolong: expected UniformSteps or LearnedSteps, whose horizon stays when steps are "
        f"divided; got {rule!r}. Give the flow its present horizon and number of steps."
    )
    raise TypeError(msg)


def _copies(fields: nn.ModuleList, count: int) -> list[list[nn.Module]]:
    """Return copies of fields with parameters of their own, but for those that fields share."""
    uses = Counter(p for field in fields for p in set(field.parameters()))
    shared = {id(p): deepcopy(p) for p, number in uses.items() if number > 1}
    copies = []
    for _ in range(count):
        known = dict(shared)
        copies.append([deepcopy(field, known) for field in fields])
    return copies
