"""The target of an attack: a module, the inputs around which to look, and how hard to try."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

import torch
from torch import Tensor, nn

from darboux.structure._arguments import Count, Positive, checked

_ROUNDINGS = 4.0

_NEAR = 1e-2  # how far points may lie from the inputs where the module refuses others

_SIDES = {1: (256, 64), 2: (16, 8, 4), 3: (8, 4)}  # of windows of images, by dimension


@final
@checked
@dataclass(frozen=True)
class Target:
    """A module with the inputs around which it is attacked.

    Args:
        module: a private copy that the attack may call as often as it likes.
        inputs: what the module receives when the model runs on the example, with batch
            axis, in the dtype of the attack.
        effort: how hard to try.
        generator: the only source of randomness.
        stored: the dtype in which parameters are stored: they are known to its precision.
        depth: K, the number of maps in sequence, which multiplies rounding errors.
        share: the fraction of `Effort.work` that this attack may take.
        seen: inputs of submodules, by ``id``, recorded on the way.
        twin: the same module in another dtype, float32 for float64 and the other way round:
            it tells what rounding does, and a float32 twin makes long searches short.
        near: whether points stay within a hundredth of the inputs, for modules that refuse others.
        lost: is told how many points about as large as the inputs had values that are not finite.
        facts: what attacks have found out about the module, for those that come after.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> target = Target(nn.ReLU(), torch.ones(1, 4), Effort.named("quick"), generator)
        >>> target.randn(2, 4).shape
        torch.Size([2, 4])
    """

    module: nn.Module
    inputs: Tensor
    effort: Effort
    generator: torch.Generator
    stored: torch.dtype = torch.float32
    depth: Count = 1
    share: Positive = 1.0
    seen: Mapping[int, Tensor] = field(default_factory=dict)
    twin: nn.Module | None = None
    near: bool = False
    lost: list[int] = field(default_factory=list)
    facts: dict[object, Any] = field(default_factory=dict)

    @property
    def work(self) -> float:
        """Operations that the attack may take."""
        return self.effort.work * self.share

    @property
    def scale(self) -> float:
        """The root mean square of the inputs, 1 for an input of zeros; little of it if near."""
        size = float(self.inputs.detach().double().square().mean().sqrt())
        return (size if size > 0 else 1.0) * (_NEAR if self.near else 1.0)

    def randn(self, *shape: int) -> Tensor:
        """Return normal noise in the dtype and on the device of the inputs."""
        noise = torch.randn(
            shape, generator=self.generator, device=self.generator.device, dtype=torch.float32
        )
        return noise.to(self.inputs)

    def log_uniform(self, count: int, lowest: float, highest: float) -> Tensor:
        """Return `count` random scales between 10^lowest and 10^highest, at most 1 if near."""
        highest = min(highest, 0.0) if self.near else highest
        u = torch.rand(count, generator=self.generator, device=self.generator.device)
        return (10 ** (lowest + (highest - lowest) * u)).to(self.inputs)

    def rounding(self, n: int) -> float:
        """Return what rounding alone can do, relatively: c K √n ε, c = 4.

        n is the length of the sums; √n because rounding errors are as good as
        independent; K maps in sequence add theirs.
        """
        return _ROUNDINGS * self.depth * math.sqrt(n) * torch.finfo(self.inputs.dtype).eps

    def tolerance(self, n: int) -> float:
        """Return the relative tolerance of an operator norm.

        To `rounding` it adds what the stored parameters do not know: every entry of a
        matrix is rounded to ε of the stored dtype, which moves singular values by at
        most √(features) ε relatively.
        """
        features = self.inputs.shape[1] if self.inputs.ndim > 1 else 1
        unknown = _ROUNDINGS * self.depth * math.sqrt(features) * torch.finfo(self.stored).eps
        return self.rounding(n) + unknown


@final
@checked
@dataclass(frozen=True)
class Effort:
    """The numbers behind "quick", "normal" and "thorough".

    The counts are upper limits. For expensive maps `work` cuts them: it is the number
    of floating-point operations that one attack on the whole map may take, so that the
    same certificate comes out on a slow and on a fast machine.

    Args:
        name: the word that the user gives.
        work: operations for one attack on the whole map.
        pairs: random pairs.
        starts: pairs from which gradient ascent starts.
        ascent: steps of each ascent.
        points: base points of Jacobians.
        iterations: power iterations at the best base points.
        rounds: how often the best base points are moved and tried again.

    Example:
        >>> Effort.named("quick").name
        'quick'
    """

    name: str
    work: Positive
    pairs: Count
    starts: Count
    ascent: Count
    points: Count
    iterations: Count
    rounds: Count

    @classmethod
    @checked
    def named(cls, name: str) -> Effort:
        """Return the effort of that name.

        Raises:
            ValueError: if there is none.
        """
        if name not in _EFFORTS:
            known = ", ".join(repr(known) for known in _EFFORTS)
            msg = f"certify: expected effort to be one of {known}; got {name!r}."
            raise ValueError(msg)
        return _EFFORTS[name]


_EFFORTS = {
    "quick": Effort("quick", 3e9, 64, 8, 10, 16, 12, 1),
    "normal": Effort("normal", 1.2e11, 1024, 128, 40, 2048, 40, 10),
    "thorough": Effort("thorough", 1e12, 8192, 512, 150, 4096, 120, 16),
}


def windowed(
    call: Callable[[Tensor], Tensor], target: Target, *, entries: float = math.inf
) -> Target:
    """Return the target with a window of its inputs, of at most so many entries, if it fits."""
    # Only for what holds at every image size, such as constants of fields: a small image may
    # refute it, and costs less.
    inputs = target.inputs
    for side in _SIDES.get(inputs.ndim - 2, ()):
        window = inputs[(slice(None), slice(None), *(slice(0, side),) * (inputs.ndim - 2))]
        if window[0].numel() <= entries:
            if window.shape == inputs.shape:
                return target
            if _fits(call, window.contiguous()):
                return replace(target, inputs=window.contiguous())
    return target


def _fits(call: Callable[[Tensor], Tensor], inputs: Tensor) -> bool:
    with torch.no_grad():
        try:
            return call(inputs).numel() == inputs.numel()
        except Exception:
            return False
