"""The attack on slope ranges of activations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from darboux.certification._finding import Finding, NotAttackedError, Trial, attacks
from darboux.certification._target import Target
from darboux.structure import Premise, slopes_within

_ZOOMS = 12


@attacks(slopes_within)
def _(premise: Premise, target: Target) -> Finding:
    """Look for difference quotients outside [lower, upper], and for entries that mix."""
    # An elementwise function is a function of one variable per channel, so all channels
    # are searched at once: pairs at all scales, then again and again around the worst.
    lower, upper = premise.values["lower"], premise.values["upper"]
    call = _by_channel(premise.subject, target)
    high, low = _search(call, target)
    # Below `lower` counts as far above `upper` as it lies below.
    above = Trial("largest difference quotient", high[1], high[0], high[2], {"pair": high[3]})
    beneath = upper + (lower + low[0])
    below = Trial("smallest difference quotient", low[1], beneath, low[2], {"pair": low[3]})
    mixing = Trial("entries that depend on others", 8, *_mixing(premise, target))
    note = f"slopes seen: [{0.0 - low[0]:.6g}, {high[0]:.6g}]"
    return Finding(upper, (above, below, mixing), note)


class _ByChannel:
    """An activation on values (n, channels), whatever layout its inputs have."""

    def __init__(self, module: nn.Module, channels: int, trailing: int) -> None:
        self.module, self.channels, self.trailing = module, channels, trailing

    def __call__(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self.module(x.reshape(*x.shape, *(1,) * self.trailing)).reshape(x.shape)


def _by_channel(module: nn.Module, target: Target) -> _ByChannel:
    """Return the activation per channel, with the shape that it was seen to receive."""
    seen = target.seen.get(id(module))
    shapes = [] if seen is None else [(seen.shape[1], seen.ndim - 2)]
    sizes = sorted({p.numel() for p in [*module.parameters(), *module.buffers()]}, reverse=True)
    shapes += [
        (size, trailing) for size in (*sizes, target.inputs.shape[1]) for trailing in (0, 1, 2)
    ]
    reason = ""
    for channels, trailing in shapes:
        call = _ByChannel(module, channels, trailing)
        try:
            call(target.randn(2, channels))
        except (RuntimeError, ValueError) as error:
            reason = str(error)
            continue
        return call
    msg = f"{type(module).__name__} accepts no probe: {reason}"
    raise NotAttackedError(msg)


def _search(call: _ByChannel, target: Target) -> list[tuple[float, int, float, Tensor]]:
    """Return (largest quotient, samples, rounding, pair) of the quotients and of minus those."""
    count, shape = max(64, target.effort.pairs), (2, call.channels)  # either sign, every channel
    x = target.randn(count, *shape) * target.log_uniform(count, -3.0, 3.0)[:, None, None]
    gap = target.randn(count, *shape) * target.log_uniform(count, -4.0, 3.0)[:, None, None]
    best = _quotients(call, x, gap, target)
    for _ in range(_ZOOMS):
        k = best[0].argmax(dim=0)
        at, width = (best[j].gather(0, k[None]) for j in (2, 3))
        # Around the worst pair of each channel: nearby points, shorter and longer gaps.
        spread = target.log_uniform(count, -2.0, 1.0)[:, None, None]
        near = at + width.abs() * spread * target.randn(count, *shape)
        gaps = width * target.log_uniform(count, -1.0, 0.3)[:, None, None]
        best = _quotients(call, torch.cat([at, near]), torch.cat([width, gaps]), target)
    return [_top([part[:, k] for part in best], count * (1 + _ZOOMS)) for k in range(2)]


def _top(found: list[Tensor], samples: int) -> tuple[float, int, float, Tensor]:
    top = int(found[0].argmax())
    safe, rounding, x, gap = (part.flatten()[top] for part in found)
    return float(safe + rounding), samples, float(rounding), torch.stack([x, x + gap])


def _quotients(
    call: _ByChannel, x: Tensor, gap: Tensor, target: Target
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return (±quotient - rounding, rounding, x, gap), (pairs, 2 signs, channels) each."""
    y = x + gap
    gap = y - x
    a, b = call(torch.cat([x, y]).flatten(0, 1)).unflatten(0, (-1, 2)).chunk(2)
    usable = gap != 0
    width = torch.where(usable, gap, 1.0)
    quotient = x.new_tensor([[1.0], [-1.0]]) * (b - a) / width
    rounding = 4 * target.rounding(1) * (a.abs() + b.abs() + x.abs() + y.abs()) / width.abs()
    safe = torch.where(usable & quotient.isfinite(), quotient - rounding, -torch.inf)
    return safe, rounding, x, gap


def _mixing(premise: Premise, target: Target) -> tuple[float, float]:
    """Return (upper + the largest change of an entry whose input did not change, tolerance)."""
    upper, seen = premise.values["upper"], target.seen.get(id(premise.subject))
    like = target.inputs if seen is None else seen
    x = target.randn(2, *like.shape[1:])
    changed = x.clone()
    changed[(slice(None), slice(0, 1))] += 1.0
    if x.ndim > 2:
        changed[..., 1:] = x[..., 1:]
    same = changed == x
    try:
        with torch.no_grad():
            moved = (premise.subject(changed) - premise.subject(x)).abs()
    except (RuntimeError, ValueError):
        return upper, 0.0
    return upper + float(moved[same].max() if bool(same.any()) else 0.0), target.rounding(1)
