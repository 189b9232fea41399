"""What one forward pass keeps for its backward pass."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from torch import Tensor

from darboux.gradients._closed import require_closed
from darboux.gradients._environment import Environment
from darboux.gradients._link import Link, Stack, added, copied
from darboux.gradients._monitor import Monitor
from darboux.gradients._record import Inventory, Record, Watch, repeat

_NOTHING = Record(None, None, {})


@final
@dataclass(eq=False, kw_only=True)
class Tape:
    """The links of one forward pass, what it found on the way, and what its monitor remembers."""

    links: Sequence[Link]
    inventories: Sequence[Inventory]
    names: Sequence[Sequence[tuple[str, int]]]
    parameters: Sequence[Tensor]
    environment: Environment
    monitor: Monitor
    checkpoints: Collection[int]
    log_det: bool = field(kw_only=True)
    invert: bool = field(kw_only=True)
    records: list[Record] = field(default_factory=list)

    def forward(
        self, stack: Stack, context: Tensor | None
    ) -> tuple[Stack, Tensor | None, dict[int, Stack]]:
        """Apply the links; return the last stack, log|det|, and the stacks to be kept."""
        kept, total, watch = {}, None, Watch(stack[0].device)
        first, stack = stack, copied(stack)  # links may work in place
        for k, link in enumerate(self.links):
            if k in self.checkpoints:
                kept[k] = copied(stack) if k else first
            self._check_closed(k, stack, context)
            mark = self.monitor.prints(stack[0])
            buffers, dtype = watch.before(self.inventories[k]), stack[0].dtype
            stack, part = link.push(stack, context, log_det=self.log_det)
            self.records.append(watch.after(link, mark, buffers))
            total = added(total, part)
            if stack[0].dtype != dtype:
                raise TypeError(_DTYPE.format(name=link.name, old=dtype, new=stack[0].dtype))
        return stack, total, kept

    def replaced(self, tensors: Sequence[Tensor]) -> list[dict[str, Tensor]]:
        """Return for each link the parameters that are not its module's own any more."""
        # `torch.func.functional_call` puts others in their place for the forward pass only.
        own = [p for _, p in (pair for inv in self._now() for pair in inv.parameters)]
        if {id(tensor) for tensor in tensors} <= {id(p) for p in own}:
            return [{} for _ in self.links]
        return [{name: tensors[i] for name, i in names} for names in self.names]

    def call(
        self, k: int, replaced: Mapping[str, Tensor], function: Any, *args: Any, **kw: Any
    ) -> Any:
        """Call a function of link k as it was in the forward pass."""
        return repeat(self.links[k], self.records[k], replaced, function, *args, **kw)

    def _now(self) -> list[Inventory]:
        return [Inventory(link.module) for link in self.links]

    def own(self, k: int, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the parameters of link k that need gradients."""
        return [tensors[i] for _, i in self.names[k]]

    def _check_closed(self, k: int, stack: Stack, context: Tensor | None) -> None:
        """Look once for tensors that link k uses and that are not its own."""
        name = self.links[k].name
        if name in self.monitor.checked:
            return
        self.monitor.checked.add(name)
        with self.environment.again():
            copies = {n: b.clone() for n, b in self.links[k].module.named_buffers()}
            link, own = self.links[k], self.own(k, self.parameters)
            everything = [p for p in link.module.parameters() if p.requires_grad]
            record = Record(None, None, copies)
            parameters = [*own, *everything]
            arguments = (link, stack, context, parameters)
            kinked = repeat(link, record, {}, require_closed, *arguments, log_det=self.log_det)
            self.monitor.kinked |= kinked


_DTYPE = (
    "{name}: expected features that stay {old}; got {new}, in which an inverse would lose digits. "
    "Compute the layer itself with autocast disabled; its sub-networks may use it."
)
