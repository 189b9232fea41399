"""The abstract activation σ: its slopes and its antiderivative."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NoReturn

from torch import Tensor, nn

from darboux.structure import Claims, Law, slopes_within
from darboux.structure._module import Module
from darboux.structure._rules import by_class
from darboux.structure._slopes import slopes_prove


class Activation(Module, ABC):
    """An activation σ: R -> R applied to every entry, with what theorems need of it.

    The slope range is [inf σ', sup σ'] over all difference quotients; γ is an
    antiderivative, γ' = σ. An activation that is no function of one real variable
    (for instance `GroupSort`) sets ``separable`` to False. It has no antiderivative, unless it
    is the gradient of a potential Γ all the same and sets ``conservative`` to True, such as
    `darboux.symmetry.NormActivation`; its slopes are then the eigenvalues of its symmetric
    Jacobian.

    Sharing one instance between fields shares its parameters: the thresholds of one
    `Clip` used twice are one set of thresholds.

    Source: section 2.1.
    """

    separable: bool = True
    nonnegative: bool = False  # σ >= 0 everywhere
    odd: bool = False  # σ(-x) = -σ(x)

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Return σ(x), of the same shape as x, (batch, channels, *space)."""

    @abstractmethod
    def slopes(self) -> tuple[float, float]:
        """Return (lower, upper) with lower <= (σ(x)-σ(y))/(x-y) <= upper for all x != y."""

    @abstractmethod
    def antiderivative(self, x: Tensor) -> Tensor:
        """Return γ(x) with γ' = σ, entry by entry; for a Γ that mixes channels, terms of its sum.

        Raises:
            TypeError: if σ is not conservative.
        """

    @classmethod
    def from_argument(cls, value: object) -> Activation:
        """Return an activation of `torch.nn` as ours, or say what to write."""
        if isinstance(value, nn.Module):
            return from_torch(value)
        name = getattr(value, "__name__", value)
        raise TypeError(_advice(name if isinstance(name, str) else ""))

    def prepare(self) -> Callable[[Tensor], Tensor]:
        """Return σ, for many x with the same parameters."""
        return self

    @property
    def conservative(self) -> bool:
        """Whether σ = ∇Γ for a potential Γ."""
        return self.separable

    @property
    def uniform(self) -> bool:
        """Whether an elementwise σ is one function on all channels."""
        return self.separable

    def commutes(self, law: Law) -> bool:
        """Return whether σ(ρ(g) x) = ρ(g) σ(x) for features of a declared type.

        What acts on every entry alike commutes with permutations; if it is odd, with changes
        of signs as well.
        """
        return self.uniform and (law.permutes or (self.odd and law.signs))

    def tie(self, rows: Tensor) -> Tensor:
        """Return the smallest diagonal T >= rows, (channels,), with T⁻¹ σ conservative if σ is.

        That is the rows themselves for an elementwise σ.
        """
        return rows

    def claims(self) -> Claims:
        """Return what the slope range proves: `Averaged` and `Lipschitz`."""
        return slope_claims(self, *self.slopes())


def _unlike(module: nn.Module, reason: str) -> NoReturn:
    del module
    msg = f"{reason[0].upper()}{reason[1:]}."
    raise TypeError(msg)


@by_class(_unlike)
def from_torch(module: nn.Module) -> Activation:
    """Return our activation that computes what a module of torch does."""
    raise TypeError(_advice(type(module).__name__))


def _advice(name: str) -> str:
    """Return what to write for the name of an activation."""
    ours = {c.__name__: c for c in Activation.__subclasses__() if "darboux" in c.__module__}
    same = next((known for known in ours if known.lower() == name.lower().replace("_", "")), None)
    if same is not None:
        return f"Write darboux.activations.{same}()."
    public = sorted(known for known, c in ours.items() if "activations" in c.__module__)
    return f"Use one of darboux.activations: {', '.join(public)}."


def slope_claims(module: nn.Module, lower: float, upper: float) -> Claims:
    """Return the claims of an elementwise map whose difference quotients lie in [lower, upper]."""
    what = f"the slopes of {type(module).__name__}"
    premise = slopes_within(module, lower=lower, upper=upper)
    return slopes_prove(what, lower, upper, premises=(premise,))
