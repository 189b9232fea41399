"""The parameters of a flow as functions of time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from darboux.flow import Flow, LearnedSteps, UniformSteps


def parameters_in_time(flow: Flow) -> list[list[nn.Parameter]]:
    """Return for each parameter that is chosen its values θ_0, ..., θ_{K-1}.

    Raises:
        ValueError: if the steps share one field, or fields differ in what is chosen.
    """
    if flow.shared:
        msg = (
            "Expected a flow with one field a step, whose parameters are a function of time; got "
            "a single field for all steps. Give a list of fields."
        )
        raise ValueError(msg)
    chosen = [
        {name: p for name, p in field.named_parameters() if p.requires_grad}
        for field in flow.fields
    ]
    shapes = [{name: p.shape for name, p in each.items()} for each in chosen]
    k = next((k for k, each in enumerate(shapes) if each != shapes[0] or not each), None)
    if k is not None:
        msg = (
            "Expected fields with the same parameters to choose, at least one, which are a "
            f"function of time together; got {_shown(shapes[0])} at step 0 and "
            f"{_shown(shapes[k])} at step {k}. Use fields of one kind and size, and the same "
            "requires_grad for all."
        )
        raise ValueError(msg)
    return [[each[name] for each in chosen] for name in chosen[0]]


def stacked(flow: Flow) -> list[Tensor]:
    """Return the parameters in time, (K, ...) each."""
    return [torch.stack([*values]) for values in parameters_in_time(flow)]


def horizon_of(flow: Flow) -> float:
    """Return T.

    Raises:
        ValueError: if the steps decide where they end.
    """
    if isinstance(flow.rule, UniformSteps | LearnedSteps):
        return flow.rule.horizon
    msg = (
        f"Expected a flow with a given horizon, on which θ(t) is a function; got {flow.rule!r}. "
        "Use uniform steps or LearnedSteps."
    )
    raise ValueError(msg)


def _shown(shapes: dict[str, torch.Size]) -> str:
    found = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
    return found or "none"
