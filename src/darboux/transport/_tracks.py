"""Tracks of any torch model: what goes through its blocks, recorded by hooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any, final

import torch
from torch import Tensor, nn

from darboux.structure._arguments import checked, shown


@checked
def tracks(model: nn.Module, blocks: Iterable[nn.Module], *args: Any, **kwargs: Any) -> Tensor:
    """Return the features before, between and after blocks of a model, as it is called once.

    z_0 is the first tensor that the first block gets, z_k what the k-th call of a block returns; a
    block that is called many times gives as many states, so give the whole batch at once to a model
    that goes through parts of it. Where a block returns a tuple, its first tensor counts. The call
    is the model's own: mode, gradients and autocast are those around it, and hooks are gone
    afterwards. States of several formats, as under autocast, come in the coarsest of them, by whose
    rounding scores must judge. `Flow.trajectory` returns the same of a flow.

    A transformer's track has every token in it, (K+1, batch, tokens, features):
    ``.flatten(1, 2)`` makes each token a sample.

    Shapes: the result is (K+1, batch, *features).

    Args:
        model: any module.
        blocks: modules inside it whose features have one shape, in a `torch.nn.ModuleList` or
            any other list.
        args: of the model.
        kwargs: of the model.

    Raises:
        TypeError: if blocks are no modules, or handle no tensors.
        ValueError: if a block is not called, lies inside another one, or changes the shape, or if
            features are nested tensors.

    Example:
        >>> import torch, darboux as dx
        >>> layer = torch.nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
        >>> model = torch.nn.TransformerEncoder(layer, num_layers=3).eval()
        >>> found = dx.transport.tracks(model, model.layers, src=torch.randn(5, 7, 8))
        >>> found.shape, dx.transport.line_shape_score(found.flatten(1, 2)).shape
        (torch.Size([4, 5, 7, 8]), torch.Size([35]))
    """
    recorder = _Recorder(_listed(model, blocks))
    with ExitStack() as hooks:
        for block in recorder.names:
            hooks.callback(
                block.register_forward_pre_hook(recorder.before, with_kwargs=True).remove
            )
            hooks.callback(block.register_forward_hook(recorder.after).remove)
        model(*args, **kwargs)
    return recorder.stacked()


def _listed(model: nn.Module, blocks: Iterable[nn.Module]) -> dict[nn.Module, str]:
    """Return the blocks with their names in the model, each once."""
    found = list(blocks)
    if not found or not all(isinstance(block, nn.Module) for block in found):
        msg = (
            f"tracks: expected blocks to be modules of the model; got {shown(blocks)}. Use its "
            "list of them, model.layers for instance."
        )
        raise TypeError(msg)
    names = {module: name for name, module in model.named_modules()}
    if strangers := [block for block in found if block not in names]:
        msg = (
            f"tracks: expected blocks inside the model; got a {type(strangers[0]).__name__} "
            "that is not one of its modules. Take them from the model that is called."
        )
        raise ValueError(msg)
    return {block: names[block] for block in found}


@final
class _Recorder:
    """What blocks get and return during a call."""

    def __init__(self, names: dict[nn.Module, str]) -> None:
        self.names = names
        self._states: list[Tensor] = []
        self._called: list[str] = []
        self._open: list[str] = []

    def before(self, block: nn.Module, args: Any, kwargs: Mapping[str, Any]) -> None:
        """Keep what the first block gets."""
        name = self.names[block]
        if self._open:
            msg = (
                f"tracks: expected blocks one after the other; got {name!r} inside "
                f"{self._open[-1]!r}. Leave one of them out."
            )
            raise ValueError(msg)
        self._open.append(name)
        if not self._states:
            self._keep(name, (*args, *kwargs.values()))

    def after(self, block: nn.Module, args: Any, value: Any) -> None:
        """Keep what a block returns."""
        del args
        self._called.append(self._open.pop())
        self._keep(self.names[block], value)

    def _keep(self, name: str, value: Any) -> None:
        values = value.values() if isinstance(value, Mapping) else value
        entries = [value] if isinstance(value, Tensor) else values
        found = next((x for x in entries or () if isinstance(x, Tensor)), None)
        if found is None or not found.is_floating_point():
            msg = (
                f"tracks: expected features as a tensor of real floating-point numbers at block "
                f"{name!r}; got {shown(value if found is None else found)}. Leave that block out."
            )
            raise TypeError(msg)
        if found.is_nested:
            msg = (
                f"tracks: expected samples of one shape at block {name!r}; got a nested tensor. A "
                "transformer makes none with enable_nested_tensor=False."
            )
            raise ValueError(msg)
        self._states.append(found.clone())  # the model may overwrite it

    def stacked(self) -> Tensor:
        """Return the states, if every block was called and they have one shape."""
        if missing := [name for name in self.names.values() if name not in self._called]:
            msg = (
                f"tracks: expected the model to call every block; got no call of {missing[0]!r}. "
                "Leave it out; a compiled model runs without hooks: give the one that was compiled."
            )
            raise ValueError(msg)
        first, *later = self._states
        for name, state in zip(self._called, later, strict=True):
            if state.shape != first.shape:
                msg = (
                    f"tracks: expected features of one shape; got {tuple(first.shape)} before the "
                    f"blocks and {tuple(state.shape)} after {name!r}. Take the blocks of one stage."
                )
                raise ValueError(msg)
        coarsest = max((z.dtype for z in self._states), key=lambda each: torch.finfo(each).eps)
        return torch.stack([z.to(coarsest) for z in self._states])
